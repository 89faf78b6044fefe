//! New transfer jobs, and moving licenses. One statement takes any number of ids, as a JSON array. The repository is in
//! [`crate::rows::transfers`].

use diesel::prelude::*;
use diesel::sql_types::Text;
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::model::{HeldTwice, TransferredLicenses};
use license_manager_domain::ports::TransferRepository;
use license_manager_domain::{Error, LicenseId, LicenseTransferJob, PlanId, TransferJobId};
use uuid::Uuid;

use super::json::json;
use super::unit::SqliteUnit;
use crate::prepared::prepared_sql;
use crate::rows::shared::IdRow;
use crate::rows::transfers::{HeldTwiceRow, TransferJobRow};
use crate::schema::{LICENSE, LICENSE_TRANSFER_JOB, license, license_transfer_job as job};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl SqliteUnit<'_> {
    /// Reads a job, which nobody else changes meanwhile: only one unit of work writes at a time.
    pub(crate) fn lock_transfer_job(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
        self.require_write()?;
        TransferRepository::find(self, id)
    }

    /// Adds a job.
    pub(crate) fn add_transfer_job(&mut self, row: TransferJobRow, change: &Change) -> Result<TransferJobId, Error> {
        let query = diesel::insert_into(job::table).values(row).returning(job::id);
        let id = self.write(|connection| query.get_result(connection)).map(TransferJobId)?;
        self.record(&LICENSE_TRANSFER_JOB, &json([id])?, ChangeKind::Added, change)?;
        Ok(id)
    }

    /// Finds the licenses that an order moves.
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
                    .order(license::uuid);
                self.write(|connection| query.load(connection))?
            }
            TransferredLicenses::Named(ids) => {
                let query = prepared_sql(
                    "SELECT uuid FROM license
                     WHERE uuid IN (SELECT value FROM json_each(?1)) AND subscription_plan_uuid = ?2
                         AND status IN ('assigned', 'activated')
                     ORDER BY uuid",
                )
                .bind::<Text, _>(json(ids)?)
                .bind::<SqlUuid, _>(plan.0);
                let rows: Vec<IdRow> = self.write(|connection| query.load(connection))?;
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
        // Finds the moving licenses by their ids, the present licenses by their addresses.
        let query = prepared_sql(
            "SELECT moving.uuid, moving.user_email
             FROM json_each(?1) AS input
             CROSS JOIN license AS moving ON moving.uuid = input.value AND moving.status IN ('assigned', 'activated')
             WHERE EXISTS (
                 SELECT 1 FROM license AS present
                 WHERE present.subscription_plan_uuid = ?2 AND present.user_email = moving.user_email
                     AND present.status IN ('assigned', 'activated')
             )
             ORDER BY moving.uuid",
        )
        .bind::<Text, _>(json(licenses)?)
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
        let keys = json(licenses)?;
        let statement = prepared_sql(
            "UPDATE license SET subscription_plan_uuid = ?1, modified = ?2
             WHERE uuid IN (SELECT value FROM json_each(?3))",
        )
        .bind::<SqlUuid, _>(plan.0)
        .bind::<SqlTimestamp, _>(change.at)
        .bind::<Text, _>(&keys);
        self.write_rows(licenses.len(), "licenses", |connection| statement.execute(connection))?;
        self.record(&LICENSE, &keys, ChangeKind::Changed, change)
    }
}
