//! How far back history goes, and versions that are superseded.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable};
use license_manager_domain::Error;
use license_manager_domain::ports::{HistoryPart, SupersededVersions};

use super::shared::{SharedQuery, SharedStatement};
use crate::history::TableWithHistory;
use crate::schema::WITH_HISTORY;
use crate::sql_types::SqlTimestamp;

#[derive(QueryableByName)]
pub(crate) struct SinceRow {
    #[diesel(sql_type = SqlTimestamp)]
    complete_since: DateTime<Utc>,
}

impl From<SinceRow> for DateTime<Utc> {
    fn from(row: SinceRow) -> Self {
        row.complete_since
    }
}

#[derive(QueryableByName)]
pub(crate) struct SupersededRow {
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

/// Whether `version` of a history is superseded at `$1`.
fn is_superseded(TableWithHistory { name, key, .. }: &TableWithHistory) -> String {
    format!(
        "version.history_date <= $1 AND EXISTS (
             SELECT 1 FROM {name}_history AS later
             WHERE later.{key} = version.{key} AND later.history_id > version.history_id AND later.history_date <= $1)"
    )
}

pub(crate) fn complete_since() -> impl SharedQuery<SinceRow> {
    sql_query("SELECT complete_since FROM history_retention")
}

pub(crate) fn set_complete_since(moment: DateTime<Utc>) -> impl SharedStatement {
    sql_query(
        "INSERT INTO history_retention (id, complete_since) VALUES (1, $1)
         ON CONFLICT (id) DO UPDATE SET complete_since = excluded.complete_since
             WHERE history_retention.complete_since < excluded.complete_since",
    )
    .bind::<SqlTimestamp, _>(moment)
}

pub(crate) fn superseded(part: &HistoryPart) -> Result<impl SharedQuery<SupersededRow> + use<>, Error> {
    let table @ TableWithHistory { name, key, .. } = table(part.table)?;
    Ok(sql_query(format!(
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

pub(crate) fn remove_superseded(part: &HistoryPart, last: i64) -> Result<impl SharedStatement + use<>, Error> {
    let table @ TableWithHistory { name, .. } = table(part.table)?;
    Ok(sql_query(format!(
        "DELETE FROM {name}_history AS version
         WHERE {} AND version.history_id > $2 AND version.history_id <= $3",
        is_superseded(table)
    ))
    .bind::<SqlTimestamp, _>(part.until)
    .bind::<BigInt, _>(part.after)
    .bind::<BigInt, _>(last))
}
