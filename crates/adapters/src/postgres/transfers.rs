//! Transfer jobs, and moving licenses. One statement takes any number of ids, as an array.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt};
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::model::{HeldTwice, TransferJobSummary, TransferOrder, TransferredLicenses};
use license_manager_domain::ports::{LimitOffset, TransferFilter, TransferRepository};
use license_manager_domain::{Error, LicenseId, LicenseTransferJob, PlanId, TransferJobId};
use uuid::Uuid;

use super::recording::{Kind, with_history};
use super::unit::PostgresUnit;
use crate::prepared::{prepared_sql, update_row};
use crate::rows::shared::{IdRow, part, sorted_uuids};
use crate::rows::transfers::{
    HeldTwiceRow, TransferJobRow, TransferSummaryRow, matching, transfer_job, transfer_summary,
};
use crate::schema::{LICENSE, LICENSE_TRANSFER_JOB, customer_agreement, license, license_transfer_job as job};
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl TransferRepository for PostgresUnit<'_> {
    fn find(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
        let query = job::table.find(id.0).select((job::id, TransferJobRow::as_select()));
        self.read(|connection| query.first(connection).optional())?.map(transfer_job).transpose()
    }

    fn lock(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
        let query = job::table.find(id.0).select((job::id, TransferJobRow::as_select())).for_no_key_update();
        self.write(|connection| query.first(connection).optional())?.map(transfer_job).transpose()
    }

    fn list(&mut self, filter: &TransferFilter, limit_offset: LimitOffset) -> Result<Vec<TransferJobSummary>, Error> {
        let jobs = job::table.inner_join(customer_agreement::table).select((
            (job::id, job::customer_agreement_uuid, job::old_subscription_plan_uuid, job::new_subscription_plan_uuid),
            (job::notes, job::is_dry_run, job::license_uuids.is_null()),
            (job::completed_at, job::created, job::modified),
        ));
        let query = matching!(jobs, filter).order(job::id.desc());
        let query = part(query, limit_offset);
        let rows = self.read(|connection| query.load::<TransferSummaryRow>(connection))?;
        Ok(rows.into_iter().map(transfer_summary).collect())
    }

    fn count(&mut self, filter: &TransferFilter) -> Result<i64, Error> {
        let query = matching!(job::table.inner_join(customer_agreement::table).count(), filter);
        self.read(|connection| query.get_result(connection))
    }

    fn add(&mut self, order: &TransferOrder, change: &Change) -> Result<TransferJobId, Error> {
        let statement =
            diesel::insert_into(job::table).values(TransferJobRow::new(order, change.at)?).returning(job::all_columns);
        let statement = with_history(statement, &LICENSE_TRANSFER_JOB, Kind::Added, change).returning_id();
        self.write(|connection| statement.get_result::<i64>(connection)).map(TransferJobId)
    }

    fn save(&mut self, saved: &LicenseTransferJob, change: &Change) -> Result<(), Error> {
        let row = TransferJobRow::try_from(saved)?;
        let statement = update_row::<BigInt, _, _>(&LICENSE_TRANSFER_JOB, saved.id.0, row);
        self.write_recorded(&LICENSE_TRANSFER_JOB, saved.id, ChangeKind::Changed, change, statement)
    }

    fn delete(&mut self, id: TransferJobId, change: &Change) -> Result<(), Error> {
        let statement = diesel::delete(job::table.find(id.0)).returning(job::all_columns);
        let statement = with_history(statement, &LICENSE_TRANSFER_JOB, Kind::Deleted, change);
        self.write_rows(1, "transfer jobs", |connection| statement.execute(connection))
    }

    fn lock_licenses(&mut self, plan: PlanId, licenses: &TransferredLicenses) -> Result<Vec<LicenseId>, Error> {
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

    fn held_twice(&mut self, licenses: &[LicenseId], plan: PlanId) -> Result<Vec<HeldTwice>, Error> {
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

    fn move_licenses(&mut self, licenses: &[LicenseId], plan: PlanId, change: &Change) -> Result<(), Error> {
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
