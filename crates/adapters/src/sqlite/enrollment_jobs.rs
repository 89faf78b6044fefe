//! Bulk enrollments that were asked for.

use diesel::prelude::*;
use diesel::sql_types::Text;
use license_manager_domain::ports::EnrollmentJobRepository;
use license_manager_domain::{CustomerId, Email, EnrollmentJob, EnrollmentJobId, Error, LmsUserId};

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
    results: Option<String>,
    created: SqlMoment,
    modified: SqlMoment,
}

fn row(job: &EnrollmentJob) -> Result<Row, Error> {
    Ok(Row {
        uuid: SqlUuid(job.id.0),
        enterprise_customer_uuid: SqlUuid(job.customer.0),
        lms_user_id: job.lms_user_id.map(|id| id.0),
        parameters: serde_json::to_string(&job.enrollment).map_err(Error::storage)?,
        results: job.results.clone(),
        created: SqlMoment(job.created),
        modified: SqlMoment(job.modified),
    })
}

fn job(row: Row) -> Result<EnrollmentJob, Error> {
    // The cause is not told: it may quote an address.
    let enrollment = serde_json::from_str(&row.parameters)
        .map_err(|_| Error::storage(format!("the parameters of bulk enrollment {} cannot be read", row.uuid.0)))?;
    Ok(EnrollmentJob {
        id: EnrollmentJobId(row.uuid.0),
        customer: CustomerId(row.enterprise_customer_uuid.0),
        lms_user_id: row.lms_user_id.map(LmsUserId),
        enrollment,
        results: row.results,
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

    fn lock_naming(&mut self, emails: &[Email]) -> Result<Vec<EnrollmentJob>, Error> {
        let named: Vec<_> = emails.iter().map(|email| (email.as_json(), email.as_str())).collect();
        let rows: Vec<Row> = diesel::sql_query(
            "SELECT * FROM bulk_enrollment_job
             WHERE EXISTS (SELECT 1 FROM json_each(?1) AS named
                           WHERE instr(parameters, named.value ->> 0) > 0 OR instr(lower(results), named.value ->> 1) > 0)
             ORDER BY uuid",
        )
        .bind::<Text, _>(serde_json::to_string(&named).map_err(Error::storage)?)
        .load(self.written()?)
        .map_err(storage_error)?;
        rows.into_iter().map(job).collect()
    }

    fn save(&mut self, jobs: &[EnrollmentJob]) -> Result<(), Error> {
        let input = jobs.iter().map(|job| {
            let row = row(job)?;
            Ok((job.id, row.parameters, row.results, job.modified.timestamp_micros()))
        });
        let input: Vec<_> = input.collect::<Result<_, Error>>()?;
        let written = diesel::sql_query(
            "UPDATE bulk_enrollment_job
             SET parameters = input.value ->> 1, results = input.value ->> 2, modified = input.value ->> 3
             FROM json_each(?1) AS input
             WHERE bulk_enrollment_job.uuid = input.value ->> 0",
        )
        .bind::<Text, _>(serde_json::to_string(&input).map_err(Error::storage)?)
        .execute(self.written()?)
        .map_err(storage_error)?;
        if written == jobs.len() {
            return Ok(());
        }
        Err(Error::storage(format!("{written} of {} bulk enrollments were there to be written", jobs.len())))
    }
}
