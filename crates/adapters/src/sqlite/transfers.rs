//! Transfer jobs, and the moving of licenses: any number of ids travels as one JSON text.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::Sqlite;
use license_manager_domain::history::Change;
use license_manager_domain::model::{HeldTwice, TransferJobSummary, TransferOrder, TransferRun, TransferredLicenses};
use license_manager_domain::ports::{LimitOffset, TransferFilter, TransferRepository};
use license_manager_domain::{AgreementId, Email, Error, LicenseId, LicenseTransferJob, PlanId, TransferJobId};

use super::SqliteUnit;
use super::error::storage_error;
use super::recording::{Kind, Table, record};
use super::rows::IdRow;
use super::schema::{customer_agreement, license, license_transfer_job as job};
use super::types::{SqlMoment, SqlUuid};

#[derive(Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = job, treat_none_as_null = true, check_for_backend(Sqlite))]
struct JobRow {
    customer_agreement_uuid: SqlUuid,
    old_subscription_plan_uuid: SqlUuid,
    new_subscription_plan_uuid: SqlUuid,
    notes: Option<String>,
    is_dry_run: bool,
    license_uuids: Option<String>,
    processed_results: String,
    completed_at: Option<SqlMoment>,
    created: SqlMoment,
    modified: SqlMoment,
}

impl JobRow {
    /// One that has not run.
    fn new(order: &TransferOrder, now: SqlMoment) -> Result<Self, Error> {
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
            created: now,
            modified: now,
        })
    }
}

fn transfer_job((id, row): (i64, JobRow)) -> Result<LicenseTransferJob, Error> {
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

/// A job without its licenses and runs; of those, whether it names any.
type SummaryRow =
    ((i64, SqlUuid, SqlUuid, SqlUuid), (Option<String>, bool, bool), (Option<SqlMoment>, SqlMoment, SqlMoment));

fn summary(
    (ids, (notes, is_dry_run, transfer_all), (completed_at, created, modified)): SummaryRow,
) -> TransferJobSummary {
    let (id, agreement, old_plan, new_plan) = ids;
    TransferJobSummary {
        id: TransferJobId(id),
        agreement: AgreementId(agreement.0),
        old_plan: PlanId(old_plan.0),
        new_plan: PlanId(new_plan.0),
        notes,
        is_dry_run,
        transfer_all,
        completed_at: completed_at.map(|moment| moment.0),
        created: created.0,
        modified: modified.0,
    }
}

/// Restricts a boxed query to the jobs that match. A macro, since the query's type differs between reading and counting.
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

#[derive(QueryableByName)]
struct HeldTwiceRow {
    #[diesel(sql_type = Text)]
    uuid: SqlUuid,
    #[diesel(sql_type = Text)]
    user_email: String,
}

fn key(id: TransferJobId) -> String {
    format!("[{id}]")
}

impl TransferRepository for SqliteUnit<'_> {
    fn find(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
        let query = job::table.find(id.0).select((job::id, JobRow::as_select()));
        query.first(self.conn).optional().map_err(storage_error)?.map(transfer_job).transpose()
    }

    // Whoever writes has the file to itself; so no row needs a lock.
    fn lock(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
        self.written()?;
        TransferRepository::find(self, id)
    }

    fn list(&mut self, filter: &TransferFilter, limit_offset: LimitOffset) -> Result<Vec<TransferJobSummary>, Error> {
        let jobs = job::table.inner_join(customer_agreement::table).select((
            (job::id, job::customer_agreement_uuid, job::old_subscription_plan_uuid, job::new_subscription_plan_uuid),
            (job::notes, job::is_dry_run, job::license_uuids.is_null()),
            (job::completed_at, job::created, job::modified),
        ));
        let rows: Vec<SummaryRow> = matching!(jobs, filter)
            .order(job::id.desc())
            .offset(limit_offset.offset.max(0))
            .limit(limit_offset.limit.max(0))
            .load(self.conn)
            .map_err(storage_error)?;
        Ok(rows.into_iter().map(summary).collect())
    }

    fn count(&mut self, filter: &TransferFilter) -> Result<i64, Error> {
        let jobs = job::table.inner_join(customer_agreement::table).count();
        matching!(jobs, filter).get_result(self.conn).map_err(storage_error)
    }

    fn add(&mut self, order: &TransferOrder, change: &Change) -> Result<TransferJobId, Error> {
        let conn = self.written()?;
        let id = diesel::insert_into(job::table)
            .values(JobRow::new(order, SqlMoment(change.at))?)
            .returning(job::id)
            .get_result(conn)
            .map(TransferJobId)
            .map_err(storage_error)?;
        record(conn, Table::TransferJob, &key(id), Kind::Added, change)?;
        Ok(id)
    }

    fn save(&mut self, saved: &LicenseTransferJob, change: &Change) -> Result<(), Error> {
        let conn = self.written()?;
        let row = JobRow {
            processed_results: serde_json::to_string(&saved.runs).map_err(Error::internal)?,
            completed_at: saved.completed_at.map(SqlMoment),
            created: SqlMoment(saved.created),
            ..JobRow::new(&saved.order, SqlMoment(saved.modified))?
        };
        let written = diesel::update(job::table.find(saved.id.0)).set(row).execute(conn).map_err(storage_error)?;
        if written != 1 {
            return Err(Error::internal(format!("no transfer job {} to write", saved.id)));
        }
        record(conn, Table::TransferJob, &key(saved.id), Kind::Changed, change)
    }

    fn lock_licenses(&mut self, plan: PlanId, licenses: &TransferredLicenses) -> Result<Vec<LicenseId>, Error> {
        let conn = self.written()?;
        let ids: Vec<SqlUuid> = match licenses {
            TransferredLicenses::All => license::table
                .select(license::uuid)
                .filter(license::subscription_plan_uuid.eq(SqlUuid(plan.0)))
                .order(license::uuid)
                .load(conn)
                .map_err(storage_error)?,
            TransferredLicenses::Named(ids) => {
                let rows: Vec<IdRow> = sql_query(
                    "SELECT uuid FROM license
                     WHERE uuid IN (SELECT value FROM json_each(?1)) AND subscription_plan_uuid = ?2
                         AND status IN ('assigned', 'activated')
                     ORDER BY uuid",
                )
                .bind::<Text, _>(serde_json::to_string(ids).map_err(Error::internal)?)
                .bind::<Text, _>(SqlUuid(plan.0))
                .load(conn)
                .map_err(storage_error)?;
                rows.into_iter().map(|row| row.uuid).collect()
            }
        };
        Ok(ids.into_iter().map(|id| LicenseId(id.0)).collect())
    }

    fn held_twice(&mut self, licenses: &[LicenseId], plan: PlanId) -> Result<Vec<HeldTwice>, Error> {
        // Both are found by key: the moving ones by their ids, the present ones by their addresses.
        let rows: Vec<HeldTwiceRow> = sql_query(
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
        .bind::<Text, _>(serde_json::to_string(licenses).map_err(Error::internal)?)
        .bind::<Text, _>(SqlUuid(plan.0))
        .load(self.conn)
        .map_err(storage_error)?;
        let held = |row: HeldTwiceRow| HeldTwice {
            license: LicenseId(row.uuid.0),
            email: Email::from_storage(row.user_email),
        };
        Ok(rows.into_iter().map(held).collect())
    }

    fn move_licenses(&mut self, licenses: &[LicenseId], plan: PlanId, change: &Change) -> Result<(), Error> {
        let conn = self.written()?;
        if licenses.is_empty() {
            return Ok(());
        }
        let keys = serde_json::to_string(licenses).map_err(Error::internal)?;
        let written = sql_query(
            "UPDATE license SET subscription_plan_uuid = ?1, modified = ?2
             WHERE uuid IN (SELECT value FROM json_each(?3))",
        )
        .bind::<Text, _>(SqlUuid(plan.0))
        .bind::<BigInt, _>(SqlMoment(change.at))
        .bind::<Text, _>(&keys)
        .execute(conn)
        .map_err(storage_error)?;
        if written != licenses.len() {
            let missing = licenses.len().saturating_sub(written);
            return Err(Error::internal(format!("{missing} of {} licenses to be moved do not exist", licenses.len())));
        }
        record(conn, Table::License, &keys, Kind::Changed, change)
    }
}
