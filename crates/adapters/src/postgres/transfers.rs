//! Locks of transfer jobs, new ones, and moving licenses. One statement takes any number of ids, as an array. The
//! repository is in [`crate::rows::transfers`].

use diesel::prelude::*;
use diesel::sql_types::Array;
use license_manager_domain::history::Change;
use license_manager_domain::model::{HeldTwice, TransferredLicenses};
use license_manager_domain::{Error, LicenseId, LicenseTransferJob, PlanId, TransferJobId};
use uuid::Uuid;

use super::recording::{Kind, with_history};
use super::unit::PostgresUnit;
use crate::prepared::prepared_sql;
use crate::rows::shared::{IdRow, sorted_uuids};
use crate::rows::transfers::{HeldTwiceRow, TransferJobRow, transfer_job};
use crate::schema::{LICENSE, LICENSE_TRANSFER_JOB, license, license_transfer_job as job};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl PostgresUnit<'_> {
    /// Locks a job.
    pub(crate) fn lock_transfer_job(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
        let query = job::table.find(id.0).select((job::id, TransferJobRow::as_select())).for_no_key_update();
        self.write(|connection| query.first(connection).optional())?.map(transfer_job).transpose()
    }

    /// Adds a job.
    pub(crate) fn add_transfer_job(&mut self, row: TransferJobRow, change: &Change) -> Result<TransferJobId, Error> {
        let statement = diesel::insert_into(job::table).values(row).returning(job::all_columns);
        let statement = with_history(statement, &LICENSE_TRANSFER_JOB, Kind::Added, change).returning_id();
        self.write(|connection| statement.get_result::<i64>(connection)).map(TransferJobId)
    }

    /// Locks the licenses that an order moves.
    pub(crate) fn lock_licenses_to_move(
        &mut self,
        plan: PlanId,
        licenses: &TransferredLicenses,
    ) -> Result<Vec<LicenseId>, Error> {
        let ids: Vec<Uuid> = match licenses {
            TransferredLicenses::All => {
                let query = license::table
                    .select(license::uuid)
                    .filter(license::subscription_plan_uuid.eq(SqlUuid(plan.0)))
                    .order(license::uuid)
                    .for_no_key_update();
                self.write(|connection| query.load(connection))?
            }
            TransferredLicenses::Named(ids) => {
                // IS TRUE makes Postgres look up each license. Without statistics, or with older ones, it expects few
                // licenses in a plan, and would read them all for each license that is named.
                let query = prepared_sql(
                    "SELECT license.uuid FROM unnest($1) AS named (uuid) JOIN license ON license.uuid = named.uuid
                     WHERE (license.subscription_plan_uuid = $2) IS TRUE AND license.status IN ('assigned', 'activated')
                     ORDER BY license.uuid
                     FOR NO KEY UPDATE OF license",
                )
                .bind::<Array<SqlUuid>, _>(sorted_uuids(ids.iter().map(|license| license.0)))
                .bind::<SqlUuid, _>(plan.0);
                let rows = self.write(|connection| query.load::<IdRow>(connection))?;
                rows.into_iter().map(|row| row.uuid).collect()
            }
        };
        Ok(ids.into_iter().map(LicenseId).collect())
    }

    /// Finds the licenses whose holders have another one in the plan.
    pub(crate) fn licenses_held_twice(
        &mut self,
        licenses: &[LicenseId],
        plan: PlanId,
    ) -> Result<Vec<HeldTwice>, Error> {
        // OFFSET 0 makes Postgres look up each address: see `licenses::LIVE_OF_EMAILS`.
        let query = prepared_sql(
            "SELECT moving.uuid, moving.user_email
             FROM unnest($1) AS input (uuid)
             JOIN license AS moving ON moving.uuid = input.uuid AND moving.status IN ('assigned', 'activated')
             CROSS JOIN LATERAL (
                 SELECT FROM license AS present
                 WHERE present.subscription_plan_uuid = $2 AND present.user_email = moving.user_email
                     AND present.status IN ('assigned', 'activated')
                 OFFSET 0
             ) AS present
             ORDER BY moving.uuid",
        )
        .bind::<Array<SqlUuid>, _>(sorted_uuids(licenses.iter().map(|license| license.0)))
        .bind::<SqlUuid, _>(plan.0);
        self.list::<HeldTwiceRow, _>(query)
    }

    /// Moves licenses to the plan.
    pub(crate) fn move_licenses_to(
        &mut self,
        licenses: &[LicenseId],
        plan: PlanId,
        change: &Change,
    ) -> Result<(), Error> {
        self.require_write()?;
        if licenses.is_empty() {
            return Ok(());
        }
        let moving = sorted_uuids(licenses.iter().map(|license| license.0));
        let number = moving.len();
        let statement = prepared_sql(
            "UPDATE license SET subscription_plan_uuid = $2, modified = $3
             FROM unnest($1) AS moving (uuid)
             WHERE license.uuid = moving.uuid
             RETURNING license.*",
        )
        .bind::<Array<SqlUuid>, _>(moving)
        .bind::<SqlUuid, _>(plan.0)
        .bind::<SqlTimestamp, _>(change.at);
        let statement = with_history(statement, &LICENSE, Kind::Changed, change);
        self.write_rows(number, "licenses", |connection| statement.execute(connection))
    }
}
