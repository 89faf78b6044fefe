//! `/api/v1/provisioning-admins/customer-agreement/`: provisioning admins create, read and edit agreements.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use deserr::Deserr;
use license_manager_domain::ports::{AgreementFilter, CustomerScope};
use license_manager_domain::{
    AgreementChanges, AgreementId, AgreementOverview, CatalogId, CustomerId, LicenseManager, NewAgreement,
};
use utoipa::ToSchema;

use super::catalogs::knowing_catalogs;
use super::deletion::{Deletion, DeletionRequest};
use crate::api::views::AgreementWithPlansBody;
use crate::auth::permissions::{Provisioner, ProvisionerOrStaff, path_uuid};
use crate::http::fields::{Boolean, FieldErrors, Nullable, Optional, Required, Text, UuidText};
use crate::http::{ApiResult, PageBody, Paging, Query, Response, WithBody, blocking, without_content};
use crate::openapi::parameters::{AgreementQuery, CustomerQuery, PageQuery};
use crate::state::{AppState, State};

/// A new agreement.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct NewAgreementRequest {
    /// The customer. It has one agreement and cannot change.
    pub enterprise_customer_uuid: Required<UuidText>,
    /// The other fields.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub settings: AgreementFields,
}

/// An edit of an agreement; absent fields stay.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct AgreementRequest {
    /// The customer, which cannot change.
    #[deserr(default)]
    pub enterprise_customer_uuid: Optional<UuidText>,
    /// The other fields.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub settings: AgreementFields,
}

/// The fields that a new agreement and an edit share.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct AgreementFields {
    /// The customer's name in addresses; no two customers share one.
    #[deserr(default)]
    pub enterprise_customer_slug: Nullable<Text<1, 128>>,
    /// The customer's name.
    #[deserr(default)]
    pub enterprise_customer_name: Nullable<Text<1, 255>>,
    /// The catalog of plans that are created without one.
    #[deserr(default)]
    pub default_enterprise_catalog_uuid: Nullable<UuidText>,
    /// Whether learners get no mail about the end of their plan.
    #[deserr(default)]
    pub disable_expiration_notifications: Optional<Boolean>,
    /// Whether the universal link assigns licenses.
    #[deserr(default)]
    pub enable_auto_applied_subscriptions_with_universal_link: Optional<Boolean>,
}

impl AgreementFields {
    fn changes(self, customer: Option<CustomerId>) -> AgreementChanges {
        AgreementChanges {
            customer,
            customer_slug: self.enterprise_customer_slug.edit(),
            customer_name: self.enterprise_customer_name.edit(),
            default_catalog: self.default_enterprise_catalog_uuid.edit().map(CatalogId),
            disable_expiration_notifications: self.disable_expiration_notifications.0,
            enable_auto_applied_subscriptions_with_universal_link: self
                .enable_auto_applied_subscriptions_with_universal_link
                .0,
        }
    }
}

/// Lists all agreements, or those that the filters match.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/customer-agreement/",
    tag = "Provisioning",
    params(CustomerQuery, AgreementQuery, PageQuery),
    responses((status = 200, description = "A page of agreements", body = PageBody<AgreementWithPlansBody>))
)]
pub async fn list(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let query = Query::of(&request);
    let filter = AgreementFilter {
        scope: CustomerScope::All,
        customer: query.uuid("enterprise_customer_uuid")?.map(CustomerId),
        agreement: query.uuid("customer_agreement_uuid")?.map(AgreementId),
    };
    let renewal_lock = state.renewal_lock();
    let view = move |overview| AgreementWithPlansBody::new(&overview, renewal_lock, true);
    Paging::new(&request).answer(move |part| state.manager.agreements(&filter, part), view).await
}

/// Creates an agreement for a customer: 201.
#[utoipa::path(
    post,
    path = "/api/v1/provisioning-admins/customer-agreement/",
    tag = "Provisioning",
    request_body = NewAgreementRequest,
    responses((status = 201, description = "The agreement", body = AgreementWithPlansBody))
)]
pub async fn create(WithBody { access, body }: WithBody<Provisioner, NewAgreementRequest>, state: State) -> ApiResult {
    let request = body.read().await??;
    let customer = CustomerId(request.enterprise_customer_uuid.0);
    let changes = request.settings.changes(None);
    let new = state.manager.name_customer(NewAgreement { customer, changes }).await;
    let actor = access.caller.actor();
    let overview = knowing_catalogs(&state, move |manager| manager.create_agreement(&actor, new.clone())).await??;
    Response::json(StatusCode::CREATED, &answer_body(&state, &overview))
}

/// Returns an agreement.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/customer-agreement/{customer_agreement_uuid}/",
    tag = "Provisioning",
    responses((status = 200, description = "The agreement", body = AgreementWithPlansBody))
)]
pub async fn retrieve(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let agreement = AgreementId(path_uuid(&request, "customer_agreement_uuid")?);
    blocking(move || {
        let overview = state.manager.agreement(agreement)?;
        Response::ok(&answer_body(&state, &overview))
    })
    .await
}

/// Edits an agreement. 400 if the request names another customer.
#[utoipa::path(
    patch,
    path = "/api/v1/provisioning-admins/customer-agreement/{customer_agreement_uuid}/",
    tag = "Provisioning",
    request_body = AgreementRequest,
    responses((status = 200, description = "The agreement", body = AgreementWithPlansBody))
)]
pub async fn update(
    WithBody { access, body }: WithBody<Provisioner, AgreementRequest>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let agreement = AgreementId(path_uuid(&request, "customer_agreement_uuid")?);
    let edit = body.edit().await??;
    let changes = edit.settings.changes(edit.enterprise_customer_uuid.0.map(CustomerId));
    let actor = access.caller.actor();
    let update = move |manager: &LicenseManager| manager.update_agreement(&actor, agreement, changes.clone());
    let overview = knowing_catalogs(&state, update).await??;
    Response::ok(&answer_body(&state, &overview))
}

/// Deletes an agreement without plans: 204.
#[utoipa::path(
    delete,
    path = "/api/v1/provisioning-admins/customer-agreement/{customer_agreement_uuid}/",
    tag = "Provisioning",
    request_body = DeletionRequest,
    responses(
        (status = 204, description = "Deleted"),
        (status = 422, description = "The agreement has plans", body = String, content_type = "application/json"),
    ),
)]
pub async fn delete(deletion: Deletion, request: HttpRequest, state: State) -> ApiResult {
    let id = AgreementId(path_uuid(&request, "customer_agreement_uuid")?);
    let actor = deletion.actor().await??;
    without_content(move || state.manager.delete_agreement(&actor, id)).await
}

fn answer_body(state: &AppState, overview: &AgreementOverview) -> AgreementWithPlansBody {
    AgreementWithPlansBody::new(overview, state.renewal_lock(), true)
}
