//! Work on a plan that is too large for a request.

use diesel::prelude::*;
use license_manager_domain::ports::JobRepository;
use license_manager_domain::{Error, Job, JobKind, PlanId};

use super::PostgresUnit;
use super::rows::JobRow;
use super::schema::plan_job;

impl JobRepository for PostgresUnit<'_> {
    fn add(&mut self, job: &Job) -> Result<(), Error> {
        let statement = diesel::insert_into(plan_job::table).values(JobRow::from(job)).on_conflict_do_nothing();
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn claim(&mut self) -> Result<Option<Job>, Error> {
        let query = plan_job::table
            .select(JobRow::as_select())
            .order((plan_job::requested_at, plan_job::subscription_plan_uuid, plan_job::kind))
            .limit(1)
            .for_update()
            .skip_locked();
        let row = self.write(|connection| query.get_result(connection).optional())?;
        row.map(Job::try_from).transpose()
    }

    fn remove(&mut self, plan: PlanId, kind: JobKind) -> Result<(), Error> {
        let statement = diesel::delete(plan_job::table.find((plan.0, kind.as_str())));
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }
}
