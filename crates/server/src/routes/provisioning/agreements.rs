//! `/api/v1/provisioning-admins/customer-agreement/`: provisioning admins make, read and edit agreements.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use license_manager_domain::ports::{AgreementFilter, CustomerScope};
use license_manager_domain::{AgreementChanges, AgreementId, AgreementPage, CatalogId, CustomerId, NewAgreement};

use crate::access::{Provisioner, path_uuid};
use crate::answer::{Answer, blocking};
use crate::app::AppState;
use crate::body::WithBody;
use crate::error::ApiError;
use crate::listing::{Paging, query_uuid};
use crate::present::AgreementWithPlansBody;
use crate::wire::fields::{Fields, boolean, text, uuid};
use crate::wire::query::Query;

/// The most agreements a page has.
const MAX_PAGE_SIZE: u64 = 100;

/// Every agreement, or those that `enterprise_customer_uuid` and `customer_agreement_uuid` leave.
pub async fn list(_: Provisioner, request: HttpRequest, state: web::Data<AppState>) -> Result<Answer, ApiError> {
    let query = Query::parse(request.query_string());
    let filter = AgreementFilter {
        scope: CustomerScope::All,
        customer: query_uuid(&query, "enterprise_customer_uuid")?.map(CustomerId),
        agreement: query_uuid(&query, "customer_agreement_uuid")?.map(AgreementId),
    };
    let paging = Paging::new(&request, &query, MAX_PAGE_SIZE);
    blocking(move || {
        let page = state.manager.agreements(&filter, |total| paging.window(total))?;
        let agreements = bodies(&state, &page);
        Answer::ok(&paging.body(page.total, agreements)?)
    })
    .await
}

/// Makes a customer's agreement: 201.
pub async fn create(
    WithBody { access, body }: WithBody<Provisioner>,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let mut fields = Fields::new(body)?;
    let customer = CustomerId(fields.required("enterprise_customer_uuid", uuid()));
    let changes = changes(&mut fields);
    fields.finish()?;
    let new = NewAgreement { customer, changes };
    state.manager.check_owner(state.manager.catalog_of_new_agreement(&new)).await?;
    blocking(move || {
        let page = state.manager.create_agreement(&access.caller.actor(), new)?;
        Answer::json(StatusCode::CREATED, &bodies(&state, &page).first())
    })
    .await
}

/// One agreement.
pub async fn retrieve(_: Provisioner, request: HttpRequest, state: web::Data<AppState>) -> Result<Answer, ApiError> {
    let agreement = AgreementId(path_uuid(&request, "customer_agreement_uuid")?);
    blocking(move || {
        let page = state.manager.agreement(agreement)?;
        Answer::ok(&bodies(&state, &page).first())
    })
    .await
}

/// Edits an agreement. Its customer stays: naming another one is 400.
pub async fn update(
    WithBody { access, body }: WithBody<Provisioner>,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let agreement = AgreementId(path_uuid(&request, "customer_agreement_uuid")?);
    let mut fields = Fields::new(body)?;
    let customer = fields.optional("enterprise_customer_uuid", uuid()).map(CustomerId);
    let changes = AgreementChanges { customer, ..changes(&mut fields) };
    fields.finish()?;
    if state.manager.settings().validate_catalogs {
        let (looking, changes) = (state.clone(), changes.clone());
        let chosen = blocking(move || Ok(looking.manager.catalog_of_changed_agreement(agreement, &changes)?)).await?;
        state.manager.check_owner(chosen).await?;
    }
    blocking(move || {
        let page = state.manager.update_agreement(&access.caller.actor(), agreement, changes)?;
        Answer::ok(&bodies(&state, &page).first())
    })
    .await
}

fn changes(fields: &mut Fields) -> AgreementChanges {
    AgreementChanges {
        customer: None,
        customer_slug: fields.nullable("enterprise_customer_slug", text(1..=128)).change(),
        customer_name: fields.nullable("enterprise_customer_name", text(1..=255)).change(),
        default_catalog: fields.nullable("default_enterprise_catalog_uuid", uuid()).map(CatalogId).change(),
        disable_expiration_notifications: fields.optional("disable_expiration_notifications", boolean()),
        enable_auto_applied_subscriptions_with_universal_link: fields
            .optional("enable_auto_applied_subscriptions_with_universal_link", boolean()),
    }
}

fn bodies(state: &AppState, page: &AgreementPage) -> Vec<AgreementWithPlansBody> {
    AgreementWithPlansBody::all(page, state.manager.settings().renewal_lock, true)
}
