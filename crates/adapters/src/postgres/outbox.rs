//! What was promised to the outside.

use diesel::prelude::*;
use diesel::sql_types::{Array, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use license_manager_domain::Error;
use license_manager_domain::outbox::Message;
use license_manager_domain::ports::OutboxRepository;

use super::PostgresUnit;
use super::schema::outbox;

fn column<'m, T>(messages: &'m [Message], value: impl Fn(&'m Message) -> T) -> Vec<T> {
    messages.iter().map(value).collect()
}

impl OutboxRepository for PostgresUnit<'_> {
    fn add(&mut self, messages: &[Message]) -> Result<(), Error> {
        self.require_write()?;
        if messages.is_empty() {
            return Ok(());
        }
        // The database counts positions in the order of the rows.
        let statement = diesel::sql_query(
            "INSERT INTO outbox
                 (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload, created)
             SELECT uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload, created
             FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY
                 AS message (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload,
                             created, place)
             ORDER BY place",
        )
        .bind::<Array<SqlUuid>, _>(column(messages, |message| message.id.0))
        .bind::<Array<Text>, _>(column(messages, |message| message.topic.as_str()))
        .bind::<Array<Nullable<SqlUuid>>, _>(column(messages, |message| message.license.map(|license| license.0)))
        .bind::<Array<Nullable<SqlUuid>>, _>(column(messages, |message| message.plan.map(|plan| plan.0)))
        .bind::<Array<SqlUuid>, _>(column(messages, |message| message.customer.0))
        .bind::<Array<Text>, _>(column(messages, |message| message.payload.as_str()))
        .bind::<Array<Timestamptz>, _>(column(messages, |message| message.created));
        self.write_rows(messages.len(), "messages", |connection| statement.execute(connection))
    }

    fn count(&mut self) -> Result<i64, Error> {
        self.read(|connection| outbox::table.count().get_result(connection))
    }
}
