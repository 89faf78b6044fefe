//! Work on whole plans.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use license_manager_domain::model::{Job, JobKind};
use license_manager_domain::{Error, PlanId};

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
