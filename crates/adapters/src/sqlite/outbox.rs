//! What was promised to the outside.

use diesel::prelude::*;
use diesel::sql_types::Text;
use license_manager_domain::Error;
use license_manager_domain::outbox::Message;
use license_manager_domain::ports::OutboxRepository;

use super::SqliteUnit;
use super::error::storage_error;
use super::schema::outbox;
use super::types::SqlMoment;

/// The length of a message in JSON, beside its payload.
const ROW_OVERHEAD: usize = 224;

impl OutboxRepository for SqliteUnit<'_> {
    fn add(&mut self, messages: &[Message]) -> Result<(), Error> {
        let conn = self.written()?;
        if messages.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = messages
            .iter()
            .map(|message| {
                (
                    message.id,
                    message.topic.as_str(),
                    message.license,
                    message.plan,
                    message.customer,
                    message.payload.as_str(),
                    SqlMoment::number(message.created),
                )
            })
            .collect();
        // One buffer of about the right size: it holds every payload of a request, and would grow by doubling.
        let payloads: usize = messages.iter().map(|message| message.payload.len() * 5 / 4 + ROW_OVERHEAD).sum();
        let mut json = Vec::with_capacity(payloads);
        serde_json::to_writer(&mut json, &rows).map_err(Error::storage)?;
        drop(rows);
        // json_each gives the rows in their order; sorting them would copy every payload.
        diesel::sql_query(
            "INSERT INTO outbox (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload,
                                 created)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
             FROM json_each(?1)",
        )
        .bind::<Text, _>(String::from_utf8(json).map_err(Error::storage)?)
        .execute(conn)
        .map_err(storage_error)?;
        Ok(())
    }

    fn count(&mut self) -> Result<i64, Error> {
        outbox::table.count().get_result(self.conn).map_err(storage_error)
    }
}
