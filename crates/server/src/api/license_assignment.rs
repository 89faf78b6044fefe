//! `POST /api/v1/subscriptions/{subscription_uuid}/licenses/assign/`: an admin hands licenses to learners.

use actix_web::web;
use license_manager_domain::model::is_salesforce_id;
use license_manager_domain::{Assignees, AssignmentMail};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::permissions::{Admin, OfPlan};
use crate::http::answer::{Answer, blocking};
use crate::http::body::{WithBody, mail_text, required_emails};
use crate::http::error::ApiError;
use crate::http::fields::{Field, Fields, NON_FIELD_ERRORS, boolean};
use crate::state::AppState;

/// Who gets a license, and what their mail says.
#[derive(ToSchema)]
pub struct AssignmentRequest {
    /// The learners' addresses; one named twice counts once.
    #[schema(min_items = 1)]
    pub user_emails: Vec<String>,
    /// The Salesforce opportunities the licenses were sold by, in the order of the emails; null where there is none.
    pub user_sfids: Option<Vec<Option<String>>>,
    /// Whether learners get a mail; they do unless told otherwise.
    #[schema(nullable = false)]
    pub notify_users: Option<bool>,
    /// The beginning of the mail.
    #[schema(max_length = 10_000)]
    pub greeting: Option<String>,
    /// The end of the mail.
    #[schema(max_length = 10_000)]
    pub closing: Option<String>,
}

/// What was assigned.
#[derive(Serialize, ToSchema)]
#[schema(as = Assignments)]
pub(super) struct AssignmentsBody<'a> {
    num_successful_assignments: usize,
    /// How many of the learners hold a license of the plan already.
    num_already_associated: usize,
    license_assignments: Vec<AssignmentBody<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Assignment)]
struct AssignmentBody<'a> {
    user_email: &'a str,
    license: Uuid,
}

/// Assigns to every email that holds no live license of the plan, or to none where the plan has too few (400).
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions/{subscription_uuid}/licenses/assign/",
    tag = "Licenses",
    request_body = AssignmentRequest,
    responses((status = 200, description = "Assigned", body = AssignmentsBody))
)]
pub async fn assign(
    WithBody { access, body }: WithBody<OfPlan<Admin>>,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let (learners, mail) = read(body)?;
    blocking(move || {
        let done = state.manager.assign(&access.caller.actor(), access.plan, &learners, &mail)?;
        let assigned = done.assigned.iter();
        Answer::ok(&AssignmentsBody {
            num_successful_assignments: done.assigned.len(),
            num_already_associated: done.already_associated,
            license_assignments: assigned
                .map(|(email, license)| AssignmentBody { user_email: email.as_str(), license: license.0 })
                .collect(),
        })
    })
    .await
}

fn read(body: Value) -> Result<(Assignees, AssignmentMail), ApiError> {
    let mut fields = Fields::new(body)?;
    let emails = required_emails(&mut fields);
    let sources = sources(&mut fields);
    if sources.as_ref().is_some_and(|sources| sources.len() != emails.len()) && fields.is_valid() {
        fields.error(NON_FIELD_ERRORS, "user_sfids must name one Salesforce id, or null, for each of user_emails.");
    }
    let mail = AssignmentMail {
        notify: fields.optional("notify_users", boolean()).unwrap_or(true),
        greeting: mail_text(&mut fields, "greeting"),
        closing: mail_text(&mut fields, "closing"),
    };
    fields.finish()?;
    let sources = sources.unwrap_or_default().into_iter().chain(std::iter::repeat(None));
    Ok((emails.into_iter().zip(sources).collect(), mail))
}

/// The Salesforce opportunities the licenses were sold by, in the order of the emails; null where there is none.
fn sources(fields: &mut Fields) -> Option<Vec<Option<String>>> {
    let items = match fields.raw("user_sfids") {
        Field::Absent | Field::Null => return None,
        Field::Value(Value::Array(items)) => items,
        Field::Value(_) => {
            fields.error("user_sfids", "This must be a list.");
            return None;
        }
    };
    let mut sources = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        match item {
            Value::Null => sources.push(None),
            Value::String(id) if is_salesforce_id(&id) => sources.push(Some(id)),
            _ => fields.item_error("user_sfids", index, "A Salesforce id has 18 letters and digits."),
        }
    }
    Some(sources)
}
