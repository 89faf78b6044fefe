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
        diesel::sql_query(
            "INSERT INTO outbox (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload,
                                 created)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
             FROM json_each(?1) ORDER BY key",
        )
        .bind::<Text, _>(serde_json::to_string(&rows).map_err(Error::storage)?)
        .execute(conn)
        .map_err(storage_error)?;
        Ok(())
    }

    fn count(&mut self) -> Result<i64, Error> {
        outbox::table.count().get_result(self.conn).map_err(storage_error)
    }
}
