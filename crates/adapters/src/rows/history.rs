//! History: versions of rows.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use license_manager_domain::Error;
use license_manager_domain::history::{ChangeKind, EntityRef, Row, Version};

use crate::sql_types::SqlTimestamp;

#[derive(QueryableByName)]
pub(crate) struct VersionRow {
    #[diesel(sql_type = BigInt)]
    history_id: i64,
    #[diesel(sql_type = SqlTimestamp)]
    history_date: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    history_user: Option<String>,
    #[diesel(sql_type = Text)]
    history_type: String,
    #[diesel(sql_type = Nullable<Text>)]
    history_change_reason: Option<String>,
    #[diesel(sql_type = Text)]
    row_json: String,
}

pub(crate) fn version(of: EntityRef, row: VersionRow) -> Result<Version, Error> {
    let json = serde_json::from_str(&row.row_json).map_err(Error::internal)?;
    let unreadable =
        |field| Error::internal(format!("{} version {}: {field} cannot be read", of.entity(), row.history_id));
    Ok(Version {
        number: row.history_id,
        at: row.history_date,
        by: row.history_user,
        kind: ChangeKind::from_name(&row.history_type).ok_or_else(|| unreadable("history_type"))?,
        reason: row.history_change_reason,
        row: Row::read(of.fields(), &json).map_err(unreadable)?,
    })
}
