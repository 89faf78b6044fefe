//! Transfer jobs.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::model::{HeldTwice, TransferJobSummary, TransferOrder, TransferRun, TransferredLicenses};
use license_manager_domain::ports::{LimitOffset, TransferFilter, TransferRepository};
use license_manager_domain::{AgreementId, Email, Error, LicenseId, LicenseTransferJob, PlanId, TransferJobId};
use uuid::Uuid;

use super::shared::{for_both_databases, part};
use crate::backends::{Pg, Sqlite};
use crate::prepared::update_row;
use crate::schema::{LICENSE_TRANSFER_JOB, customer_agreement, license_transfer_job as job};
use crate::sql_types::{SqlTimestamp, SqlUuid};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = job, treat_none_as_null = true)]
#[diesel(treat_none_as_default_value = false, check_for_backend(Pg, Sqlite))]
pub(crate) struct TransferJobRow {
    customer_agreement_uuid: SqlUuid,
    old_subscription_plan_uuid: SqlUuid,
    new_subscription_plan_uuid: SqlUuid,
    notes: Option<String>,
    is_dry_run: bool,
    license_uuids: Option<String>,
    processed_results: String,
    completed_at: Option<SqlTimestamp>,
    created: SqlTimestamp,
    modified: SqlTimestamp,
}

impl TransferJobRow {
    /// One that has not run.
    pub(crate) fn new(order: &TransferOrder, now: DateTime<Utc>) -> Result<Self, Error> {
        let license_uuids = match &order.licenses {
            TransferredLicenses::All => None,
            TransferredLicenses::Named(ids) => Some(serde_json::to_string(ids).map_err(Error::internal)?),
        };
        Ok(Self {
            customer_agreement_uuid: SqlUuid(order.agreement.0),
            old_subscription_plan_uuid: SqlUuid(order.old_plan.0),
            new_subscription_plan_uuid: SqlUuid(order.new_plan.0),
            notes: order.notes.clone(),
            is_dry_run: order.is_dry_run,
            license_uuids,
            processed_results: "[]".to_owned(),
            completed_at: None,
            created: SqlTimestamp(now),
            modified: SqlTimestamp(now),
        })
    }
}

impl TryFrom<&LicenseTransferJob> for TransferJobRow {
    type Error = Error;

    fn try_from(job: &LicenseTransferJob) -> Result<Self, Error> {
        Ok(Self {
            processed_results: serde_json::to_string(&job.runs).map_err(Error::internal)?,
            completed_at: job.completed_at.map(SqlTimestamp),
            created: SqlTimestamp(job.created),
            ..Self::new(&job.order, job.modified)?
        })
    }
}

pub(crate) fn transfer_job((id, row): (i64, TransferJobRow)) -> Result<LicenseTransferJob, Error> {
    let unreadable = |error| Error::internal(format!("transfer job {id}: {error}"));
    let licenses = match &row.license_uuids {
        None => TransferredLicenses::All,
        Some(ids) => TransferredLicenses::Named(serde_json::from_str(ids).map_err(unreadable)?),
    };
    let runs: Vec<TransferRun> = serde_json::from_str(&row.processed_results).map_err(unreadable)?;
    Ok(LicenseTransferJob {
        id: TransferJobId(id),
        order: TransferOrder {
            agreement: AgreementId(row.customer_agreement_uuid.0),
            old_plan: PlanId(row.old_subscription_plan_uuid.0),
            new_plan: PlanId(row.new_subscription_plan_uuid.0),
            notes: row.notes,
            is_dry_run: row.is_dry_run,
            licenses,
        },
        runs,
        completed_at: row.completed_at.map(|moment| moment.0),
        created: row.created.0,
        modified: row.modified.0,
    })
}

/// A job without its runs, and without its licenses except for whether it names them.
type TransferSummaryRow =
    ((i64, Uuid, Uuid, Uuid), (Option<String>, bool, bool), (Option<DateTime<Utc>>, DateTime<Utc>, DateTime<Utc>));

fn transfer_summary(
    (ids, (notes, is_dry_run, transfer_all), (completed_at, created, modified)): TransferSummaryRow,
) -> TransferJobSummary {
    let (id, agreement, old_plan, new_plan) = ids;
    TransferJobSummary {
        id: TransferJobId(id),
        agreement: AgreementId(agreement),
        old_plan: PlanId(old_plan),
        new_plan: PlanId(new_plan),
        notes,
        is_dry_run,
        transfer_all,
        completed_at,
        created,
        modified,
    }
}

#[derive(QueryableByName)]
pub(crate) struct HeldTwiceRow {
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
    #[diesel(sql_type = Text)]
    user_email: String,
}

impl From<HeldTwiceRow> for HeldTwice {
    fn from(row: HeldTwiceRow) -> Self {
        Self { license: LicenseId(row.uuid), email: Email::from_storage(row.user_email) }
    }
}

/// Restricts a query to the jobs that match, and boxes it. A macro, because the types of a list and of a count differ.
macro_rules! matching {
    ($query:expr, $filter:expr) => {{
        let filter: &TransferFilter = $filter;
        let mut query = $query.into_boxed();
        if let Some(customer) = filter.customer {
            query = query.filter(customer_agreement::enterprise_customer_uuid.eq(SqlUuid(customer.0)));
        }
        if let Some(agreement) = filter.agreement {
            query = query.filter(job::customer_agreement_uuid.eq(SqlUuid(agreement.0)));
        }
        if let Some(plan) = filter.old_plan {
            query = query.filter(job::old_subscription_plan_uuid.eq(SqlUuid(plan.0)));
        }
        if let Some(plan) = filter.new_plan {
            query = query.filter(job::new_subscription_plan_uuid.eq(SqlUuid(plan.0)));
        }
        match filter.completed {
            Some(true) => query = query.filter(job::completed_at.is_not_null()),
            Some(false) => query = query.filter(job::completed_at.is_null()),
            None => {}
        }
        query
    }};
}

for_both_databases! {
    impl TransferRepository for Unit {
        fn find(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
            let query = job::table.find(id.0).select((job::id, TransferJobRow::as_select()));
            self.read(|connection| query.first(connection).optional())?.map(transfer_job).transpose()
        }

        fn lock(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
            self.lock_transfer_job(id)
        }

        fn list(
            &mut self,
            filter: &TransferFilter,
            limit_offset: LimitOffset,
        ) -> Result<Vec<TransferJobSummary>, Error> {
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
            self.add_transfer_job(TransferJobRow::new(order, change.at)?, change)
        }

        fn save(&mut self, saved: &LicenseTransferJob, change: &Change) -> Result<(), Error> {
            let row = TransferJobRow::try_from(saved)?;
            let statement = update_row::<BigInt, _, _>(&LICENSE_TRANSFER_JOB, saved.id.0, row);
            self.write_recorded(&LICENSE_TRANSFER_JOB, saved.id, ChangeKind::Changed, change, statement)
        }

        fn delete(&mut self, id: TransferJobId, change: &Change) -> Result<(), Error> {
            let statement = diesel::delete(job::table.find(id.0));
            self.write_recorded(&LICENSE_TRANSFER_JOB, id, ChangeKind::Deleted, change, statement)
        }

        fn lock_licenses(&mut self, plan: PlanId, licenses: &TransferredLicenses) -> Result<Vec<LicenseId>, Error> {
            self.lock_licenses_to_move(plan, licenses)
        }

        fn held_twice(&mut self, licenses: &[LicenseId], plan: PlanId) -> Result<Vec<HeldTwice>, Error> {
            self.licenses_held_twice(licenses, plan)
        }

        fn move_licenses(&mut self, licenses: &[LicenseId], plan: PlanId, change: &Change) -> Result<(), Error> {
            self.move_licenses_to(licenses, plan, change)
        }
    }
}
