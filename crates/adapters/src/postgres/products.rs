//! Products and plan types.

use std::collections::BTreeMap;

use diesel::connection::SimpleConnection;
use diesel::dsl::max;
use diesel::prelude::*;
use license_manager_domain::history::Change;
use license_manager_domain::ports::ProductRepository;
use license_manager_domain::{Error, PlanType, PlanTypeId, Product, ProductId};

use super::recording::{Kind, with_history};
use super::unit::PostgresUnit;
use crate::rows::products::{PlanTypeRow, ProductRow, product_of};
use crate::schema::{PRODUCT, plan_type, product};

impl ProductRepository for PostgresUnit<'_> {
    fn find(&mut self, id: ProductId) -> Result<Option<Product>, Error> {
        let query = product::table
            .inner_join(plan_type::table)
            .filter(product::id.eq(id.0))
            .select((ProductRow::as_select(), PlanTypeRow::as_select()));
        let row = self.read(|connection| query.first::<(ProductRow, PlanTypeRow)>(connection).optional())?;
        Ok(row.map(product_of))
    }

    fn lock(&mut self) -> Result<(), Error> {
        let statement = "LOCK TABLE product, plan_type IN SHARE ROW EXCLUSIVE MODE";
        self.write(|connection| connection.batch_execute(statement))
    }

    fn list(&mut self) -> Result<Vec<Product>, Error> {
        let query = product::table
            .inner_join(plan_type::table)
            .order(product::id)
            .select((ProductRow::as_select(), PlanTypeRow::as_select()));
        let rows = self.read(|connection| query.load::<(ProductRow, PlanTypeRow)>(connection))?;
        Ok(rows.into_iter().map(product_of).collect())
    }

    fn plan_types(&mut self) -> Result<Vec<PlanType>, Error> {
        let query = plan_type::table.select(PlanTypeRow::as_select()).order(plan_type::id);
        self.list::<PlanTypeRow, _>(query)
    }

    fn add(&mut self, product: &Product, change: &Change) -> Result<ProductId, Error> {
        // Two products made at once take turns, so that each sees the other's id.
        self.write(|connection| connection.batch_execute("LOCK TABLE product IN SHARE ROW EXCLUSIVE MODE"))?;
        let last: Option<i32> =
            self.read(|connection| product::table.select(max(product::id)).get_result(connection))?;
        let product = Product { id: ProductId(last.unwrap_or(0) + 1), ..product.clone() };
        let statement =
            diesel::insert_into(product::table).values(ProductRow::from(&product)).returning(product::all_columns);
        let statement = with_history(statement, &PRODUCT, Kind::Added, change);
        self.write_rows(1, "products", |connection| statement.execute(connection))?;
        Ok(product.id)
    }

    fn save(&mut self, product: &Product, change: &Change) -> Result<(), Error> {
        let statement = diesel::update(product::table.find(product.id.0))
            .set(ProductRow::from(product))
            .returning(product::all_columns);
        let statement = with_history(statement, &PRODUCT, Kind::Changed, change);
        self.write_rows(1, "products", |connection| statement.execute(connection))
    }

    fn add_plan_type(&mut self, plan_type: &PlanType) -> Result<PlanTypeId, Error> {
        self.write(|connection| connection.batch_execute("LOCK TABLE plan_type IN SHARE ROW EXCLUSIVE MODE"))?;
        let last: Option<i32> =
            self.read(|connection| plan_type::table.select(max(plan_type::id)).get_result(connection))?;
        let plan_type = PlanType { id: PlanTypeId(last.unwrap_or(0) + 1), ..plan_type.clone() };
        let statement = diesel::insert_into(plan_type::table).values(PlanTypeRow::from(&plan_type));
        self.write_rows(1, "plan types", |connection| statement.execute(connection))?;
        Ok(plan_type.id)
    }

    fn save_plan_type(&mut self, plan_type: &PlanType) -> Result<(), Error> {
        let statement = diesel::update(plan_type::table.find(plan_type.id.0)).set(PlanTypeRow::from(plan_type));
        self.write_rows(1, "plan types", |connection| statement.execute(connection))
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
