//! Work on whole plans.

use std::collections::BTreeMap;

use diesel::dsl::count_star;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use diesel::upsert::excluded;
use license_manager_domain::model::{Job, JobKind};
use license_manager_domain::ports::JobRepository;
use license_manager_domain::{Error, PlanId};

use super::shared::for_both_databases;
use crate::schema::plan_job;
use crate::sql_types::{SqlTimestamp, SqlUuid};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = plan_job, check_for_backend(Pg, Sqlite))]
pub(crate) struct JobRow {
    subscription_plan_uuid: SqlUuid,
    kind: String,
    requested_by: Option<String>,
    requested_at: SqlTimestamp,
}

impl From<&Job> for JobRow {
    fn from(job: &Job) -> Self {
        Self {
            subscription_plan_uuid: SqlUuid(job.plan.0),
            kind: job.kind.as_str().to_owned(),
            requested_by: job.requested_by.clone(),
            requested_at: SqlTimestamp(job.requested_at),
        }
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
        Ok(Job {
            plan: PlanId(row.subscription_plan_uuid.0),
            kind,
            requested_by: row.requested_by,
            requested_at: row.requested_at.0,
        })
    }
}

for_both_databases! {
    impl JobRepository for Unit {
        fn add(&mut self, job: &Job) -> Result<(), Error> {
            let statement = diesel::insert_into(plan_job::table)
                .values((JobRow::from(job), plan_job::not_before.eq(SqlTimestamp(job.requested_at))))
                .on_conflict((plan_job::subscription_plan_uuid, plan_job::kind))
                .do_update()
                .set((
                    plan_job::requested_by.eq(excluded(plan_job::requested_by)),
                    plan_job::requested_at.eq(excluded(plan_job::requested_at)),
                ));
            self.write(|connection| statement.execute(connection))?;
            Ok(())
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
