//! Seat utilization.

use chrono::NaiveDate;
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use license_manager_domain::LicenseCounts;
use license_manager_domain::model::{ActivationDelay, SeatChange};

use crate::sql_types::SqlDate;

#[derive(QueryableByName)]
pub(crate) struct DayRow {
    #[diesel(sql_type = SqlDate)]
    day: NaiveDate,
    #[diesel(sql_type = BigInt)]
    unassigned: i64,
    #[diesel(sql_type = BigInt)]
    assigned: i64,
    #[diesel(sql_type = BigInt)]
    activated: i64,
    #[diesel(sql_type = BigInt)]
    revoked: i64,
    #[diesel(sql_type = BigInt)]
    activations: i64,
}

impl From<DayRow> for SeatChange {
    fn from(row: DayRow) -> Self {
        let DayRow { day, unassigned, assigned, activated, revoked, activations } = row;
        Self { day, change: LicenseCounts { unassigned, assigned, activated, revoked }, activations }
    }
}

#[derive(QueryableByName)]
pub(crate) struct DelayRow {
    #[diesel(sql_type = BigInt)]
    days: i64,
    #[diesel(sql_type = BigInt)]
    activations: i64,
}

impl From<DelayRow> for ActivationDelay {
    fn from(row: DelayRow) -> Self {
        Self { days: row.days, activations: row.activations }
    }
}
