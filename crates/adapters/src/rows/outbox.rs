//! Messages of the outbox.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Nullable, SmallInt, Text};
use license_manager_domain::outbox::{MailWords, Message, WaitingMessage};
use license_manager_domain::{CustomerId, LicenseId, MailWordsId, MessageId, PlanId};
use uuid::Uuid;

use crate::sql_types::{SqlTimestamp, SqlUuid};

/// The words of the messages, each once.
pub(crate) fn words_of(messages: &[Message]) -> BTreeMap<Uuid, &MailWords> {
    let words = messages.iter().filter_map(|message| message.payload.words());
    words.map(|words| (words.id.0, words.as_ref())).collect()
}

/// A row of `outbox_words`.
pub(crate) type WordsRow = (Uuid, String, String);

pub(crate) fn words_by_id(rows: Vec<WordsRow>) -> HashMap<Uuid, Arc<MailWords>> {
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
