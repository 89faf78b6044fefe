//! Products and plan types.

use diesel::dsl::max;
use diesel::prelude::*;
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::ports::ProductRepository;
use license_manager_domain::{Error, PlanType, PlanTypeId, Product, ProductId};
use serde::Serialize;

use super::shared::for_both_databases;
use crate::backends::{Pg, Sqlite};
use crate::schema::{PRODUCT, plan_type, product};

#[derive(Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = plan_type, check_for_backend(Pg, Sqlite))]
pub(crate) struct PlanTypeRow {
    id: i32,
    label: String,
    description: String,
    is_paid_subscription: bool,
    ns_id_required: bool,
    sf_id_required: bool,
    internal_use_only: bool,
}

impl From<&PlanType> for PlanTypeRow {
    fn from(plan_type: &PlanType) -> Self {
        Self {
            id: plan_type.id.0,
            label: plan_type.label.clone(),
            description: plan_type.description.clone(),
            is_paid_subscription: plan_type.is_paid_subscription,
            ns_id_required: plan_type.ns_id_required,
            sf_id_required: plan_type.sf_id_required,
            internal_use_only: plan_type.internal_use_only,
        }
    }
}

#[derive(Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = product, treat_none_as_null = true, check_for_backend(Pg, Sqlite))]
pub(crate) struct ProductRow {
    id: i32,
    name: String,
    description: String,
    netsuite_id: Option<i32>,
    salesforce_product_id: Option<String>,
    plan_type_id: i32,
}

impl From<&Product> for ProductRow {
    fn from(product: &Product) -> Self {
        Self {
            id: product.id.0,
            name: product.name.clone(),
            description: product.description.clone(),
            netsuite_id: product.netsuite_id,
            salesforce_product_id: product.salesforce_product_id.clone(),
            plan_type_id: product.plan_type.id.0,
        }
    }
}

fn product_of((row, plan_type): (ProductRow, PlanTypeRow)) -> Product {
    Product {
        id: ProductId(row.id),
        name: row.name,
        description: row.description,
        netsuite_id: row.netsuite_id,
        salesforce_product_id: row.salesforce_product_id,
        plan_type: plan_type.into(),
    }
}

impl From<PlanTypeRow> for PlanType {
    fn from(row: PlanTypeRow) -> Self {
        Self {
            id: PlanTypeId(row.id),
            label: row.label,
            description: row.description,
            is_paid_subscription: row.is_paid_subscription,
            ns_id_required: row.ns_id_required,
            sf_id_required: row.sf_id_required,
            internal_use_only: row.internal_use_only,
        }
    }
}

for_both_databases! {
    impl ProductRepository for Unit {
        fn find(&mut self, id: ProductId) -> Result<Option<Product>, Error> {
            let query = product::table
                .inner_join(plan_type::table)
                .filter(product::id.eq(id.0))
                .select((ProductRow::as_select(), PlanTypeRow::as_select()));
            let row = self.read(|connection| query.first::<(ProductRow, PlanTypeRow)>(connection).optional())?;
            Ok(row.map(product_of))
        }

        fn lock(&mut self) -> Result<(), Error> {
            self.lock_tables("product, plan_type")
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
            self.lock_tables("product")?;
            let last: Option<i32> =
                self.read(|connection| product::table.select(max(product::id)).get_result(connection))?;
            let product = Product { id: ProductId(last.unwrap_or(0) + 1), ..product.clone() };
            let statement = diesel::insert_into(product::table).values(ProductRow::from(&product));
            self.write_recorded(&PRODUCT, product.id, ChangeKind::Added, change, statement)?;
            Ok(product.id)
        }

        fn save(&mut self, product: &Product, change: &Change) -> Result<(), Error> {
            let statement = diesel::update(product::table.find(product.id.0)).set(ProductRow::from(product));
            self.write_recorded(&PRODUCT, product.id, ChangeKind::Changed, change, statement)
        }

        fn add_plan_type(&mut self, plan_type: &PlanType) -> Result<PlanTypeId, Error> {
            self.lock_tables("plan_type")?;
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
            self.seed_products(products, change)
        }
    }
}
