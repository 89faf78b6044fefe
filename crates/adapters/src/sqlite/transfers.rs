//! Transfer jobs, and moving licenses. One statement takes any number of ids, as a JSON array.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::model::{HeldTwice, TransferJobSummary, TransferOrder, TransferredLicenses};
use license_manager_domain::ports::{LimitOffset, TransferFilter, TransferRepository};
use license_manager_domain::{Error, LicenseId, LicenseTransferJob, PlanId, TransferJobId};
use uuid::Uuid;

use super::json::json;
use super::unit::SqliteUnit;
use crate::prepared::{prepared_sql, update_row};
use crate::rows::shared::{IdRow, part};
use crate::rows::transfers::{
    HeldTwiceRow, TransferJobRow, TransferSummaryRow, matching, transfer_job, transfer_summary,
};
use crate::schema::{LICENSE, LICENSE_TRANSFER_JOB, customer_agreement, license, license_transfer_job as job};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl TransferRepository for SqliteUnit<'_> {
    fn find(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
        let query = job::table.find(id.0).select((job::id, TransferJobRow::as_select()));
        self.read(|connection| query.first(connection).optional())?.map(transfer_job).transpose()
    }

    // Only one unit of work writes at a time, so no row needs a lock.
    fn lock(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
        self.require_write()?;
        TransferRepository::find(self, id)
    }

    fn list(&mut self, filter: &TransferFilter, limit_offset: LimitOffset) -> Result<Vec<TransferJobSummary>, Error> {
        let jobs = job::table.inner_join(customer_agreement::table).select((
            (job::id, job::customer_agreement_uuid, job::old_subscription_plan_uuid, job::new_subscription_plan_uuid),
            (job::notes, job::is_dry_run, job::license_uuids.is_null()),
            (job::completed_at, job::created, job::modified),
        ));
        let query = matching!(jobs, filter).order(job::id.desc());
        let query = part(query, limit_offset);
        let rows: Vec<TransferSummaryRow> = self.read(|connection| query.load(connection))?;
        Ok(rows.into_iter().map(transfer_summary).collect())
    }

    fn count(&mut self, filter: &TransferFilter) -> Result<i64, Error> {
        let jobs = job::table.inner_join(customer_agreement::table).count();
        self.read(|connection| matching!(jobs, filter).get_result(connection))
    }

    fn add(&mut self, order: &TransferOrder, change: &Change) -> Result<TransferJobId, Error> {
        let query = diesel::insert_into(job::table).values(TransferJobRow::new(order, change.at)?).returning(job::id);
        let id = self.write(|connection| query.get_result(connection)).map(TransferJobId)?;
        self.record(&LICENSE_TRANSFER_JOB, &json([id])?, ChangeKind::Added, change)?;
        Ok(id)
    }

    fn save(&mut self, saved: &LicenseTransferJob, change: &Change) -> Result<(), Error> {
        let row = TransferJobRow::try_from(saved)?;
        let statement = update_row::<BigInt, _, _>(&LICENSE_TRANSFER_JOB, saved.id.0, row);
        self.write_recorded(&LICENSE_TRANSFER_JOB, saved.id, ChangeKind::Changed, change, statement)
    }

    fn delete(&mut self, id: TransferJobId, change: &Change) -> Result<(), Error> {
        self.record(&LICENSE_TRANSFER_JOB, &json([id])?, ChangeKind::Deleted, change)?;
        self.write_rows(1, "transfer jobs", |connection| diesel::delete(job::table.find(id.0)).execute(connection))
    }

    fn lock_licenses(&mut self, plan: PlanId, licenses: &TransferredLicenses) -> Result<Vec<LicenseId>, Error> {
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

    fn held_twice(&mut self, licenses: &[LicenseId], plan: PlanId) -> Result<Vec<HeldTwice>, Error> {
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

    fn move_licenses(&mut self, licenses: &[LicenseId], plan: PlanId, change: &Change) -> Result<(), Error> {
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
