//! The first rows of products and plan types. The repository is in [`crate::rows::products`].

use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::{Error, Product};

use super::json::json;
use super::unit::SqliteUnit;
use crate::prepared::prepared_sql;
use crate::rows::products::{PlanTypeRow, ProductRow};
use crate::schema::PRODUCT;

#[derive(QueryableByName)]
struct Added {
    #[diesel(sql_type = Integer)]
    id: i32,
}

impl SqliteUnit<'_> {
    /// Only one unit of work writes at a time, so tables need no lock.
    pub(crate) fn lock_tables(&mut self, _: &str) -> Result<(), Error> {
        self.require_write()
    }

    /// Adds the plan types and products that are not there.
    pub(crate) fn seed_products(&mut self, products: &[Product], change: &Change) -> Result<(), Error> {
        let plan_types: Vec<_> = products.iter().map(|product| PlanTypeRow::from(&product.plan_type)).collect();
        // Without "WHERE true", SQLite would take ON for the condition of a join.
        let statement = prepared_sql(
            "INSERT INTO plan_type (id, label, description, is_paid_subscription, ns_id_required, sf_id_required,
                                    internal_use_only)
             SELECT value ->> 'id', value ->> 'label', value ->> 'description', value ->> 'is_paid_subscription',
                    value ->> 'ns_id_required', value ->> 'sf_id_required', value ->> 'internal_use_only'
             FROM jsonb_each(?1) WHERE true
             ON CONFLICT (id) DO NOTHING",
        )
        .bind::<Text, _>(json(plan_types)?);
        self.write(|connection| statement.execute(connection))?;

        let products: Vec<_> = products.iter().map(ProductRow::from).collect();
        let query = prepared_sql(
            "INSERT INTO product (id, name, description, netsuite_id, salesforce_product_id, plan_type_id)
             SELECT value ->> 'id', value ->> 'name', value ->> 'description', value ->> 'netsuite_id',
                    value ->> 'salesforce_product_id', value ->> 'plan_type_id'
             FROM jsonb_each(?1) WHERE true
             ON CONFLICT (id) DO NOTHING
             RETURNING id",
        )
        .bind::<Text, _>(json(products)?);
        let added: Vec<Added> = self.write(|connection| query.load(connection))?;
        let added: Vec<i32> = added.into_iter().map(|product| product.id).collect();
        let added = json(added)?;
        self.record(&PRODUCT, &added, ChangeKind::Added, change)
    }
}
