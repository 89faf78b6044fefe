//! `POST /api/v1/subscriptions/{subscription_uuid}/licenses/assign/`: an admin assigns licenses to learners.

use deserr::{Deserr, ValuePointerRef};
use license_manager_domain::model::is_salesforce_id;
use license_manager_domain::{Assignees, AssignmentMail};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{SchemaType, Type};
use uuid::Uuid;

use crate::auth::permissions::{Admin, OfPlan};
use crate::http::body::{Emails, MailText};
use crate::http::fields::{Boolean, FieldErrors, Kind, List, Nullable, Optional, Problem, Required};
use crate::http::kinds::{describe, text};
use crate::http::measure::MAX_ITEMS;
use crate::http::{ApiResult, Response, WithBody, blocking};
use crate::state::State;

/// The learners to assign licenses to, and the texts of their mail.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors, validate = Self::one_source_each -> FieldErrors)]
pub struct AssignmentRequest {
    /// The learners' addresses. Duplicates count once.
    pub user_emails: Required<Emails>,
    /// The Salesforce opportunities of the licenses, in the order of the emails; null or blank if there is none.
    #[deserr(default)]
    pub user_sfids: Nullable<List<SalesforceId, 0, { MAX_ITEMS }>>,
    /// Whether learners get a mail; the default is true.
    #[deserr(default)]
    pub notify_users: Optional<Boolean>,
    /// The beginning of the mail.
    #[deserr(default)]
    pub greeting: Nullable<MailText>,
    /// The end of the mail.
    #[deserr(default)]
    pub closing: Nullable<MailText>,
}

impl AssignmentRequest {
    fn one_source_each(self, _: ValuePointerRef<'_>) -> Result<Self, FieldErrors> {
        match &self.user_sfids.0 {
            Some(Some(sources)) if sources.len() != self.user_emails.0.len() => {
                Err(FieldErrors::whole("user_sfids must name one Salesforce id, or null, for each of user_emails."))
            }
            _ => Ok(self),
        }
    }
}

/// A Salesforce opportunity, null or blank.
pub struct SalesforceId;

impl Kind for SalesforceId {
    type Value = Option<String>;

    fn is_null(_: &Value) -> bool {
        false
    }

    fn read(value: Value) -> Result<Option<String>, Problem> {
        match value {
            Value::Null => Ok(None),
            Value::String(id) => match id.trim() {
                // What Excel makes of an empty cell.
                "" => Ok(None),
                id if is_salesforce_id(id) => Ok(Some(id.to_owned())),
                _ => Err(Problem::message("A Salesforce id has 18 letters and digits.")),
            },
            _ => Err(Problem::message("A Salesforce id has 18 letters and digits.")),
        }
    }
}

describe!([] SalesforceId, {
    text(0, usize::MAX).schema_type(SchemaType::from_iter([Type::String, Type::Null])).pattern(Some("^([0-9A-Za-z]{18})?$"))
});

/// The result of an assignment.
#[derive(Serialize, ToSchema)]
#[schema(as = Assignments)]
pub(super) struct AssignmentsBody<'a> {
    num_successful_assignments: usize,
    /// How many of the learners already had a license of the plan.
    num_already_associated: usize,
    license_assignments: Vec<AssignmentBody<'a>>,
    /// How many of the licenses are not carried over because the plan that follows has too few. Absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    num_not_carried_over: Option<usize>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Assignment)]
struct AssignmentBody<'a> {
    user_email: &'a str,
    license: Uuid,
}

/// Assigns licenses to every email without a live license of the plan. 400 if the plan has too few licenses; then nobody gets one.
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions/{subscription_uuid}/licenses/assign/",
    tag = "Licenses",
    request_body = AssignmentRequest,
    responses((status = 200, description = "Assigned", body = AssignmentsBody))
)]
pub async fn assign(WithBody { access, body }: WithBody<OfPlan<Admin>, AssignmentRequest>, state: State) -> ApiResult {
    assign_requested(access, body.read().await??, state).await
}

pub(super) async fn assign_requested(access: OfPlan<Admin>, request: AssignmentRequest, state: State) -> ApiResult {
    let sources = request.user_sfids.0.flatten().unwrap_or_default().into_iter().chain(std::iter::repeat(None));
    let learners: Assignees = request.user_emails.0.into_iter().zip(sources).collect();
    let mail = AssignmentMail {
        notify: request.notify_users.0.unwrap_or(true),
        greeting: request.greeting.0.flatten().unwrap_or_default(),
        closing: request.closing.0.flatten().unwrap_or_default(),
    };
    blocking(move || {
        let done = state.manager.assign(&access.caller.actor(), access.plan, &learners, &mail)?;
        let assigned = done.assigned.iter();
        Response::ok(&AssignmentsBody {
            num_successful_assignments: done.assigned.len(),
            num_already_associated: done.already_associated,
            license_assignments: assigned
                .map(|(email, license)| AssignmentBody { user_email: email.as_str(), license: license.0 })
                .collect(),
            num_not_carried_over: Some(done.not_carried_over).filter(|number| *number > 0),
        })
    })
    .await
}
