//! Bulk enrollments that were asked for.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use license_manager_domain::model::{EnrollmentJob, EnrollmentNumbers, EnrollmentStage};
use license_manager_domain::ports::EnrollmentJobRepository;
use license_manager_domain::{CustomerId, Email, EnrollmentJobId, Error, LicenseId, LmsUserId};

use super::PostgresUnit;
use super::rows::EnrollmentJobRow;
use super::schema::bulk_enrollment_job;

/// A job with what came of it.
#[derive(QueryableByName)]
struct NamingRow {
    #[diesel(embed)]
    job: EnrollmentJobRow,
    #[diesel(sql_type = Nullable<Text>)]
    results: Option<String>,
}

fn row(job: &EnrollmentJob) -> Result<EnrollmentJobRow, Error> {
    Ok(EnrollmentJobRow {
        uuid: job.id.0,
        enterprise_customer_uuid: job.customer.0,
        lms_user_id: job.lms_user_id.map(|id| id.0),
        parameters: serde_json::to_string(&job.enrollment).map_err(Error::internal)?,
        created: job.created,
        modified: job.modified,
        stage: job.stage.as_str().to_owned(),
        enrolled_until: job.stage.until().map(|license| license.0),
        successes: job.numbers.successes,
        pending: job.numbers.pending,
        failures: job.numbers.failures,
    })
}

fn job(row: EnrollmentJobRow) -> Result<EnrollmentJob, Error> {
    // The cause is not told: it may quote an address.
    let enrollment = serde_json::from_str(&row.parameters)
        .map_err(|_| Error::internal(format!("the parameters of bulk enrollment {} cannot be read", row.uuid)))?;
    let stage = EnrollmentStage::from_storage(&row.stage, row.enrolled_until.map(LicenseId))
        .ok_or_else(|| Error::internal(format!("bulk enrollment {} is in an unknown stage", row.uuid)))?;
    Ok(EnrollmentJob {
        id: EnrollmentJobId(row.uuid),
        customer: CustomerId(row.enterprise_customer_uuid),
        lms_user_id: row.lms_user_id.map(LmsUserId),
        enrollment,
        stage,
        numbers: EnrollmentNumbers { successes: row.successes, pending: row.pending, failures: row.failures },
        created: row.created,
        modified: row.modified,
    })
}

impl EnrollmentJobRepository for PostgresUnit<'_> {
    fn add(&mut self, job: &EnrollmentJob) -> Result<(), Error> {
        let statement = diesel::insert_into(bulk_enrollment_job::table).values(row(job)?);
        self.write_rows(1, "bulk enrollments", |connection| statement.execute(connection))
    }

    fn find(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error> {
        let query = bulk_enrollment_job::table.find(id.0).select(EnrollmentJobRow::as_select());
        self.read(|connection| query.first(connection).optional())?.map(job).transpose()
    }

    fn lock(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error> {
        let query = bulk_enrollment_job::table.find(id.0).select(EnrollmentJobRow::as_select()).for_update();
        self.write(|connection| query.first(connection).optional())?.map(job).transpose()
    }

    fn results(&mut self, id: EnrollmentJobId) -> Result<Option<String>, Error> {
        let query = bulk_enrollment_job::table.find(id.0).select(bulk_enrollment_job::results);
        Ok(self.read(|connection| query.first(connection).optional())?.flatten())
    }

    fn advance(&mut self, job: &EnrollmentJob, lines: &str) -> Result<(), Error> {
        let row = row(job)?;
        let statement = diesel::sql_query(
            "UPDATE bulk_enrollment_job
             SET stage = $2, enrolled_until = $3, successes = $4, pending = $5, failures = $6, modified = $7,
                 results = CASE WHEN $8 = '' THEN results ELSE coalesce(results, '') || $8 END
             WHERE uuid = $1",
        )
        .bind::<SqlUuid, _>(row.uuid)
        .bind::<Text, _>(row.stage)
        .bind::<Nullable<SqlUuid>, _>(row.enrolled_until)
        .bind::<BigInt, _>(row.successes)
        .bind::<BigInt, _>(row.pending)
        .bind::<BigInt, _>(row.failures)
        .bind::<Timestamptz, _>(row.modified)
        .bind::<Text, _>(lines);
        self.write_rows(1, "bulk enrollments", |connection| statement.execute(connection))
    }

    fn lock_naming(&mut self, emails: &[Email]) -> Result<Vec<(EnrollmentJob, Option<String>)>, Error> {
        let query = diesel::sql_query(
            r#"SELECT * FROM bulk_enrollment_job
             WHERE stage = 'enrolling' AND strpos(parameters, '"learners":"holders"') > 0
                OR EXISTS (SELECT FROM unnest($1, $2) AS named (json, csv)
                           WHERE strpos(parameters, named.json) > 0 OR strpos(results, named.csv) > 0)
             ORDER BY uuid
             FOR UPDATE"#,
        )
        .bind::<Array<Text>, _>(emails.iter().map(Email::as_json).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(emails.iter().map(Email::as_csv).collect::<Vec<_>>());
        let rows: Vec<NamingRow> = self.write(|connection| query.load(connection))?;
        rows.into_iter().map(|row| Ok((job(row.job)?, row.results))).collect()
    }

    fn save(&mut self, jobs: &[(EnrollmentJob, Option<String>)]) -> Result<(), Error> {
        let rows: Vec<EnrollmentJobRow> = jobs.iter().map(|(job, _)| row(job)).collect::<Result<_, _>>()?;
        let statement = diesel::sql_query(
            "UPDATE bulk_enrollment_job AS job
             SET parameters = input.parameters, results = input.results, modified = input.modified
             FROM unnest($1, $2, $3, $4) AS input (uuid, parameters, results, modified)
             WHERE job.uuid = input.uuid",
        )
        .bind::<Array<SqlUuid>, _>(rows.iter().map(|row| row.uuid).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows.iter().map(|row| &row.parameters).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(jobs.iter().map(|(_, results)| results.as_ref()).collect::<Vec<_>>())
        .bind::<Array<Timestamptz>, _>(rows.iter().map(|row| row.modified).collect::<Vec<_>>());
        self.write_rows(rows.len(), "bulk enrollments", |connection| statement.execute(connection))
    }
}
