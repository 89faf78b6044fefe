//! Reminders, below `POST /api/v1/subscriptions/{subscription_uuid}/licenses/`: `remind/` and `remind-all/`.

use deserr::Deserr;
use license_manager_domain::ReminderMail;
use utoipa::ToSchema;

use crate::api::license_selection::SelectionRequest;
use crate::auth::permissions::{Admin, OfPlan};
use crate::http::body::MailText;
use crate::http::fields::{FieldErrors, Nullable};
use crate::http::{ApiResult, Response, WithBody, blocking};
use crate::openapi::errors::Message;
use crate::state::State;

/// The learners to remind, and the texts of the mail.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct ReminderRequest {
    /// The learners.
    #[deserr(rename = "*")]
    #[serde(flatten)]
    pub whose: SelectionRequest,
    /// The beginning of the mail.
    #[deserr(default)]
    pub greeting: Nullable<MailText>,
    /// The end of the mail.
    #[deserr(default)]
    pub closing: Nullable<MailText>,
}

/// The texts of a reminder mail.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct ReminderWords {
    /// The beginning of the mail.
    #[deserr(default)]
    pub greeting: Nullable<MailText>,
    /// The end of the mail.
    #[deserr(default)]
    pub closing: Nullable<MailText>,
}

impl ReminderWords {
    fn mail(self) -> ReminderMail {
        ReminderMail {
            greeting: self.greeting.0.flatten().unwrap_or_default(),
            closing: self.closing.0.flatten().unwrap_or_default(),
        }
    }
}

/// Sends a mail to learners who have not activated their license: 204. The request names the learners, or has filters. Very many
/// mails are added after the response. 404 if none of the named learners has such a license; filters may match nobody. 422 if very
/// many learners of the plan are still being reminded by another request.
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions/{subscription_uuid}/licenses/remind/",
    tag = "Licenses",
    request_body = ReminderRequest,
    responses(
        (status = 204, description = "The mails will be sent"),
        (status = 404, description = "None of the named learners has such a license, or there is no such plan", body = Message),
        (status = 422, description = "Learners are still being reminded", body = String, content_type = "application/json"),
    ),
)]
pub async fn remind(WithBody { access, body }: WithBody<OfPlan<Admin>, ReminderRequest>, state: State) -> ApiResult {
    let ReminderRequest { whose, greeting, closing } = body.read().await??;
    let (whose, mail) = (whose.selection(), ReminderWords { greeting, closing }.mail());
    blocking(move || {
        state.manager.remind(&access.caller.actor(), access.plan, &whose, &mail)?;
        state.wake_jobs.notify_one();
        Ok(Response::no_content())
    })
    .await
}

/// Sends a mail to every learner who has not activated a license of the plan: 204. Very many mails are added after the response. 404
/// if there is no such license. 422 if very many learners of the plan are still being reminded by another request.
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions/{subscription_uuid}/licenses/remind-all/",
    tag = "Licenses",
    request_body = ReminderWords,
    responses(
        (status = 204, description = "The mails will be sent"),
        (status = 404, description = "There is no such license, or no such plan", body = Message),
        (status = 422, description = "Learners are still being reminded", body = String, content_type = "application/json"),
    ),
)]
pub async fn remind_all(WithBody { access, body }: WithBody<OfPlan<Admin>, ReminderWords>, state: State) -> ApiResult {
    let mail = body.read().await??.mail();
    blocking(move || {
        state.manager.remind_all(&access.caller.actor(), access.plan, &mail)?;
        state.wake_jobs.notify_one();
        Ok(Response::no_content())
    })
    .await
}
