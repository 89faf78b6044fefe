//! History: its versions, how far back it goes, and which versions are superseded.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::sql_types::{BigInt, Nullable};
use license_manager_domain::history::{EntityRef, Version};
use license_manager_domain::ports::{HistoryPart, HistoryRepository, LimitOffset, SupersededVersions};
use license_manager_domain::{Error, LicenseId, PlanId};

use super::licenses::licenses_written_after;
use super::shared::{SharedQuery, SharedStatement, for_both_databases};
use crate::history::TableWithHistory;
use crate::prepared::prepared_sql;
use crate::schema::{LICENSE, WITH_HISTORY};
use crate::sql_types::SqlTimestamp;

#[derive(QueryableByName)]
struct SinceRow {
    #[diesel(sql_type = SqlTimestamp)]
    complete_since: DateTime<Utc>,
}

impl From<SinceRow> for DateTime<Utc> {
    fn from(row: SinceRow) -> Self {
        row.complete_since
    }
}

#[derive(QueryableByName)]
struct SupersededRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    last: Option<i64>,
    #[diesel(sql_type = BigInt)]
    number: i64,
}

impl From<SupersededRow> for SupersededVersions {
    fn from(row: SupersededRow) -> Self {
        Self { last: row.last, count: row.number }
    }
}

fn table(name: &str) -> Result<&'static TableWithHistory, Error> {
    let known = WITH_HISTORY.iter().find(|table| table.name == name);
    known.copied().ok_or_else(|| Error::internal(format!("{name} has no history")))
}

/// Whether `version` of a history is superseded at `$1`, and nothing needs it any more.
fn is_superseded(TableWithHistory { name, key, .. }: &TableWithHistory) -> String {
    let unneeded = if *name == LICENSE.name { NO_MESSAGE_AS_OLD } else { "true" };
    format!(
        "version.history_date <= $1 AND EXISTS (
             SELECT 1 FROM {name}_history AS later
             WHERE later.{key} = version.{key} AND later.history_id > version.history_id AND later.history_date <= $1)
         AND {unneeded}"
    )
}

/// Whether there is no message about the license of `version` that may name its holder. A person's messages are found by
/// the versions of their licenses. Each part has the condition of an index: on messages that wait, and on dead letters.
const NO_MESSAGE_AS_OLD: &str = "
    NOT EXISTS (SELECT 1 FROM outbox
                WHERE outbox.license_uuid = version.uuid AND outbox.created <= $1 AND outbox.parked_at IS NULL)
    AND NOT EXISTS (SELECT 1 FROM outbox
                    WHERE outbox.license_uuid = version.uuid AND outbox.created <= $1 AND outbox.parked_at IS NOT NULL)";

fn complete_since() -> impl SharedQuery<SinceRow> {
    prepared_sql("SELECT complete_since FROM history_retention")
}

fn set_complete_since(moment: DateTime<Utc>) -> impl SharedStatement {
    prepared_sql(
        "INSERT INTO history_retention (id, complete_since) VALUES (1, $1)
         ON CONFLICT (id) DO UPDATE SET complete_since = excluded.complete_since
             WHERE history_retention.complete_since < excluded.complete_since",
    )
    .bind::<SqlTimestamp, _>(moment)
}

fn superseded(part: &HistoryPart) -> Result<impl SharedQuery<SupersededRow> + use<>, Error> {
    let table @ TableWithHistory { name, key, .. } = table(part.table)?;
    Ok(prepared_sql(format!(
        "SELECT max(version.history_id) AS last,
                coalesce(sum(CASE WHEN {} THEN 1 ELSE 0 END), 0) AS number
         FROM (SELECT history_id, history_date, {key} FROM {name}_history
               WHERE history_id > $2 ORDER BY history_id LIMIT $3) AS version",
        is_superseded(table)
    ))
    .bind::<SqlTimestamp, _>(part.until)
    .bind::<BigInt, _>(part.after)
    .bind::<BigInt, _>(part.limit.max(0)))
}

fn remove_superseded(part: &HistoryPart, last: i64) -> Result<impl SharedStatement + use<>, Error> {
    let table @ TableWithHistory { name, .. } = table(part.table)?;
    Ok(prepared_sql(format!(
        "DELETE FROM {name}_history AS version
         WHERE {} AND version.history_id > $2 AND version.history_id <= $3",
        is_superseded(table)
    ))
    .bind::<SqlTimestamp, _>(part.until)
    .bind::<BigInt, _>(part.after)
    .bind::<BigInt, _>(last))
}

for_both_databases! {
    impl HistoryRepository for Unit {
        fn versions(&mut self, of: EntityRef, limit_offset: LimitOffset) -> Result<Vec<Version>, Error> {
            self.versions_of(of, limit_offset)
        }

        fn count(&mut self, of: EntityRef) -> Result<i64, Error> {
            self.number_of_versions(of)
        }

        fn as_of(&mut self, of: EntityRef, at: DateTime<Utc>) -> Result<Option<Version>, Error> {
            self.version_as_of(of, at)
        }

        fn licenses_as_of(&mut self, licenses: &[LicenseId], at: DateTime<Utc>) -> Result<Vec<Version>, Error> {
            self.license_versions_as_of(licenses, at)
        }

        fn complete_since(&mut self) -> Result<Option<DateTime<Utc>>, Error> {
            Ok(self.list(complete_since())?.pop())
        }

        fn set_complete_since(&mut self, moment: DateTime<Utc>) -> Result<(), Error> {
            self.write(|connection| ExecuteDsl::execute(set_complete_since(moment), connection))?;
            Ok(())
        }

        fn tables(&mut self) -> Result<Vec<&'static str>, Error> {
            Ok(WITH_HISTORY.iter().map(|table| table.name).collect())
        }

        fn superseded(&mut self, part: &HistoryPart) -> Result<SupersededVersions, Error> {
            Ok(self.list(superseded(part)?)?.pop().unwrap_or_default())
        }

        fn remove_superseded(&mut self, part: &HistoryPart, last: i64) -> Result<usize, Error> {
            let statement = remove_superseded(part, last)?;
            self.write(|connection| ExecuteDsl::execute(statement, connection))
        }

        fn licenses_written_after(&mut self, plan: PlanId, at: DateTime<Utc>) -> Result<Vec<LicenseId>, Error> {
            self.list(licenses_written_after(plan, at))
        }
    }
}
