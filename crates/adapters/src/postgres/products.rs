//! Products and plan types.

use std::collections::BTreeMap;

use diesel::prelude::*;
use license_manager_domain::ports::ProductRepository;
use license_manager_domain::{Change, Error, Product, ProductId};

use super::PostgresUnit;
use super::rows::{self, PlanTypeRow, ProductRow};
use super::schema::{PRODUCT, plan_type, product};
use super::statements::{Kind, with_history};

impl ProductRepository for PostgresUnit<'_> {
    fn find(&mut self, id: ProductId) -> Result<Option<Product>, Error> {
        let query = product::table
            .inner_join(plan_type::table)
            .filter(product::id.eq(id.0))
            .select((ProductRow::as_select(), PlanTypeRow::as_select()));
        let row = self.read(|connection| query.first::<(ProductRow, PlanTypeRow)>(connection).optional())?;
        Ok(row.map(rows::product))
    }

    fn seed(&mut self, products: &[Product], change: &Change) -> Result<(), Error> {
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
