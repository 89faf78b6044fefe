//! Products and plan types.

use diesel::dsl::max;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};
use license_manager_domain::history::Change;
use license_manager_domain::ports::ProductRepository;
use license_manager_domain::{Error, PlanType, PlanTypeId, Product, ProductId};

use super::SqliteUnit;
use super::error::storage_error;
use super::recording::{Kind, Table, record};
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
        Ok(found.map(found_product))
    }

    fn lock(&mut self) -> Result<(), Error> {
        self.written().map(drop)
    }

    fn list(&mut self) -> Result<Vec<Product>, Error> {
        let found = product::table
            .inner_join(plan_type::table)
            .order(product::id)
            .select((product::all_columns, plan_type::all_columns))
            .load::<(ProductRow, PlanTypeRow)>(self.conn)
            .map_err(storage_error)?;
        Ok(found.into_iter().map(found_product).collect())
    }

    fn plan_types(&mut self) -> Result<Vec<PlanType>, Error> {
        let found = plan_type::table.order(plan_type::id).load::<PlanTypeRow>(self.conn).map_err(storage_error)?;
        Ok(found.into_iter().map(found_plan_type).collect())
    }

    fn add(&mut self, product: &Product, change: &Change) -> Result<ProductId, Error> {
        let conn = self.written()?;
        let last: Option<i32> = product::table.select(max(product::id)).get_result(conn).map_err(storage_error)?;
        let product = Product { id: ProductId(last.unwrap_or(0) + 1), ..product.clone() };
        diesel::insert_into(product::table)
            .values((product::id.eq(product.id.0), product_columns(&product)))
            .execute(conn)
            .map_err(storage_error)?;
        let key = serde_json::to_string(&[product.id]).map_err(Error::internal)?;
        record(conn, Table::Product, &key, Kind::Added, change)?;
        Ok(product.id)
    }

    fn save(&mut self, product: &Product, change: &Change) -> Result<(), Error> {
        let conn = self.written()?;
        let written = diesel::update(product::table.find(product.id.0))
            .set(product_columns(product))
            .execute(conn)
            .map_err(storage_error)?;
        if written != 1 {
            return Err(Error::internal(format!("no product {} to write", product.id)));
        }
        let key = serde_json::to_string(&[product.id]).map_err(Error::internal)?;
        record(conn, Table::Product, &key, Kind::Changed, change)
    }

    fn add_plan_type(&mut self, plan_type: &PlanType) -> Result<PlanTypeId, Error> {
        let conn = self.written()?;
        let last: Option<i32> = plan_type::table.select(max(plan_type::id)).get_result(conn).map_err(storage_error)?;
        let id = PlanTypeId(last.unwrap_or(0) + 1);
        diesel::insert_into(plan_type::table)
            .values((plan_type::id.eq(id.0), plan_type_columns(plan_type)))
            .execute(conn)
            .map_err(storage_error)?;
        Ok(id)
    }

    fn save_plan_type(&mut self, plan_type: &PlanType) -> Result<(), Error> {
        let written = diesel::update(plan_type::table.find(plan_type.id.0))
            .set(plan_type_columns(plan_type))
            .execute(self.written()?)
            .map_err(storage_error)?;
        match written {
            1 => Ok(()),
            _ => Err(Error::internal(format!("no plan type {} to write", plan_type.id))),
        }
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
        .bind::<Text, _>(serde_json::to_string(&plan_types).map_err(Error::internal)?)
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
        .bind::<Text, _>(serde_json::to_string(&products).map_err(Error::internal)?)
        .load(conn)
        .map_err(storage_error)?;
        let added: Vec<i32> = added.into_iter().map(|product| product.id).collect();
        let added = serde_json::to_string(&added).map_err(Error::internal)?;
        record(conn, Table::Product, &added, Kind::Added, change)
    }
}

fn found_product((product, plan_type): (ProductRow, PlanTypeRow)) -> Product {
    let (id, name, description, netsuite_id, salesforce_product_id, _) = product;
    let plan_type = found_plan_type(plan_type);
    Product { id: ProductId(id), name, description, netsuite_id, salesforce_product_id, plan_type }
}

fn found_plan_type(row: PlanTypeRow) -> PlanType {
    let (id, label, description, is_paid_subscription, ns_id_required, sf_id_required, internal_use_only) = row;
    let id = PlanTypeId(id);
    PlanType { id, label, description, is_paid_subscription, ns_id_required, sf_id_required, internal_use_only }
}

#[diesel::dsl::auto_type]
fn product_columns(product: &Product) -> _ {
    let name: String = product.name.clone();
    let description: String = product.description.clone();
    let netsuite_id: Option<i32> = product.netsuite_id;
    let salesforce_product_id: Option<String> = product.salesforce_product_id.clone();
    let plan_type: i32 = product.plan_type.id.0;
    (
        product::name.eq(name),
        product::description.eq(description),
        product::netsuite_id.eq(netsuite_id),
        product::salesforce_product_id.eq(salesforce_product_id),
        product::plan_type_id.eq(plan_type),
    )
}

#[diesel::dsl::auto_type]
fn plan_type_columns(plan_type: &PlanType) -> _ {
    let label: String = plan_type.label.clone();
    let description: String = plan_type.description.clone();
    let is_paid_subscription: bool = plan_type.is_paid_subscription;
    let ns_id_required: bool = plan_type.ns_id_required;
    let sf_id_required: bool = plan_type.sf_id_required;
    let internal_use_only: bool = plan_type.internal_use_only;
    (
        plan_type::label.eq(label),
        plan_type::description.eq(description),
        plan_type::is_paid_subscription.eq(is_paid_subscription),
        plan_type::ns_id_required.eq(ns_id_required),
        plan_type::sf_id_required.eq(sf_id_required),
        plan_type::internal_use_only.eq(internal_use_only),
    )
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
