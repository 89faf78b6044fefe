//! Reminders, below `POST /api/v1/subscriptions/{subscription_uuid}/licenses/`: `remind/` and `remind-all/`.

use actix_web::web;
use license_manager_domain::ports::LicenseFilter;
use license_manager_domain::{LicenseSelection, ReminderMail};
use utoipa::ToSchema;

use crate::api::license_selection::{SelectionRequest, selection};
use crate::auth::permissions::{Admin, OfPlan};
use crate::http::answer::{Answer, blocking};
use crate::http::body::{WithBody, mail_text};
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::openapi::errors::Message;
use crate::state::AppState;

/// Who is reminded, and what their mail says.
#[derive(ToSchema)]
pub struct ReminderRequest {
    /// Who.
    #[serde(flatten)]
    pub whose: SelectionRequest,
    /// The words.
    #[serde(flatten)]
    pub words: ReminderWords,
}

/// What the mail of a reminder says beside the link.
#[derive(ToSchema)]
pub struct ReminderWords {
    /// The beginning of the mail.
    #[schema(max_length = 10_000)]
    pub greeting: Option<String>,
    /// The end of the mail.
    #[schema(max_length = 10_000)]
    pub closing: Option<String>,
}

/// Reminds the learners named, or those that the filters match, of licenses they have yet to activate: 204. 404 where none of
/// them has such a license.
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions/{subscription_uuid}/licenses/remind/",
    tag = "Licenses",
    request_body = ReminderRequest,
    responses(
        (status = 204, description = "The mails will be sent"),
        (status = 404, description = "None of them has such a license, or there is no such plan", body = Message),
    ),
)]
pub async fn remind(
    WithBody { access, body }: WithBody<OfPlan<Admin>>,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let mut fields = Fields::new(body)?;
    let whose = selection(&mut fields);
    promise(access, whose, fields, state).await
}

/// Reminds every learner who has yet to activate a license of the plan: 204. 404 where there is none.
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions/{subscription_uuid}/licenses/remind-all/",
    tag = "Licenses",
    request_body = ReminderWords,
    responses(
        (status = 204, description = "The mails will be sent"),
        (status = 404, description = "There is no such license, or no such plan", body = Message),
    ),
)]
pub async fn remind_all(
    WithBody { access, body }: WithBody<OfPlan<Admin>>,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let whose = LicenseSelection::Matching(LicenseFilter::default());
    promise(access, whose, Fields::new(body)?, state).await
}

async fn promise(
    access: OfPlan<Admin>,
    whose: LicenseSelection,
    mut fields: Fields,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let mail =
        ReminderMail { greeting: mail_text(&mut fields, "greeting"), closing: mail_text(&mut fields, "closing") };
    fields.finish()?;
    blocking(move || {
        state.manager.remind(access.plan, &whose, &mail)?;
        Ok(Answer::no_content())
    })
    .await
}
