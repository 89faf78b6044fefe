//! Records of what people did to the service itself.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Something that somebody did and that no history of a row tells: about messages, webhooks, the schedule, jobs, roles,
/// plan types and sessions, and retirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffAction {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who; `None` for the service itself, and for people who were retired since.
    pub by: Option<String>,
    /// Why, if they said so.
    pub reason: Option<String>,
    /// What.
    pub kind: StaffActionKind,
    /// What it was done to: the id of a webhook or a plan, the name of a topic, an operation, a job or a role. It names
    /// no person.
    pub subject: Option<String>,
    /// The user that it is about, until they are retired.
    pub user: Option<String>,
    /// How many of it.
    pub number: i64,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // their names say it
pub enum StaffActionKind {
    MessagesRetried,
    MessagesDropped,
    WebhookAdded,
    WebhookChanged,
    WebhookRemoved,
    DeliveriesReplayed,
    RunRequested,
    RoleGiven,
    RoleTaken,
    PlanTypeAdded,
    PlanTypeChanged,
    PersonRetired,
    WebhookPinged,
    SessionEnded,
    JobsRetried,
    JobsCanceled,
}

names!(StaffActionKind {
    MessagesRetried => "messages_retried",
    MessagesDropped => "messages_dropped",
    WebhookAdded => "webhook_added",
    WebhookChanged => "webhook_changed",
    WebhookRemoved => "webhook_removed",
    DeliveriesReplayed => "deliveries_replayed",
    RunRequested => "run_requested",
    RoleGiven => "role_given",
    RoleTaken => "role_taken",
    PlanTypeAdded => "plan_type_added",
    PlanTypeChanged => "plan_type_changed",
    PersonRetired => "person_retired",
    WebhookPinged => "webhook_pinged",
    SessionEnded => "session_ended",
    JobsRetried => "jobs_retried",
    JobsCanceled => "jobs_canceled",
});
