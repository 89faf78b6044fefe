//! Bulk enrollments that were asked for.

use diesel::prelude::*;
use license_manager_domain::ports::EnrollmentJobRepository;
use license_manager_domain::{CustomerId, EnrollmentJob, EnrollmentJobId, Error, LmsUserId};

use super::SqliteUnit;
use super::error::storage_error;
use super::schema::bulk_enrollment_job;
use super::types::{SqlMoment, SqlUuid};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = bulk_enrollment_job, primary_key(uuid), treat_none_as_null = true)]
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

    fn save(&mut self, job: &EnrollmentJob) -> Result<(), Error> {
        let written = diesel::update(bulk_enrollment_job::table.find(SqlUuid(job.id.0)))
            .set(row(job)?)
            .execute(self.written()?)
            .map_err(storage_error)?;
        if written == 1 { Ok(()) } else { Err(Error::storage(format!("no bulk enrollment {} to write", job.id))) }
    }
}
