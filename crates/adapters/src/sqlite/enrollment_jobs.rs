//! Bulk enrollments that are to be changed, and changes of many. The repository is in [`crate::rows::enrollment_jobs`].

use diesel::prelude::*;
use diesel::sql_types::Text;
use license_manager_domain::model::EnrollmentJob;
use license_manager_domain::ports::EnrollmentJobRepository;
use license_manager_domain::{Email, EnrollmentJobId, Error};

use super::json::json;
use super::unit::SqliteUnit;
use crate::prepared::prepared_sql;
use crate::rows::enrollment_jobs::{EnrollmentJobRow, NAMING_COLUMNS, NamingRow};

impl SqliteUnit<'_> {
    /// Reads a bulk enrollment, which nobody else changes meanwhile: only one unit of work writes at a time.
    pub(crate) fn lock_enrollment_job(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error> {
        self.require_write()?;
        EnrollmentJobRepository::find(self, id)
    }

    /// Reads the jobs that may name one of the addresses, with their results.
    pub(crate) fn lock_jobs_naming(&mut self, emails: &[Email]) -> Result<Vec<NamingRow>, Error> {
        let named: Vec<_> = emails.iter().map(|email| (email.as_json(), email.as_csv())).collect();
        let query = prepared_sql(format!(
            r#"SELECT {NAMING_COLUMNS} FROM bulk_enrollment_job
             WHERE stage = 'enrolling' AND instr(parameters, '"learners":"holders"') > 0
                OR EXISTS (SELECT 1 FROM jsonb_each(?1) AS named
                           WHERE instr(parameters, named.value ->> 0) > 0 OR instr(results, named.value ->> 1) > 0)
             ORDER BY uuid"#
        ))
        .bind::<Text, _>(json(named)?);
        self.write(|connection| query.load(connection))
    }

    /// Writes the requests and the results of jobs.
    pub(crate) fn save_enrollment_jobs(&mut self, jobs: &[(EnrollmentJob, Option<String>)]) -> Result<(), Error> {
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
