//! Locks of products and plan types, and their first rows. The repository is in [`crate::rows::products`].

use std::collections::BTreeMap;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use license_manager_domain::history::Change;
use license_manager_domain::{Error, Product};

use super::recording::{Kind, with_history};
use super::unit::PostgresUnit;
use crate::rows::products::{PlanTypeRow, ProductRow};
use crate::schema::{PRODUCT, plan_type, product};

impl PostgresUnit<'_> {
    /// Keeps others from writing to tables.
    pub(crate) fn lock_tables(&mut self, tables: &str) -> Result<(), Error> {
        let statement = format!("LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE");
        self.write(|connection| connection.batch_execute(&statement))
    }

    /// Adds the plan types and products that are not there.
    pub(crate) fn seed_products(&mut self, products: &[Product], change: &Change) -> Result<(), Error> {
        self.require_write()?;
        if products.is_empty() {
            return Ok(());
        }
        let products: BTreeMap<_, _> = products.iter().map(|product| (product.id, product)).collect();
        let plan_types: BTreeMap<_, _> =
            products.values().map(|product| (product.plan_type.id, &product.plan_type)).collect();
        let plan_types: Vec<_> = plan_types.into_values().map(PlanTypeRow::from).collect();
        let statement =
            diesel::insert_into(plan_type::table).values(plan_types).on_conflict(plan_type::id).do_nothing();
        self.write(|connection| statement.execute(connection))?;

        let products: Vec<_> = products.into_values().map(ProductRow::from).collect();
        let statement = diesel::insert_into(product::table)
            .values(products)
            .on_conflict(product::id)
            .do_nothing()
            .returning(product::all_columns);
        let statement = with_history(statement, &PRODUCT, Kind::Added, change);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }
}
