//! Bulk enrollments that were asked for.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use license_manager_domain::model::{EnrollmentJob, EnrollmentNumbers, EnrollmentStage};
use license_manager_domain::ports::EnrollmentJobRepository;
use license_manager_domain::{CustomerId, Email, EnrollmentJobId, Error, LicenseId, LmsUserId};

use super::SqliteUnit;
use super::error::storage_error;
use super::schema::bulk_enrollment_job;
use super::types::{SqlMoment, SqlUuid};

#[derive(Queryable, Selectable, QueryableByName, Insertable)]
#[diesel(table_name = bulk_enrollment_job)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite))]
struct Row {
    uuid: SqlUuid,
    enterprise_customer_uuid: SqlUuid,
    lms_user_id: Option<i64>,
    parameters: String,
    created: SqlMoment,
    modified: SqlMoment,
    stage: String,
    enrolled_until: Option<SqlUuid>,
    successes: i64,
    pending: i64,
    failures: i64,
}

/// A job with what came of it.
#[derive(QueryableByName)]
struct NamingRow {
    #[diesel(embed)]
    job: Row,
    #[diesel(sql_type = Nullable<Text>)]
    results: Option<String>,
}

fn row(job: &EnrollmentJob) -> Result<Row, Error> {
    Ok(Row {
        uuid: SqlUuid(job.id.0),
        enterprise_customer_uuid: SqlUuid(job.customer.0),
        lms_user_id: job.lms_user_id.map(|id| id.0),
        parameters: serde_json::to_string(&job.enrollment).map_err(Error::internal)?,
        created: SqlMoment(job.created),
        modified: SqlMoment(job.modified),
        stage: job.stage.as_str().to_owned(),
        enrolled_until: job.stage.until().map(|license| SqlUuid(license.0)),
        successes: job.numbers.successes,
        pending: job.numbers.pending,
        failures: job.numbers.failures,
    })
}

fn job(row: Row) -> Result<EnrollmentJob, Error> {
    // The cause is not told: it may quote an address.
    let enrollment = serde_json::from_str(&row.parameters)
        .map_err(|_| Error::internal(format!("the parameters of bulk enrollment {} cannot be read", row.uuid.0)))?;
    let stage = EnrollmentStage::from_storage(&row.stage, row.enrolled_until.map(|license| LicenseId(license.0)))
        .ok_or_else(|| Error::internal(format!("bulk enrollment {} is in an unknown stage", row.uuid.0)))?;
    Ok(EnrollmentJob {
        id: EnrollmentJobId(row.uuid.0),
        customer: CustomerId(row.enterprise_customer_uuid.0),
        lms_user_id: row.lms_user_id.map(LmsUserId),
        enrollment,
        stage,
        numbers: EnrollmentNumbers { successes: row.successes, pending: row.pending, failures: row.failures },
        created: row.created.0,
        modified: row.modified.0,
    })
}

impl EnrollmentJobRepository for SqliteUnit<'_> {
    fn add(&mut self, job: &EnrollmentJob) -> Result<(), Error> {
        let conn = self.written()?;
        diesel::insert_into(bulk_enrollment_job::table).values(row(job)?).execute(conn).map_err(storage_error)?;
        Ok(())
    }

    fn find(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error> {
        let query = bulk_enrollment_job::table.find(SqlUuid(id.0)).select(Row::as_select());
        query.first(self.conn).optional().map_err(storage_error)?.map(job).transpose()
    }

    fn lock(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error> {
        // Whoever writes has the file to itself.
        self.written()?;
        EnrollmentJobRepository::find(self, id)
    }

    fn results(&mut self, id: EnrollmentJobId) -> Result<Option<String>, Error> {
        let query = bulk_enrollment_job::table.find(SqlUuid(id.0)).select(bulk_enrollment_job::results);
        Ok(query.first(self.conn).optional().map_err(storage_error)?.flatten())
    }

    fn advance(&mut self, job: &EnrollmentJob, lines: &str) -> Result<(), Error> {
        let row = row(job)?;
        let written = diesel::sql_query(
            "UPDATE bulk_enrollment_job
             SET stage = ?2, enrolled_until = ?3, successes = ?4, pending = ?5, failures = ?6, modified = ?7,
                 results = CASE WHEN ?8 = '' THEN results ELSE coalesce(results, '') || ?8 END
             WHERE uuid = ?1",
        )
        .bind::<Text, _>(row.uuid)
        .bind::<Text, _>(row.stage)
        .bind::<Nullable<Text>, _>(row.enrolled_until)
        .bind::<BigInt, _>(row.successes)
        .bind::<BigInt, _>(row.pending)
        .bind::<BigInt, _>(row.failures)
        .bind::<BigInt, _>(row.modified)
        .bind::<Text, _>(lines)
        .execute(self.written()?)
        .map_err(storage_error)?;
        all_written(written, 1)
    }

    fn lock_naming(&mut self, emails: &[Email]) -> Result<Vec<(EnrollmentJob, Option<String>)>, Error> {
        let named: Vec<_> = emails.iter().map(|email| (email.as_json(), email.as_csv())).collect();
        let rows: Vec<NamingRow> = diesel::sql_query(
            r#"SELECT * FROM bulk_enrollment_job
             WHERE stage = 'enrolling' AND instr(parameters, '"learners":"holders"') > 0
                OR EXISTS (SELECT 1 FROM json_each(?1) AS named
                           WHERE instr(parameters, named.value ->> 0) > 0 OR instr(results, named.value ->> 1) > 0)
             ORDER BY uuid"#,
        )
        .bind::<Text, _>(serde_json::to_string(&named).map_err(Error::internal)?)
        .load(self.written()?)
        .map_err(storage_error)?;
        rows.into_iter().map(|row| Ok((job(row.job)?, row.results))).collect()
    }

    fn save(&mut self, jobs: &[(EnrollmentJob, Option<String>)]) -> Result<(), Error> {
        let input = jobs.iter().map(|(job, results)| {
            let row = row(job)?;
            Ok((job.id, row.parameters, results, job.modified.timestamp_micros()))
        });
        let input: Vec<_> = input.collect::<Result<_, Error>>()?;
        let written = diesel::sql_query(
            "UPDATE bulk_enrollment_job
             SET parameters = input.value ->> 1, results = input.value ->> 2, modified = input.value ->> 3
             FROM json_each(?1) AS input
             WHERE bulk_enrollment_job.uuid = input.value ->> 0",
        )
        .bind::<Text, _>(serde_json::to_string(&input).map_err(Error::internal)?)
        .execute(self.written()?)
        .map_err(storage_error)?;
        all_written(written, jobs.len())
    }
}

fn all_written(written: usize, jobs: usize) -> Result<(), Error> {
    if written == jobs {
        return Ok(());
    }
    Err(Error::internal(format!("{written} of {jobs} bulk enrollments were there to be written")))
}
