//! Products and plan types.

use diesel::dsl::max;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::ports::ProductRepository;
use license_manager_domain::{Error, PlanType, PlanTypeId, Product, ProductId};

use super::json::json;
use super::unit::SqliteUnit;
use crate::rows::products::{PlanTypeRow, ProductRow, product_of};
use crate::schema::{PRODUCT, plan_type, product};

#[derive(QueryableByName)]
struct Added {
    #[diesel(sql_type = Integer)]
    id: i32,
}

impl ProductRepository for SqliteUnit<'_> {
    fn find(&mut self, id: ProductId) -> Result<Option<Product>, Error> {
        let query = product::table
            .inner_join(plan_type::table)
            .filter(product::id.eq(id.0))
            .select((ProductRow::as_select(), PlanTypeRow::as_select()));
        let found = self.read(|connection| query.first::<(ProductRow, PlanTypeRow)>(connection).optional())?;
        Ok(found.map(product_of))
    }

    fn lock(&mut self) -> Result<(), Error> {
        self.require_write()
    }

    fn list(&mut self) -> Result<Vec<Product>, Error> {
        let query = product::table
            .inner_join(plan_type::table)
            .order(product::id)
            .select((ProductRow::as_select(), PlanTypeRow::as_select()));
        let found = self.read(|connection| query.load::<(ProductRow, PlanTypeRow)>(connection))?;
        Ok(found.into_iter().map(product_of).collect())
    }

    fn plan_types(&mut self) -> Result<Vec<PlanType>, Error> {
        let query = plan_type::table.select(PlanTypeRow::as_select()).order(plan_type::id);
        self.list::<PlanTypeRow, _>(query)
    }

    fn add(&mut self, product: &Product, change: &Change) -> Result<ProductId, Error> {
        let last: Option<i32> =
            self.write(|connection| product::table.select(max(product::id)).get_result(connection))?;
        let product = Product { id: ProductId(last.unwrap_or(0) + 1), ..product.clone() };
        self.write(|connection| {
            diesel::insert_into(product::table).values(ProductRow::from(&product)).execute(connection)
        })?;
        let key = json([product.id])?;
        self.record(&PRODUCT, &key, ChangeKind::Added, change)?;
        Ok(product.id)
    }

    fn save(&mut self, product: &Product, change: &Change) -> Result<(), Error> {
        let statement = diesel::update(product::table.find(product.id.0)).set(ProductRow::from(product));
        self.write_rows(1, "products", |connection| statement.execute(connection))?;
        let key = json([product.id])?;
        self.record(&PRODUCT, &key, ChangeKind::Changed, change)
    }

    fn add_plan_type(&mut self, plan_type: &PlanType) -> Result<PlanTypeId, Error> {
        let last: Option<i32> =
            self.write(|connection| plan_type::table.select(max(plan_type::id)).get_result(connection))?;
        let plan_type = PlanType { id: PlanTypeId(last.unwrap_or(0) + 1), ..plan_type.clone() };
        let statement = diesel::insert_into(plan_type::table).values(PlanTypeRow::from(&plan_type));
        self.write(|connection| statement.execute(connection))?;
        Ok(plan_type.id)
    }

    fn save_plan_type(&mut self, plan_type: &PlanType) -> Result<(), Error> {
        let statement = diesel::update(plan_type::table.find(plan_type.id.0)).set(PlanTypeRow::from(plan_type));
        self.write_rows(1, "plan types", |connection| statement.execute(connection))
    }

    fn seed(&mut self, products: &[Product], change: &Change) -> Result<(), Error> {
        let plan_types: Vec<_> = products.iter().map(|product| PlanTypeRow::from(&product.plan_type)).collect();
        // Without "WHERE true", SQLite would take ON for the condition of a join.
        let statement = // Without "WHERE true", SQLite would take ON for the condition of a join.
        diesel::sql_query(
            "INSERT INTO plan_type (id, label, description, is_paid_subscription, ns_id_required, sf_id_required,
                                    internal_use_only)
             SELECT value ->> 'id', value ->> 'label', value ->> 'description', value ->> 'is_paid_subscription',
                    value ->> 'ns_id_required', value ->> 'sf_id_required', value ->> 'internal_use_only'
             FROM json_each(?1) WHERE true
             ON CONFLICT (id) DO NOTHING",
        )
        .bind::<Text, _>(json(plan_types)?);
        self.write(|connection| statement.execute(connection))?;

        let products: Vec<_> = products.iter().map(ProductRow::from).collect();
        let query = diesel::sql_query(
            "INSERT INTO product (id, name, description, netsuite_id, salesforce_product_id, plan_type_id)
             SELECT value ->> 'id', value ->> 'name', value ->> 'description', value ->> 'netsuite_id',
                    value ->> 'salesforce_product_id', value ->> 'plan_type_id'
             FROM json_each(?1) WHERE true
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
