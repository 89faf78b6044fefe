//! Bulk enrollments that were asked for.

use diesel::prelude::*;
use license_manager_domain::ports::EnrollmentJobRepository;
use license_manager_domain::{CustomerId, EnrollmentJob, EnrollmentJobId, Error, LmsUserId};

use super::PostgresUnit;
use super::rows::EnrollmentJobRow;
use super::schema::bulk_enrollment_job;

fn row(job: &EnrollmentJob) -> Result<EnrollmentJobRow, Error> {
    Ok(EnrollmentJobRow {
        uuid: job.id.0,
        enterprise_customer_uuid: job.customer.0,
        lms_user_id: job.lms_user_id.map(|id| id.0),
        parameters: serde_json::to_string(&job.enrollment).map_err(Error::storage)?,
        results: job.results.clone(),
        created: job.created,
        modified: job.modified,
    })
}

fn job(row: EnrollmentJobRow) -> Result<EnrollmentJob, Error> {
    // The cause is not told: it may quote an address.
    let enrollment = serde_json::from_str(&row.parameters)
        .map_err(|_| Error::storage(format!("the parameters of bulk enrollment {} cannot be read", row.uuid)))?;
    Ok(EnrollmentJob {
        id: EnrollmentJobId(row.uuid),
        customer: CustomerId(row.enterprise_customer_uuid),
        lms_user_id: row.lms_user_id.map(LmsUserId),
        enrollment,
        results: row.results,
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

    fn save(&mut self, job: &EnrollmentJob) -> Result<(), Error> {
        let statement = diesel::update(bulk_enrollment_job::table.find(job.id.0)).set(row(job)?);
        self.write_rows(1, "bulk enrollments", |connection| statement.execute(connection))
    }
}
