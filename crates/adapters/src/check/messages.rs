//! Messages and events that nobody could deliver.

use std::collections::{BTreeMap, BTreeSet};

use diesel::QueryResult;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use license_manager_domain::outbox::{Payload, Topic};
use license_manager_domain::queue::QueueKind;

use super::EXAMPLES;
use super::snapshot::Snapshot;
use crate::rows::queue::named;

/// A message that is owed, or an event that is owed to a webhook.
#[derive(QueryableByName)]
struct Owed {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    topic: String,
    /// The queue in which it waits; an event for a webhook has none.
    #[diesel(sql_type = Nullable<Text>)]
    lane: Option<String>,
    /// The queues of the steps that are left.
    #[diesel(sql_type = Nullable<Text>)]
    lanes: Option<String>,
    #[diesel(sql_type = Text)]
    payload: String,
}

/// Dead letters are not owed any more: an operator knows of them. Nor are events of a webhook that was removed, which
/// are removed in turn.
const OWED: &str = "
    SELECT CAST(uuid AS text) AS id, topic, lane, lanes, payload FROM outbox WHERE parked_at IS NULL
    UNION ALL
    SELECT 'webhook ' || CAST(webhook_uuid AS text) || ' event ' || CAST(uuid AS text), 'license_event', NULL, NULL, payload
    FROM webhook_delivery
    WHERE state = 'waiting' AND EXISTS (SELECT 1 FROM webhook WHERE webhook.uuid = webhook_delivery.webhook_uuid)";

const ENROLLMENTS: &str = "SELECT CAST(uuid AS text) AS text FROM bulk_enrollment_job";

/// Messages that cannot be read, that wait in no queue of theirs, or that ask for an enrollment that is not there.
pub(super) fn undeliverable(connection: &mut impl Snapshot) -> QueryResult<(i64, Vec<String>)> {
    let mut found = Found::default();
    let mut enrollments: BTreeMap<String, Vec<String>> = BTreeMap::new();
    connection.each_row::<Owed, diesel::result::Error>(OWED, &mut |message| {
        let payload = Payload::read(Topic::from_name(&message.topic), message.payload);
        if !waits_in_a_queue(&payload, message.lane.as_deref(), message.lanes.as_deref()) {
            found.add(message.id);
            return Ok(());
        }
        match payload {
            Payload::Unreadable { .. } => found.add(message.id),
            Payload::BulkEnrollment(asked) | Payload::EnrollmentResultsFile(asked) => {
                enrollments.entry(asked.job_uuid.to_string()).or_default().push(message.id);
            }
            _ => {}
        }
        Ok(())
    })?;
    if !enrollments.is_empty() {
        let there: BTreeSet<String> = connection.texts(ENROLLMENTS)?.into_iter().collect();
        enrollments.retain(|job, _| !there.contains(job));
        enrollments.into_values().flatten().for_each(|id| found.add(id));
    }
    Ok((found.number, found.first.into_iter().collect()))
}

/// Whether the first of the queues that are left is the one it waits in, and there is a step for each.
fn waits_in_a_queue(payload: &Payload, lane: Option<&str>, lanes: Option<&str>) -> bool {
    let (Some(lane), Some(lanes)) = (lane, lanes) else { return true };
    let left: Vec<&str> = lanes.split(' ').collect();
    left.first() == Some(&lane)
        && left.len() <= payload.steps().len()
        && left.iter().all(|lane| named(QueueKind::Messages, lane).is_some())
}

/// Counts ids, and keeps the first of them.
#[derive(Default)]
struct Found {
    number: i64,
    first: BTreeSet<String>,
}

impl Found {
    fn add(&mut self, id: String) {
        self.number += 1;
        self.first.insert(id);
        if self.first.len() > EXAMPLES {
            self.first.pop_last();
        }
    }
}
