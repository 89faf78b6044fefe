//! Queues: their tables and rows.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};
use license_manager_domain::model::JobKind;
use license_manager_domain::outbox::{ClaimedMessage, MailWords, Message, Payload, Topic};
use license_manager_domain::ports::{ExpirationProgress, ExpirationStep};
use license_manager_domain::queue::{Backlog, ClaimedJob, Lease, Queue, QueueKind, Step};
use license_manager_domain::{CustomerId, LicenseId, MessageId, PlanId, WebhookId};
use uuid::Uuid;

use crate::sql_types::{SqlTimestamp, SqlUuid};

/// The tables whose rows are claimed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LeasedTable {
    Outbox,
    WebhookDelivery,
    PlanJob,
    OperationLease,
}

impl fmt::Display for LeasedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outbox => "outbox",
            Self::WebhookDelivery => "webhook_delivery",
            Self::PlanJob => "plan_job",
            Self::OperationLease => "operation_lease",
        })
    }
}

/// A table whose rows are claimed. Its rows wait in queues; queue and id identify a row.
#[derive(Debug)]
pub(crate) struct Leased {
    /// The table.
    pub table: LeasedTable,
    /// The column of the queue.
    pub queue: &'static str,
    /// The column of the id.
    pub id: &'static str,
    /// The column of the lease that has claimed the row.
    pub holder: &'static str,
    /// The column of the time when the row is due, or when its lease ends.
    pub due: &'static str,
    /// The column that orders rows that are due at the same time.
    pub order: &'static str,
    /// The columns of a [`MessageRow`] or [`ClaimedJobRow`].
    pub columns: &'static str,
    /// Whether completed rows are kept, so that they can be listed and replayed.
    pub keeps_completed: bool,
}

pub(crate) const OUTBOX: Leased = Leased {
    table: LeasedTable::Outbox,
    queue: "lane",
    id: "uuid",
    holder: "claimed_by",
    due: "not_before",
    order: "position",
    columns:
        "uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload, words_uuid, created,
              lanes, attempts, created AS due_since, trace_parent",
    keeps_completed: false,
};

pub(crate) const WEBHOOK_DELIVERY: Leased = Leased {
    table: LeasedTable::WebhookDelivery,
    queue: "webhook_uuid",
    columns: "uuid, 'license_event' AS topic, license_uuid, NULL AS subscription_plan_uuid,
              NULL AS enterprise_customer_uuid, payload, NULL AS words_uuid, created, NULL AS lanes, attempts, due_since,
              trace_parent",
    keeps_completed: true,
    ..OUTBOX
};

pub(crate) const PLAN_JOB: Leased = Leased {
    table: LeasedTable::PlanJob,
    queue: "kind",
    id: "subscription_plan_uuid",
    order: "requested_at",
    columns: "subscription_plan_uuid, attempts",
    ..OUTBOX
};

/// Tasks are claimed by their keys.
pub(crate) const OPERATION_LEASE: Leased = Leased {
    table: LeasedTable::OperationLease,
    queue: "operation",
    id: "key",
    holder: "owner",
    due: "until",
    ..OUTBOX
};

/// The table of a queue, and the queue's name in the table.
pub(crate) fn leased(queue: Queue) -> (&'static Leased, String) {
    match queue {
        Queue::Webhook(webhook) => (&WEBHOOK_DELIVERY, webhook.to_string()),
        Queue::PlanJobs(kind) => (&PLAN_JOB, kind.as_str().to_owned()),
        Queue::Operation(name) => (&OPERATION_LEASE, name.to_owned()),
        queue => (&OUTBOX, queue.as_str().to_owned()),
    }
}

/// The table of the queues of a kind.
pub(crate) fn of_kind(kind: QueueKind) -> &'static Leased {
    match kind {
        QueueKind::Messages => &OUTBOX,
        QueueKind::Webhooks => &WEBHOOK_DELIVERY,
        QueueKind::PlanJobs => &PLAN_JOB,
    }
}

/// The queue with this name in the table; `None` if this version does not know it.
pub(crate) fn named(kind: QueueKind, name: &str) -> Option<Queue> {
    match kind {
        QueueKind::Messages => Queue::MESSAGES.into_iter().find(|queue| queue.as_str() == name),
        QueueKind::Webhooks => Some(Queue::Webhook(WebhookId(name.parse().ok()?))),
        QueueKind::PlanJobs => JobKind::from_name(name).map(Queue::PlanJobs),
    }
}

/// The queues of messages, or of jobs, as rows in SQL.
pub(crate) fn names(queues: impl IntoIterator<Item = Queue>) -> String {
    queues.into_iter().map(|queue| format!("('{}')", queue.as_str())).collect::<Vec<_>>().join(", ")
}

/// The queues of steps as they are stored: names, separated by spaces.
pub(crate) fn lanes(steps: &[Step]) -> String {
    steps.iter().map(|step| step.queue().as_str()).collect::<Vec<_>>().join(" ")
}

/// The remaining steps of a payload, by the stored queues. Queues that this version does not know are left out.
fn steps_left(payload: &Payload, lanes: &str) -> &'static [Step] {
    let steps = payload.steps();
    let left = lanes.split(' ').filter(|lane| named(QueueKind::Messages, lane).is_some()).count();
    &steps[steps.len().saturating_sub(left)..]
}

/// The name of a queue in which something is due.
#[derive(QueryableByName)]
pub(crate) struct QueueRow {
    #[diesel(sql_type = Text)]
    pub(crate) queue: String,
}

/// The backlog of a queue.
#[derive(QueryableByName)]
pub(crate) struct BacklogRow {
    #[diesel(sql_type = Text)]
    queue: String,
    #[diesel(sql_type = BigInt)]
    waiting: i64,
    #[diesel(sql_type = BigInt)]
    parked: i64,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    due_since: Option<DateTime<Utc>>,
}

impl BacklogRow {
    /// The queue of messages and its backlog; `None` if this version does not know the queue.
    pub(crate) fn of_queue(self) -> Option<(Queue, Backlog)> {
        Some((named(QueueKind::Messages, &self.queue)?, self.backlog()))
    }

    pub(crate) fn backlog(&self) -> Backlog {
        Backlog { waiting: self.waiting, dead_lettered: self.parked, due_since: self.due_since }
    }
}

/// A row of work.
pub(crate) trait LeasedRow {
    /// Its id.
    fn id(&self) -> Uuid;
}

impl LeasedRow for MessageRow {
    fn id(&self) -> Uuid {
        self.uuid
    }
}

impl LeasedRow for ClaimedJobRow {
    fn id(&self) -> Uuid {
        self.subscription_plan_uuid
    }
}

/// A claimed message, or an event for a webhook.
#[derive(QueryableByName)]
pub(crate) struct MessageRow {
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    license_uuid: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    subscription_plan_uuid: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    enterprise_customer_uuid: Option<Uuid>,
    #[diesel(sql_type = Text)]
    payload: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    words_uuid: Option<Uuid>,
    #[diesel(sql_type = SqlTimestamp)]
    created: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    lanes: Option<String>,
    #[diesel(sql_type = SmallInt)]
    attempts: i16,
    #[diesel(sql_type = SqlTimestamp)]
    due_since: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    trace_parent: Option<String>,
}

impl MessageRow {
    /// The ids of the words of these messages.
    pub(crate) fn words(rows: &[Self]) -> BTreeSet<Uuid> {
        rows.iter().filter_map(|row| row.words_uuid).collect()
    }

    /// The message with its words.
    pub(crate) fn claimed(self, words: &HashMap<Uuid, Arc<MailWords>>) -> ClaimedMessage {
        let row = self;
        let payload = Payload::read(Topic::from_name(&row.topic), row.payload);
        let payload = match row.words_uuid.and_then(|id| words.get(&id)) {
            Some(words) => payload.with_words(words.clone()),
            None => payload,
        };
        let steps = row.lanes.map_or(&[Step::Post][..], |lanes| steps_left(&payload, &lanes));
        // For an event for a webhook, only the payload has the customer.
        let customer = row.enterprise_customer_uuid.map(CustomerId).or(payload.customer());
        let customer = customer.unwrap_or(CustomerId(Uuid::nil()));
        let message = Message {
            license: row.license_uuid.map(LicenseId),
            plan: row.subscription_plan_uuid.map(PlanId),
            ..Message::new(MessageId(row.uuid), customer, payload, row.created)
        };
        let MessageRow { attempts, due_since, trace_parent, .. } = row;
        ClaimedMessage { attempts, trace_parent, ..ClaimedMessage::new(message, steps, due_since) }
    }
}

/// A claimed job.
#[derive(QueryableByName)]
pub(crate) struct ClaimedJobRow {
    #[diesel(sql_type = SqlUuid)]
    subscription_plan_uuid: Uuid,
    #[diesel(sql_type = SmallInt)]
    attempts: i16,
    #[diesel(sql_type = SqlTimestamp)]
    was_due: DateTime<Utc>,
}

impl ClaimedJobRow {
    pub(crate) fn claimed(self, lease: Lease) -> ClaimedJob {
        let Self { subscription_plan_uuid, attempts, was_due } = self;
        ClaimedJob { lease, plan: PlanId(subscription_plan_uuid), attempts, due: was_due }
    }
}

/// The stored progress of a task.
#[derive(QueryableByName)]
pub(crate) struct ProgressRow {
    #[diesel(sql_type = Nullable<Text>)]
    position: Option<String>,
}

impl ProgressRow {
    /// `None` if there is no progress, or this version cannot read it.
    pub(crate) fn progress(self) -> Option<ExpirationProgress> {
        read_progress(&self.position?)
    }
}

/// The progress of a task as text.
pub(crate) fn progress_text(progress: &ExpirationProgress) -> String {
    let step = match progress.step {
        ExpirationStep::Enrollments => "enrollments",
        ExpirationStep::Events => "events",
    };
    format!("{} {} {step} {}", progress.plan, progress.expiration_date.timestamp_micros(), progress.after)
}

fn read_progress(text: &str) -> Option<ExpirationProgress> {
    let mut words = text.split(' ');
    Some(ExpirationProgress {
        plan: PlanId(words.next()?.parse().ok()?),
        expiration_date: DateTime::from_timestamp_micros(words.next()?.parse().ok()?)?,
        step: match words.next()? {
            "enrollments" => ExpirationStep::Enrollments,
            "events" => ExpirationStep::Events,
            _ => return None,
        },
        after: LicenseId(words.next()?.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_back_from_the_queues_that_are_stored() {
        let payload = Payload::read(Topic::Assignment, "{}".to_owned());
        assert_eq!(lanes(payload.steps()), "lms mail");
        assert_eq!(steps_left(&payload, "lms mail"), [Step::Link, Step::Mail]);
        assert_eq!(steps_left(&payload, "mail"), [Step::Mail]);
        assert_eq!(steps_left(&payload, ""), []);
        assert_eq!(steps_left(&payload, "another mail"), [Step::Mail]);
    }

    #[test]
    fn progress_comes_back_from_its_text() {
        let progress = ExpirationProgress {
            plan: PlanId(Uuid::from_u128(1)),
            expiration_date: DateTime::UNIX_EPOCH,
            step: ExpirationStep::Events,
            after: LicenseId(Uuid::from_u128(2)),
        };
        assert_eq!(read_progress(&progress_text(&progress)), Some(progress));
        assert_eq!(read_progress("halfway"), None);
    }
}
