//! `/api/v1/provisioning-admins/products/` and `…/plan-types/`: provisioning admins create, read and edit products and plan types.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use deserr::Deserr;
use license_manager_domain::history::EntityRef;
use license_manager_domain::use_cases::{PlanTypeChanges, ProductChanges};
use license_manager_domain::{PlanType, PlanTypeId, Product, ProductId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::history::history;
use crate::auth::permissions::{ProvisionerOrStaff, path_integer};
use crate::http::fields::{Boolean, FieldErrors, Integer, Nullable, Optional, Required, Text};
use crate::http::paging::part_of;
use crate::http::{ApiError, ApiResult, PageBody, Paging, Response, WithBody, blocking};
use crate::openapi::parameters::PageQuery;
use crate::state::State;

/// A name, label or id.
type Name = Text<1, 128>;
type Description = Text<0, 255>;
/// An id, or an id in NetSuite.
type Id = Integer<i32, 1>;

/// A new product.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct NewProductRequest {
    /// Its name.
    pub name: Required<Name>,
    /// Its plan type.
    pub plan_type: Required<Id>,
    /// The other fields.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub settings: ProductSettings,
}

/// An edit of a product; absent fields stay.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct ProductEditRequest {
    /// Its name.
    #[deserr(default)]
    pub name: Optional<Name>,
    /// Its plan type.
    #[deserr(default)]
    pub plan_type: Optional<Id>,
    /// The other fields.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub settings: ProductSettings,
}

/// The fields that a new product and an edit share.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct ProductSettings {
    /// Its description.
    #[deserr(default)]
    pub description: Optional<Description>,
    /// Its id in NetSuite, unique among products. Some plan types require it.
    #[deserr(default)]
    pub netsuite_id: Nullable<Id>,
    /// Its id in Salesforce. Some plan types require it.
    #[deserr(default)]
    pub salesforce_product_id: Nullable<Name>,
}

impl ProductSettings {
    fn changes(self, name: Option<String>, plan_type: Option<PlanTypeId>) -> ProductChanges {
        ProductChanges {
            name,
            plan_type,
            description: self.description.0,
            netsuite_id: self.netsuite_id.edit(),
            salesforce_product_id: self.salesforce_product_id.edit(),
        }
    }
}

/// A new plan type.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct NewPlanTypeRequest {
    /// Its name.
    pub label: Required<Name>,
    /// The other fields.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub settings: PlanTypeSettings,
}

/// An edit of a plan type; absent fields stay.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct PlanTypeEditRequest {
    /// Its name.
    #[deserr(default)]
    pub label: Optional<Name>,
    /// The other fields.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub settings: PlanTypeSettings,
}

/// The fields that a new plan type and an edit share.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct PlanTypeSettings {
    /// Its description.
    #[deserr(default)]
    pub description: Optional<Description>,
    /// Whether customers pay for its plans.
    #[deserr(default)]
    pub is_paid_subscription: Optional<Boolean>,
    /// Whether its products need a NetSuite id.
    #[deserr(default)]
    pub ns_id_required: Optional<Boolean>,
    /// Whether its products need a Salesforce id.
    #[deserr(default)]
    pub sf_id_required: Optional<Boolean>,
    /// Whether its plans are for internal use.
    #[deserr(default)]
    pub internal_use_only: Optional<Boolean>,
}

impl PlanTypeSettings {
    fn changes(self, label: Option<String>) -> PlanTypeChanges {
        PlanTypeChanges {
            label,
            description: self.description.0,
            is_paid_subscription: self.is_paid_subscription.0,
            ns_id_required: self.ns_id_required.0,
            sf_id_required: self.sf_id_required.0,
            internal_use_only: self.internal_use_only.0,
        }
    }
}

/// A product.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Product)]
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
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlanType)]
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

/// Lists all products.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/products/",
    tag = "Products",
    params(PageQuery),
    responses((status = 200, description = "A page of products", body = PageBody<ProductBody>)),
)]
pub async fn list(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    Paging::new(&request).answer(move |part| part_of(state.manager.products()?, part), ProductBody::from).await
}

/// Lists all plan types.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/plan-types/",
    tag = "Products",
    params(PageQuery),
    responses((status = 200, description = "A page of plan types", body = PageBody<PlanTypeBody>)),
)]
pub async fn list_plan_types(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    Paging::new(&request).answer(move |part| part_of(state.manager.plan_types()?, part), PlanTypeBody::from).await
}

/// Creates a product: 201. 400 if it lacks an id that its plan type requires, or another product has its NetSuite id.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/products/",
    tag = "Products",
    request_body = NewProductRequest,
    responses((status = 201, description = "The product", body = ProductBody)),
)]
pub async fn create(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, NewProductRequest>,
    state: State,
) -> ApiResult {
    let request = body.read().await??;
    let plan_type = PlanTypeId(request.plan_type.0);
    let changes = request.settings.changes(Some(request.name.0), None);
    blocking(move || {
        let product = state.manager.create_product(&access.caller.actor(), plan_type, &changes)?;
        Response::json(StatusCode::CREATED, &ProductBody::from(product))
    })
    .await
}

/// Returns a product.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/products/{product_id}/",
    tag = "Products",
    responses((status = 200, description = "The product", body = ProductBody)),
)]
pub async fn retrieve(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let id = product_id(&request)?;
    blocking(move || Response::ok(&ProductBody::from(state.manager.product(id)?))).await
}

/// Edits a product.
#[utoipa::path(
    patch,
    path = "/api/v1/provisioning-admins/products/{product_id}/",
    tag = "Products",
    request_body = ProductEditRequest,
    responses((status = 200, description = "The product", body = ProductBody)),
)]
pub async fn update(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, ProductEditRequest>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let product = product_id(&request)?;
    let edit = body.edit().await??;
    let changes = edit.settings.changes(edit.name.0, edit.plan_type.0.map(PlanTypeId));
    blocking(move || {
        let product = state.manager.update_product(&access.caller.actor(), product, &changes)?;
        Response::ok(&ProductBody::from(product))
    })
    .await
}

history!(
    product_history,
    "/api/v1/provisioning-admins/products/{product_id}/history/",
    "Products",
    "a product",
    |_access: ProvisionerOrStaff, request| EntityRef::Product(product_id(&request)?)
);

/// Creates a plan type: 201.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/plan-types/",
    tag = "Products",
    request_body = NewPlanTypeRequest,
    responses((status = 201, description = "The plan type", body = PlanTypeBody)),
)]
pub async fn create_plan_type(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, NewPlanTypeRequest>,
    state: State,
) -> ApiResult {
    let request = body.read().await??;
    let changes = request.settings.changes(Some(request.label.0));
    blocking(move || {
        let plan_type = state.manager.create_plan_type(&access.caller.actor(), &changes)?;
        Response::json(StatusCode::CREATED, &PlanTypeBody::from(plan_type))
    })
    .await
}

/// Returns a plan type.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/plan-types/{plan_type_id}/",
    tag = "Products",
    responses((status = 200, description = "The plan type", body = PlanTypeBody)),
)]
pub async fn retrieve_plan_type(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let id = plan_type_id(&request)?;
    blocking(move || Response::ok(&PlanTypeBody::from(state.manager.plan_type(id)?))).await
}

/// Edits a plan type. 400 if it would require an id that one of its products lacks.
#[utoipa::path(
    patch,
    path = "/api/v1/provisioning-admins/plan-types/{plan_type_id}/",
    tag = "Products",
    request_body = PlanTypeEditRequest,
    responses((status = 200, description = "The plan type", body = PlanTypeBody)),
)]
pub async fn update_plan_type(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, PlanTypeEditRequest>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let id = plan_type_id(&request)?;
    let edit = body.edit().await??;
    let changes = edit.settings.changes(edit.label.0);
    blocking(move || {
        Response::ok(&PlanTypeBody::from(state.manager.update_plan_type(&access.caller.actor(), id, &changes)?))
    })
    .await
}

fn product_id(request: &HttpRequest) -> ApiResult<ProductId> {
    let id = i32::try_from(path_integer(request, "product_id")?);
    id.map(ProductId).map_err(|_| ApiError::no_such_page())
}

fn plan_type_id(request: &HttpRequest) -> ApiResult<PlanTypeId> {
    let id = i32::try_from(path_integer(request, "plan_type_id")?);
    id.map(PlanTypeId).map_err(|_| ApiError::no_such_page())
}
