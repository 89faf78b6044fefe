//! Products and plan types.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use license_manager_domain::{PlanType, PlanTypeId, Product, ProductId};
use serde::Serialize;

use crate::schema::{plan_type, product};

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

pub(crate) fn product_of((row, plan_type): (ProductRow, PlanTypeRow)) -> Product {
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
