//! `/api/v1/provisioning-admins/products/` and `…/plan-types/`: provisioning admins make, read and edit what is sold.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use license_manager_domain::{PlanType, PlanTypeChanges, PlanTypeId, Product, ProductChanges, ProductId, Recorded};
use serde::Serialize;

use crate::access::{Provisioner, path_integer};
use crate::answer::{Answer, blocking};
use crate::app::AppState;
use crate::body::WithBody;
use crate::error::ApiError;
use crate::listing::Paging;
use crate::routes::history;
use crate::wire::fields::{Field, Fields, boolean, integer, text};
use crate::wire::query::Query;

/// The most products or plan types a page has.
const MAX_PAGE_SIZE: u64 = 100;

/// The longest name, label or id, in characters.
const MAX_LENGTH: usize = 128;
/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 255;

/// A product.
#[derive(Debug, Serialize)]
struct ProductBody {
    id: i32,
    name: String,
    description: String,
    netsuite_id: Option<i32>,
    salesforce_product_id: Option<String>,
    plan_type: i32,
}

impl From<Product> for ProductBody {
    fn from(product: Product) -> Self {
        Self {
            id: product.id.0,
            name: product.name,
            description: product.description,
            netsuite_id: product.netsuite_id,
            salesforce_product_id: product.salesforce_product_id,
            plan_type: product.plan_type.id.0,
        }
    }
}

/// A plan type.
#[derive(Debug, Serialize)]
struct PlanTypeBody {
    id: i32,
    label: String,
    description: String,
    is_paid_subscription: bool,
    ns_id_required: bool,
    sf_id_required: bool,
    internal_use_only: bool,
}

impl From<PlanType> for PlanTypeBody {
    fn from(plan_type: PlanType) -> Self {
        Self {
            id: plan_type.id.0,
            label: plan_type.label,
            description: plan_type.description,
            is_paid_subscription: plan_type.is_paid_subscription,
            ns_id_required: plan_type.ns_id_required,
            sf_id_required: plan_type.sf_id_required,
            internal_use_only: plan_type.internal_use_only,
        }
    }
}

/// Every product.
pub async fn list(_: Provisioner, request: HttpRequest, state: web::Data<AppState>) -> Result<Answer, ApiError> {
    let paging = Paging::new(&request, &Query::parse(request.query_string()), MAX_PAGE_SIZE);
    blocking(move || page::<_, ProductBody>(&paging, state.manager.products()?)).await
}

/// Every plan type.
pub async fn list_plan_types(
    _: Provisioner,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let paging = Paging::new(&request, &Query::parse(request.query_string()), MAX_PAGE_SIZE);
    blocking(move || page::<_, PlanTypeBody>(&paging, state.manager.plan_types()?)).await
}

/// A page of a list that is short enough to be read whole.
fn page<T, B: From<T> + Serialize>(paging: &Paging, all: Vec<T>) -> Result<Answer, ApiError> {
    let total = all.len() as i64;
    let window = paging.window(total)?;
    let shown = all.into_iter().skip(window.offset as usize).take(window.limit as usize);
    Answer::ok(&paging.body(total, shown.map(B::from).collect())?)
}

/// Makes a product: 201. 400 where it lacks an id that its plan type asks for, or another one has its NetSuite id.
pub async fn create(
    WithBody { access, body }: WithBody<Provisioner>,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let mut fields = Fields::new(body)?;
    let name = fields.required("name", text(1..=MAX_LENGTH));
    let plan_type = PlanTypeId(i32::try_from(fields.required("plan_type", id())).unwrap_or_default());
    let changes = ProductChanges { name: Some(name), ..product_changes(&mut fields) };
    fields.finish()?;
    blocking(move || {
        let product = state.manager.create_product(&access.caller.actor(), plan_type, &changes)?;
        Answer::json(StatusCode::CREATED, &ProductBody::from(product))
    })
    .await
}

/// One product.
pub async fn retrieve(_: Provisioner, request: HttpRequest, state: web::Data<AppState>) -> Result<Answer, ApiError> {
    let id = product_id(&request)?;
    blocking(move || Answer::ok(&ProductBody::from(state.manager.product(id)?))).await
}

/// Edits a product.
pub async fn update(
    WithBody { access, body }: WithBody<Provisioner>,
    request: HttpRequest,

    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let product = product_id(&request)?;
    let mut fields = Fields::new(body)?;
    let name = fields.optional("name", text(1..=MAX_LENGTH));
    let plan_type = fields.optional("plan_type", id()).and_then(|id| i32::try_from(id).ok()).map(PlanTypeId);
    let changes = ProductChanges { name, plan_type, ..product_changes(&mut fields) };
    fields.finish()?;
    blocking(move || {
        let product = state.manager.update_product(&access.caller.actor(), product, &changes)?;
        Answer::ok(&ProductBody::from(product))
    })
    .await
}

/// What became of a product.
pub async fn product_history(
    _: Provisioner,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let id = product_id(&request)?;
    history::answer(Recorded::Product(id), request, state).await
}

/// Makes a plan type: 201.
pub async fn create_plan_type(
    WithBody { body, .. }: WithBody<Provisioner>,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let mut fields = Fields::new(body)?;
    let label = fields.required("label", text(1..=MAX_LENGTH));
    let changes = PlanTypeChanges { label: Some(label), ..plan_type_changes(&mut fields) };
    fields.finish()?;
    blocking(move || {
        let plan_type = state.manager.create_plan_type(&changes)?;
        Answer::json(StatusCode::CREATED, &PlanTypeBody::from(plan_type))
    })
    .await
}

/// One plan type.
pub async fn retrieve_plan_type(
    _: Provisioner,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let id = plan_type_id(&request)?;
    blocking(move || Answer::ok(&PlanTypeBody::from(state.manager.plan_type(id)?))).await
}

/// Edits a plan type. 400 where it would ask for an id that products of it lack.
pub async fn update_plan_type(
    WithBody { body, .. }: WithBody<Provisioner>,
    request: HttpRequest,

    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let id = plan_type_id(&request)?;
    let mut fields = Fields::new(body)?;
    let label = fields.optional("label", text(1..=MAX_LENGTH));
    let changes = PlanTypeChanges { label, ..plan_type_changes(&mut fields) };
    fields.finish()?;
    blocking(move || Answer::ok(&PlanTypeBody::from(state.manager.update_plan_type(id, &changes)?))).await
}

/// Ids, and NetSuite's too.
fn id() -> crate::wire::fields::Integer {
    integer(1..=i64::from(i32::MAX))
}

fn product_id(request: &HttpRequest) -> Result<ProductId, ApiError> {
    let id = i32::try_from(path_integer(request, "product_id")?);
    id.map(ProductId).map_err(|_| ApiError::no_such_page())
}

fn plan_type_id(request: &HttpRequest) -> Result<PlanTypeId, ApiError> {
    let id = i32::try_from(path_integer(request, "plan_type_id")?);
    id.map(PlanTypeId).map_err(|_| ApiError::no_such_page())
}

/// The fields that a new product and an edit have in common.
fn product_changes(fields: &mut Fields) -> ProductChanges {
    let netsuite_id = match fields.nullable("netsuite_id", id()) {
        Field::Absent => None,
        Field::Null => Some(None),
        Field::Value(number) => Some(i32::try_from(number).ok()),
    };
    ProductChanges {
        description: fields.optional("description", text(0..=MAX_DESCRIPTION)),
        netsuite_id,
        salesforce_product_id: fields.nullable("salesforce_product_id", text(1..=MAX_LENGTH)).change(),
        ..ProductChanges::default()
    }
}

/// The fields that a new plan type and an edit have in common.
fn plan_type_changes(fields: &mut Fields) -> PlanTypeChanges {
    PlanTypeChanges {
        label: None,
        description: fields.optional("description", text(0..=MAX_DESCRIPTION)),
        is_paid_subscription: fields.optional("is_paid_subscription", boolean()),
        ns_id_required: fields.optional("ns_id_required", boolean()),
        sf_id_required: fields.optional("sf_id_required", boolean()),
        internal_use_only: fields.optional("internal_use_only", boolean()),
    }
}
