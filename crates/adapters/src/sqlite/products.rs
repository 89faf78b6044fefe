//! Products and plan types.

use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};
use license_manager_domain::ports::ProductRepository;
use license_manager_domain::{Change, Error, PlanType, PlanTypeId, Product, ProductId};

use super::SqliteUnit;
use super::error::storage_error;
use super::history::{Kind, Table, record};
use super::schema::{plan_type, product};

type ProductRow = (i32, String, String, Option<i32>, Option<String>, i32);
type PlanTypeRow = (i32, String, String, bool, bool, bool, bool);

#[derive(QueryableByName)]
struct Added {
    #[diesel(sql_type = Integer)]
    id: i32,
}

impl ProductRepository for SqliteUnit<'_> {
    fn find(&mut self, id: ProductId) -> Result<Option<Product>, Error> {
        let found = product::table
            .inner_join(plan_type::table)
            .filter(product::id.eq(id.0))
            .select((product::all_columns, plan_type::all_columns))
            .first::<(ProductRow, PlanTypeRow)>(self.conn)
            .optional()
            .map_err(storage_error)?;
        Ok(found.map(|(product, plan_type)| {
            let (id, name, description, netsuite_id, salesforce_product_id, _) = product;
            let (plan_type_id, label, type_description, is_paid_subscription, ns, sf, internal_use_only) = plan_type;
            Product {
                id: ProductId(id),
                name,
                description,
                netsuite_id,
                salesforce_product_id,
                plan_type: PlanType {
                    id: PlanTypeId(plan_type_id),
                    label,
                    description: type_description,
                    is_paid_subscription,
                    ns_id_required: ns,
                    sf_id_required: sf,
                    internal_use_only,
                },
            }
        }))
    }

    fn seed(&mut self, products: &[Product], change: &Change) -> Result<(), Error> {
        let conn = self.written()?;
        let plan_types: Vec<_> = products.iter().map(|product| &product.plan_type).map(plan_type_row).collect();
        // "WHERE true" keeps SQLite from taking ON for a join's.
        diesel::sql_query(
            "INSERT INTO plan_type (id, label, description, is_paid_subscription, ns_id_required, sf_id_required,
                                    internal_use_only)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
             FROM json_each(?1) WHERE true
             ON CONFLICT (id) DO NOTHING",
        )
        .bind::<Text, _>(serde_json::to_string(&plan_types).map_err(Error::storage)?)
        .execute(conn)
        .map_err(storage_error)?;

        let products: Vec<_> = products.iter().map(product_row).collect();
        let added: Vec<Added> = diesel::sql_query(
            "INSERT INTO product (id, name, description, netsuite_id, salesforce_product_id, plan_type_id)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
             FROM json_each(?1) WHERE true
             ON CONFLICT (id) DO NOTHING
             RETURNING id",
        )
        .bind::<Text, _>(serde_json::to_string(&products).map_err(Error::storage)?)
        .load(conn)
        .map_err(storage_error)?;
        let added: Vec<i32> = added.into_iter().map(|product| product.id).collect();
        let added = serde_json::to_string(&added).map_err(Error::storage)?;
        record(conn, Table::Product, &added, Kind::Added, change)
    }
}

fn plan_type_row(plan_type: &PlanType) -> (i32, &str, &str, bool, bool, bool, bool) {
    (
        plan_type.id.0,
        &plan_type.label,
        &plan_type.description,
        plan_type.is_paid_subscription,
        plan_type.ns_id_required,
        plan_type.sf_id_required,
        plan_type.internal_use_only,
    )
}

fn product_row(product: &Product) -> (i32, &str, &str, Option<i32>, Option<&str>, i32) {
    (
        product.id.0,
        &product.name,
        &product.description,
        product.netsuite_id,
        product.salesforce_product_id.as_deref(),
        product.plan_type.id.0,
    )
}
