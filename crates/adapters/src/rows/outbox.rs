//! Messages of the outbox.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Nullable, SmallInt, Text};
use license_manager_domain::outbox::{MailWords, Message, OutboxSelection, WaitingMessage};
use license_manager_domain::ports::{OutboxFilter, OutboxRepository};
use license_manager_domain::queue::{Backlog, Queue};
use license_manager_domain::{CustomerId, Error, LicenseId, MailWordsId, MessageId, PlanId};
use uuid::Uuid;

use super::queue::BacklogRow;
use super::shared::{SharedStatement, for_both_databases, sorted_uuids};
use crate::one_of::one_of;
use crate::schema::{outbox, outbox_words};
use crate::sql_types::{SqlTimestamp, SqlUuid, SqlUuidList};

/// The words of the messages, each once.
pub(crate) fn words_of(messages: &[Message]) -> BTreeMap<Uuid, &MailWords> {
    let words = messages.iter().filter_map(|message| message.payload.words());
    words.map(|words| (words.id.0, words.as_ref())).collect()
}

/// A row of `outbox_words`.
type WordsRow = (Uuid, String, String);

fn words_by_id(rows: Vec<WordsRow>) -> HashMap<Uuid, Arc<MailWords>> {
    let words = |(id, greeting, closing)| (id, Arc::new(MailWords { id: MailWordsId(id), greeting, closing }));
    rows.into_iter().map(words).collect()
}

#[derive(QueryableByName)]
pub(crate) struct WaitingRow {
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = Text)]
    lane: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    license_uuid: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    subscription_plan_uuid: Option<Uuid>,
    #[diesel(sql_type = SqlUuid)]
    enterprise_customer_uuid: Uuid,
    #[diesel(sql_type = SqlTimestamp)]
    created: DateTime<Utc>,
    #[diesel(sql_type = SmallInt)]
    attempts: i16,
    #[diesel(sql_type = SqlTimestamp)]
    not_before: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    last_error: Option<String>,
    #[diesel(sql_type = Nullable<SqlTimestamp>)]
    parked_at: Option<DateTime<Utc>>,
}

impl From<WaitingRow> for WaitingMessage {
    fn from(row: WaitingRow) -> Self {
        Self {
            id: MessageId(row.uuid),
            topic: row.topic,
            queue: row.lane,
            license: row.license_uuid.map(LicenseId),
            plan: row.subscription_plan_uuid.map(PlanId),
            customer: CustomerId(row.enterprise_customer_uuid),
            created: row.created,
            attempts: row.attempts,
            not_before: row.not_before,
            last_error: row.last_error,
            dead_lettered_at: row.parked_at,
        }
    }
}

/// Reads the words of messages.
pub(crate) trait WordsOfMessages {
    /// The words with these ids.
    fn words(&mut self, ids: BTreeSet<Uuid>) -> Result<HashMap<Uuid, Arc<MailWords>>, Error>;
}

for_both_databases! {
    impl WordsOfMessages for Unit {
        fn words(&mut self, ids: BTreeSet<Uuid>) -> Result<HashMap<Uuid, Arc<MailWords>>, Error> {
            if ids.is_empty() {
                return Ok(HashMap::new());
            }
            let query = outbox_words::table
                .filter(one_of(outbox_words::uuid, ids))
                .select((outbox_words::uuid, outbox_words::greeting, outbox_words::closing));
            Ok(words_by_id(self.read(|connection| query.load::<WordsRow>(connection))?))
        }
    }
}

/// A statement on the messages that an operator has chosen. It leaves those out that are claimed at the time `$1`.
///
/// An operator chooses messages by their ids, which are `$2`, or all dead-lettered messages: then `$2` is NULL. Of these,
/// `$3` is the topic, or NULL for all topics. `among_ids` is the end of the condition that an id is in `$2`.
fn over_chosen(
    statement: &str,
    among_ids: &str,
    selection: &OutboxSelection,
    now: DateTime<Utc>,
) -> impl SharedStatement + use<> {
    let (ids, topic) = match selection {
        OutboxSelection::Messages(ids) => (Some(sorted_uuids(ids.iter().map(|message| message.0))), None),
        OutboxSelection::DeadLettered(topic) => (None, topic.clone()),
    };
    sql_query(format!(
        "{statement}
         WHERE (claimed_by IS NULL OR not_before <= $1)
           AND (uuid {among_ids} OR $2 IS NULL AND parked_at IS NOT NULL AND ($3 IS NULL OR topic = $3))"
    ))
    .bind::<SqlTimestamp, _>(now)
    .bind::<Nullable<SqlUuidList>, _>(ids)
    .bind::<Nullable<Text>, _>(topic)
}

for_both_databases! {
    impl OutboxRepository for Unit {
        fn add(&mut self, messages: &[Message]) -> Result<(), Error> {
            self.require_write()?;
            if messages.is_empty() {
                return Ok(());
            }
            self.add_messages(messages)
        }

        fn count(&mut self) -> Result<i64, Error> {
            self.read(|connection| outbox::table.count().get_result(connection))
        }

        fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<Vec<(Queue, Backlog)>, Error> {
            let rows = self.backlog_of_queues(now, limit)?;
            Ok(rows.into_iter().filter_map(BacklogRow::of_queue).collect())
        }

        fn list(&mut self, filter: &OutboxFilter, limit: i64) -> Result<Vec<WaitingMessage>, Error> {
            let query = sql_query(
                "SELECT * FROM outbox
                 WHERE (NOT $1 OR parked_at IS NOT NULL) AND ($2 IS NULL OR topic = $2)
                 ORDER BY position LIMIT $3",
            )
            .bind::<Bool, _>(filter.dead_lettered_only)
            .bind::<Nullable<Text>, _>(filter.topic.as_deref())
            .bind::<BigInt, _>(limit.max(0));
            self.list::<WaitingRow, _>(query)
        }

        fn retry(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
            let retry = "UPDATE outbox SET attempts = 0, not_before = $1, claimed_by = NULL, parked_at = NULL";
            let statement = over_chosen(retry, &Self::among("$2"), selection, now);
            self.write(|connection| ExecuteDsl::execute(statement, connection))
        }

        fn discard(&mut self, selection: &OutboxSelection, now: DateTime<Utc>) -> Result<usize, Error> {
            let statement = over_chosen("DELETE FROM outbox", &Self::among("$2"), selection, now);
            self.write(|connection| ExecuteDsl::execute(statement, connection))
        }
    }
}
