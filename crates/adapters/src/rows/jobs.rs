//! Work on whole plans.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use diesel::upsert::excluded;
use license_manager_domain::history::Change;
use license_manager_domain::model::{Job, JobKind};
use license_manager_domain::ports::JobRepository;
use license_manager_domain::{Error, LicenseId, PlanId};

use super::shared::{for_both_databases, sorted_uuids};
use crate::backends::{Pg, Sqlite};
use crate::one_of::one_of;
use crate::prepared::prepared_sql;
use crate::schema::plan_job;
use crate::sql_types::{SqlTimestamp, SqlUuid, SqlUuidList};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = plan_job, treat_none_as_default_value = false, check_for_backend(Pg, Sqlite))]
pub(crate) struct JobRow {
    subscription_plan_uuid: SqlUuid,
    kind: String,
    requested_by: Option<String>,
    requested_at: SqlTimestamp,
    reason: Option<String>,
    reminders: Option<String>,
    read_until: Option<SqlUuid>,
}

impl TryFrom<&Job> for JobRow {
    type Error = Error;

    fn try_from(job: &Job) -> Result<Self, Error> {
        let reminders = job.reminders.as_ref().map(serde_json::to_string).transpose().map_err(Error::internal)?;
        Ok(Self {
            subscription_plan_uuid: SqlUuid(job.plan.0),
            kind: job.kind.as_str().to_owned(),
            requested_by: job.requested_by.clone(),
            requested_at: SqlTimestamp(job.requested_at),
            reason: job.reason.clone(),
            reminders,
            read_until: job.read_until.map(|license| SqlUuid(license.0)),
        })
    }
}

impl TryFrom<JobRow> for Job {
    type Error = Error;

    fn try_from(row: JobRow) -> Result<Self, Error> {
        let kind = JobKind::from_name(&row.kind).ok_or_else(|| {
            Error::internal(format!(
                "plan {} has a job of the unknown kind {:?}",
                row.subscription_plan_uuid.0, row.kind
            ))
        })?;
        // The cause is left out: it may quote a part of an address.
        let reminders = row.reminders.as_deref().map(serde_json::from_str).transpose().map_err(|_| {
            Error::internal(format!("the reminders of plan {} cannot be read", row.subscription_plan_uuid.0))
        })?;
        Ok(Job {
            plan: PlanId(row.subscription_plan_uuid.0),
            kind,
            requested_by: row.requested_by,
            requested_at: row.requested_at.0,
            reason: row.reason,
            reminders,
            read_until: row.read_until.map(|license| LicenseId(license.0)),
        })
    }
}

for_both_databases! {
    impl JobRepository for Unit {
        fn add(&mut self, job: &Job) -> Result<(), Error> {
            let statement = diesel::insert_into(plan_job::table)
                .values((JobRow::try_from(job)?, plan_job::not_before.eq(SqlTimestamp(job.requested_at))))
                .on_conflict((plan_job::subscription_plan_uuid, plan_job::kind))
                .do_update()
                .set((
                    plan_job::requested_by.eq(excluded(plan_job::requested_by)),
                    plan_job::requested_at.eq(excluded(plan_job::requested_at)),
                    plan_job::reason.eq(excluded(plan_job::reason)),
                    plan_job::reminders.eq(excluded(plan_job::reminders)),
                    plan_job::read_until.eq(excluded(plan_job::read_until)),
                ));
            self.write(|connection| statement.execute(connection))?;
            Ok(())
        }

        fn add_to_plans(&mut self, plans: &[PlanId], kind: JobKind, change: &Change) -> Result<(), Error> {
            let statement = prepared_sql(format!(
                "INSERT INTO plan_job (subscription_plan_uuid, kind, requested_by, requested_at, not_before, reason)
                 SELECT value, $1, $2, $3, $3, $4 FROM {} WHERE true
                 ON CONFLICT (subscription_plan_uuid, kind) DO UPDATE
                 SET requested_by = excluded.requested_by, requested_at = excluded.requested_at,
                     reason = excluded.reason, reminders = NULL, read_until = NULL",
                Self::each("$5")
            ))
            .bind::<Text, _>(kind.as_str())
            .bind::<Nullable<Text>, _>(change.by.clone())
            .bind::<SqlTimestamp, _>(change.at)
            .bind::<Nullable<Text>, _>(change.reason.as_deref().map(str::to_owned))
            .bind::<SqlUuidList, _>(sorted_uuids(plans.iter().map(|plan| plan.0)));
            self.write(|connection| statement.execute(connection))?;
            Ok(())
        }

        fn hurry(&mut self, plans: &[PlanId], kind: JobKind, now: DateTime<Utc>) -> Result<usize, Error> {
            let free = plan_job::claimed_by.is_null().or(plan_job::not_before.le(SqlTimestamp(now)));
            let jobs = plan_job::table
                .filter(one_of(plan_job::subscription_plan_uuid, plans.iter().map(|plan| plan.0)))
                .filter(plan_job::kind.eq(kind.as_str()))
                .filter(free);
            let statement = diesel::update(jobs).set((
                plan_job::not_before.eq(SqlTimestamp(now)),
                plan_job::attempts.eq(0_i16),
                plan_job::claimed_by.eq(None::<SqlUuid>),
            ));
            self.write(|connection| statement.execute(connection))
        }

        fn remove(&mut self, plans: &[PlanId], kind: JobKind) -> Result<usize, Error> {
            let jobs = plan_job::table
                .filter(one_of(plan_job::subscription_plan_uuid, plans.iter().map(|plan| plan.0)))
                .filter(plan_job::kind.eq(kind.as_str()));
            let statement = diesel::delete(jobs);
            self.write(|connection| statement.execute(connection))
        }

        fn find(&mut self, plan: PlanId, kind: JobKind) -> Result<Option<Job>, Error> {
            let query = plan_job::table.find((SqlUuid(plan.0), kind.as_str())).select(JobRow::as_select());
            self.read(|connection| query.get_result(connection).optional())?.map(Job::try_from).transpose()
        }

        fn counts(&mut self) -> Result<BTreeMap<JobKind, i64>, Error> {
            let query = plan_job::table.group_by(plan_job::kind).select((plan_job::kind, count_star()));
            let counted: Vec<(String, i64)> = self.read(|connection| query.load(connection))?;
            let mut counts: BTreeMap<_, _> = JobKind::ALL.into_iter().map(|kind| (kind, 0)).collect();
            counts.extend(counted.into_iter().filter_map(|(kind, count)| Some((JobKind::from_name(&kind)?, count))));
            Ok(counts)
        }
    }
}
