//! Transfer jobs, and the moving of licenses: each one statement over an array of ids, for any number of them.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Text, Timestamptz, Uuid as SqlUuid};
use license_manager_domain::history::Change;
use license_manager_domain::model::{HeldTwice, TransferJobSummary, TransferOrder, TransferRun, TransferredLicenses};
use license_manager_domain::ports::{LimitOffset, TransferFilter, TransferRepository};
use license_manager_domain::{AgreementId, Email, Error, LicenseId, LicenseTransferJob, PlanId, TransferJobId};
use uuid::Uuid;

use super::PostgresUnit;
use super::recording::{Kind, with_history};
use super::rows::{IdRow, sorted_uuids};
use super::schema::{LICENSE, LICENSE_TRANSFER_JOB, customer_agreement, license, license_transfer_job as job};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = job, treat_none_as_null = true, check_for_backend(Pg))]
struct JobRow {
    customer_agreement_uuid: Uuid,
    old_subscription_plan_uuid: Uuid,
    new_subscription_plan_uuid: Uuid,
    notes: Option<String>,
    is_dry_run: bool,
    license_uuids: Option<String>,
    processed_results: String,
    completed_at: Option<DateTime<Utc>>,
    created: DateTime<Utc>,
    modified: DateTime<Utc>,
}

impl JobRow {
    /// One that has not run.
    fn new(order: &TransferOrder, now: DateTime<Utc>) -> Result<Self, Error> {
        let license_uuids = match &order.licenses {
            TransferredLicenses::All => None,
            TransferredLicenses::Named(ids) => Some(serde_json::to_string(ids).map_err(Error::internal)?),
        };
        Ok(Self {
            customer_agreement_uuid: order.agreement.0,
            old_subscription_plan_uuid: order.old_plan.0,
            new_subscription_plan_uuid: order.new_plan.0,
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
            agreement: AgreementId(row.customer_agreement_uuid),
            old_plan: PlanId(row.old_subscription_plan_uuid),
            new_plan: PlanId(row.new_subscription_plan_uuid),
            notes: row.notes,
            is_dry_run: row.is_dry_run,
            licenses,
        },
        runs,
        completed_at: row.completed_at,
        created: row.created,
        modified: row.modified,
    })
}

/// A job without its licenses and runs; of those, whether it names any.
type SummaryRow =
    ((i64, Uuid, Uuid, Uuid), (Option<String>, bool, bool), (Option<DateTime<Utc>>, DateTime<Utc>, DateTime<Utc>));

fn summary(
    (ids, (notes, is_dry_run, transfer_all), (completed_at, created, modified)): SummaryRow,
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

/// The jobs that match, as a boxed query: a macro, because the types of a list and of a count differ.
macro_rules! matching {
    ($query:expr, $filter:expr) => {{
        let filter: &TransferFilter = $filter;
        let mut query = $query.into_boxed();
        if let Some(customer) = filter.customer {
            query = query.filter(customer_agreement::enterprise_customer_uuid.eq(customer.0));
        }
        if let Some(agreement) = filter.agreement {
            query = query.filter(job::customer_agreement_uuid.eq(agreement.0));
        }
        if let Some(plan) = filter.old_plan {
            query = query.filter(job::old_subscription_plan_uuid.eq(plan.0));
        }
        if let Some(plan) = filter.new_plan {
            query = query.filter(job::new_subscription_plan_uuid.eq(plan.0));
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
    #[diesel(sql_type = SqlUuid)]
    uuid: Uuid,
    #[diesel(sql_type = Text)]
    user_email: String,
}

impl TransferRepository for PostgresUnit<'_> {
    fn find(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
        let query = job::table.find(id.0).select((job::id, JobRow::as_select()));
        self.read(|connection| query.first(connection).optional())?.map(transfer_job).transpose()
    }

    fn lock(&mut self, id: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
        let query = job::table.find(id.0).select((job::id, JobRow::as_select())).for_no_key_update();
        self.write(|connection| query.first(connection).optional())?.map(transfer_job).transpose()
    }

    fn list(&mut self, filter: &TransferFilter, limit_offset: LimitOffset) -> Result<Vec<TransferJobSummary>, Error> {
        let jobs = job::table.inner_join(customer_agreement::table).select((
            (job::id, job::customer_agreement_uuid, job::old_subscription_plan_uuid, job::new_subscription_plan_uuid),
            (job::notes, job::is_dry_run, job::license_uuids.is_null()),
            (job::completed_at, job::created, job::modified),
        ));
        let query = matching!(jobs, filter).order(job::id.desc()).offset(limit_offset.offset).limit(limit_offset.limit);
        let rows = self.read(|connection| query.load::<SummaryRow>(connection))?;
        Ok(rows.into_iter().map(summary).collect())
    }

    fn count(&mut self, filter: &TransferFilter) -> Result<i64, Error> {
        let query = matching!(job::table.inner_join(customer_agreement::table).count(), filter);
        self.read(|connection| query.get_result(connection))
    }

    fn add(&mut self, order: &TransferOrder, change: &Change) -> Result<TransferJobId, Error> {
        let statement =
            diesel::insert_into(job::table).values(JobRow::new(order, change.at)?).returning(job::all_columns);
        let statement = with_history(statement, &LICENSE_TRANSFER_JOB, Kind::Added, change).returning_id();
        self.write(|connection| statement.get_result::<i64>(connection)).map(TransferJobId)
    }

    fn save(&mut self, saved: &LicenseTransferJob, change: &Change) -> Result<(), Error> {
        let row = JobRow {
            processed_results: serde_json::to_string(&saved.runs).map_err(Error::internal)?,
            completed_at: saved.completed_at,
            created: saved.created,
            ..JobRow::new(&saved.order, saved.modified)?
        };
        let statement = diesel::update(job::table.find(saved.id.0)).set(row).returning(job::all_columns);
        let statement = with_history(statement, &LICENSE_TRANSFER_JOB, Kind::Changed, change);
        self.write_rows(1, "transfer jobs", |connection| statement.execute(connection))
    }

    fn lock_licenses(&mut self, plan: PlanId, licenses: &TransferredLicenses) -> Result<Vec<LicenseId>, Error> {
        let ids: Vec<Uuid> = match licenses {
            TransferredLicenses::All => {
                let query = license::table
                    .select(license::uuid)
                    .filter(license::subscription_plan_uuid.eq(plan.0))
                    .order(license::uuid)
                    .for_no_key_update();
                self.write(|connection| query.load(connection))?
            }
            TransferredLicenses::Named(ids) => {
                let query = sql_query(
                    "SELECT license.uuid FROM unnest($1) AS named (uuid) JOIN license ON license.uuid = named.uuid
                     WHERE license.subscription_plan_uuid = $2 AND license.status IN ('assigned', 'activated')
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
        // Each address is looked up by itself, and OFFSET 0 holds Postgres to it: see `licenses::LIVE_OF_EMAILS`.
        let query = sql_query(
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
        let rows = self.read(|connection| query.load::<HeldTwiceRow>(connection))?;
        let held =
            |row: HeldTwiceRow| HeldTwice { license: LicenseId(row.uuid), email: Email::from_storage(row.user_email) };
        Ok(rows.into_iter().map(held).collect())
    }

    fn move_licenses(&mut self, licenses: &[LicenseId], plan: PlanId, change: &Change) -> Result<(), Error> {
        self.require_write()?;
        if licenses.is_empty() {
            return Ok(());
        }
        let moving = sorted_uuids(licenses.iter().map(|license| license.0));
        let number = moving.len();
        let statement = sql_query(
            "UPDATE license SET subscription_plan_uuid = $2, modified = $3
             FROM unnest($1) AS moving (uuid)
             WHERE license.uuid = moving.uuid
             RETURNING license.*",
        )
        .bind::<Array<SqlUuid>, _>(moving)
        .bind::<SqlUuid, _>(plan.0)
        .bind::<Timestamptz, _>(change.at);
        let statement = with_history(statement, &LICENSE, Kind::Changed, change);
        self.write_rows(number, "licenses", |connection| statement.execute(connection))
    }
}
