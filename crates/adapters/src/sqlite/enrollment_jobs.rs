//! Bulk enrollments.

use diesel::prelude::*;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::sql_types::Text;
use license_manager_domain::model::EnrollmentJob;
use license_manager_domain::ports::EnrollmentJobRepository;
use license_manager_domain::{Email, EnrollmentJobId, Error};

use super::json::json;
use super::unit::SqliteUnit;
use crate::prepared::prepared_sql;
use crate::rows::enrollment_jobs::{self, EnrollmentJobRow, NAMING_COLUMNS, NamingRow};
use crate::schema::bulk_enrollment_job;
use crate::sql_types::SqlUuid;

impl EnrollmentJobRepository for SqliteUnit<'_> {
    fn add(&mut self, job: &EnrollmentJob) -> Result<(), Error> {
        let statement = diesel::insert_into(bulk_enrollment_job::table).values(EnrollmentJobRow::try_from(job)?);
        self.write(|connection| statement.execute(connection))?;
        Ok(())
    }

    fn find(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error> {
        let query = bulk_enrollment_job::table.find(SqlUuid(id.0)).select(EnrollmentJobRow::as_select());
        self.read(|connection| query.first(connection).optional())?.map(EnrollmentJob::try_from).transpose()
    }

    fn lock(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error> {
        // Only one unit of work writes at a time.
        self.require_write()?;
        EnrollmentJobRepository::find(self, id)
    }

    fn results(&mut self, id: EnrollmentJobId) -> Result<Option<String>, Error> {
        let query = bulk_enrollment_job::table.find(SqlUuid(id.0)).select(bulk_enrollment_job::results);
        Ok(self.read(|connection| query.first(connection).optional())?.flatten())
    }

    fn advance(&mut self, job: &EnrollmentJob, lines: &str) -> Result<(), Error> {
        let statement = enrollment_jobs::advance(job, lines)?;
        self.write_rows(1, "bulk enrollments", |connection| ExecuteDsl::execute(statement, connection))
    }

    fn lock_naming(&mut self, emails: &[Email]) -> Result<Vec<(EnrollmentJob, Option<String>)>, Error> {
        let named: Vec<_> = emails.iter().map(|email| (email.as_json(), email.as_csv())).collect();
        let query = prepared_sql(format!(
            r#"SELECT {NAMING_COLUMNS} FROM bulk_enrollment_job
             WHERE stage = 'enrolling' AND instr(parameters, '"learners":"holders"') > 0
                OR EXISTS (SELECT 1 FROM jsonb_each(?1) AS named
                           WHERE instr(parameters, named.value ->> 0) > 0 OR instr(results, named.value ->> 1) > 0)
             ORDER BY uuid"#
        ))
        .bind::<Text, _>(json(named)?);
        let rows: Vec<NamingRow> = self.write(|connection| query.load(connection))?;
        rows.into_iter().map(|row| Ok((row.job.try_into()?, row.results))).collect()
    }

    fn save(&mut self, jobs: &[(EnrollmentJob, Option<String>)]) -> Result<(), Error> {
        let input = jobs.iter().map(|(job, results)| {
            let row = EnrollmentJobRow::try_from(job)?;
            Ok((job.id, row.parameters, results, job.modified.timestamp_micros()))
        });
        let input: Vec<_> = input.collect::<Result<_, Error>>()?;
        let statement = prepared_sql(
            "UPDATE bulk_enrollment_job
             SET parameters = input.value ->> 1, results = input.value ->> 2, modified = input.value ->> 3
             FROM jsonb_each(?1) AS input
             WHERE bulk_enrollment_job.uuid = input.value ->> 0",
        )
        .bind::<Text, _>(json(input)?);
        self.write_rows(jobs.len(), "bulk enrollments", |connection| statement.execute(connection))
    }
}
