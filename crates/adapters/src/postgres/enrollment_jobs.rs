//! Locks of bulk enrollments, and changes of many. The repository is in [`crate::rows::enrollment_jobs`].

use diesel::prelude::*;
use diesel::sql_types::{Array, Nullable, Text};
use license_manager_domain::model::EnrollmentJob;
use license_manager_domain::{Email, EnrollmentJobId, Error};

use super::unit::PostgresUnit;
use crate::prepared::prepared_sql;
use crate::rows::enrollment_jobs::{EnrollmentJobRow, NAMING_COLUMNS, NamingRow};
use crate::schema::bulk_enrollment_job;
use crate::sql_types::{SqlTimestamp, SqlUuid};

impl PostgresUnit<'_> {
    /// Locks a bulk enrollment.
    pub(crate) fn lock_enrollment_job(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error> {
        let query = bulk_enrollment_job::table.find(SqlUuid(id.0)).select(EnrollmentJobRow::as_select()).for_update();
        self.write(|connection| query.first(connection).optional())?.map(EnrollmentJob::try_from).transpose()
    }

    /// Locks the jobs that may name one of the addresses, with their results.
    pub(crate) fn lock_jobs_naming(&mut self, emails: &[Email]) -> Result<Vec<NamingRow>, Error> {
        let query = prepared_sql(format!(
            r#"SELECT {NAMING_COLUMNS} FROM bulk_enrollment_job
             WHERE stage = 'enrolling' AND strpos(parameters, '"learners":"holders"') > 0
                OR EXISTS (SELECT FROM unnest($1, $2) AS named (json, csv)
                           WHERE strpos(parameters, named.json) > 0 OR strpos(results, named.csv) > 0)
             ORDER BY uuid
             FOR UPDATE"#
        ))
        .bind::<Array<Text>, _>(emails.iter().map(Email::as_json).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(emails.iter().map(Email::as_csv).collect::<Vec<_>>());
        self.write(|connection| query.load(connection))
    }

    /// Writes the requests and the results of jobs.
    pub(crate) fn save_enrollment_jobs(&mut self, jobs: &[(EnrollmentJob, Option<String>)]) -> Result<(), Error> {
        let rows: Vec<EnrollmentJobRow> =
            jobs.iter().map(|(job, _)| EnrollmentJobRow::try_from(job)).collect::<Result<_, _>>()?;
        let statement = prepared_sql(
            "UPDATE bulk_enrollment_job AS job
             SET parameters = input.parameters, results = input.results, modified = input.modified
             FROM unnest($1, $2, $3, $4) AS input (uuid, parameters, results, modified)
             WHERE job.uuid = input.uuid",
        )
        .bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.uuid).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|row| &row.parameters).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(jobs.iter().map(|(_, results)| results.as_ref()).collect::<Vec<_>>())
        .bind::<Array<SqlTimestamp>, _>(rows.iter().map(|row| row.modified).collect::<Vec<_>>());
        self.write_rows(rows.len(), "bulk enrollments", |connection| statement.execute(connection))
    }
}
