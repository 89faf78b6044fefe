//! Bulk enrollments.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use license_manager_domain::model::{EnrollmentJob, EnrollmentNumbers, EnrollmentStage};
use license_manager_domain::ports::EnrollmentJobRepository;
use license_manager_domain::{CustomerId, Email, EnrollmentJobId, Error, LicenseId, LmsUserId};

use super::shared::for_both_databases;
use crate::backends::{Pg, Sqlite};
use crate::prepared::prepared_sql;
use crate::schema::bulk_enrollment_job;
use crate::sql_types::{SqlTimestamp, SqlUuid};

#[derive(Queryable, QueryableByName, Selectable, Insertable)]
#[diesel(table_name = bulk_enrollment_job)]
#[diesel(treat_none_as_default_value = false, check_for_backend(Pg, Sqlite))]
pub(crate) struct EnrollmentJobRow {
    pub uuid: SqlUuid,
    pub enterprise_customer_uuid: SqlUuid,
    pub lms_user_id: Option<i64>,
    pub parameters: String,
    pub created: SqlTimestamp,
    pub modified: SqlTimestamp,
    pub stage: String,
    pub enrolled_until: Option<SqlUuid>,
    pub successes: i64,
    pub pending: i64,
    pub failures: i64,
    pub results_file: Option<String>,
}

/// A job with its results.
#[derive(QueryableByName)]
pub(crate) struct NamingRow {
    #[diesel(embed)]
    pub job: EnrollmentJobRow,
    #[diesel(sql_type = Nullable<Text>)]
    pub results: Option<String>,
}

/// The columns of a [`NamingRow`].
pub(crate) const NAMING_COLUMNS: &str = "uuid, enterprise_customer_uuid, lms_user_id, parameters, created, modified,
    stage, enrolled_until, successes, pending, failures, results_file, results";

impl TryFrom<&EnrollmentJob> for EnrollmentJobRow {
    type Error = Error;

    fn try_from(job: &EnrollmentJob) -> Result<Self, Error> {
        Ok(Self {
            uuid: SqlUuid(job.id.0),
            enterprise_customer_uuid: SqlUuid(job.customer.0),
            lms_user_id: job.lms_user_id.map(|id| id.0),
            parameters: serde_json::to_string(&job.enrollment).map_err(Error::internal)?,
            created: SqlTimestamp(job.created),
            modified: SqlTimestamp(job.modified),
            stage: job.stage.as_str().to_owned(),
            enrolled_until: job.stage.until().map(|license| SqlUuid(license.0)),
            successes: job.numbers.successes,
            pending: job.numbers.pending,
            failures: job.numbers.failures,
            results_file: job.file.clone(),
        })
    }
}

impl TryFrom<EnrollmentJobRow> for EnrollmentJob {
    type Error = Error;

    fn try_from(row: EnrollmentJobRow) -> Result<Self, Error> {
        // The cause is left out: it may quote an address.
        let enrollment = serde_json::from_str(&row.parameters)
            .map_err(|_| Error::internal(format!("the parameters of bulk enrollment {} cannot be read", row.uuid.0)))?;
        let stage = EnrollmentStage::from_storage(&row.stage, row.enrolled_until.map(|id| LicenseId(id.0)))
            .ok_or_else(|| Error::internal(format!("bulk enrollment {} is in an unknown stage", row.uuid.0)))?;
        Ok(Self {
            id: EnrollmentJobId(row.uuid.0),
            customer: CustomerId(row.enterprise_customer_uuid.0),
            lms_user_id: row.lms_user_id.and_then(LmsUserId::known),
            enrollment,
            stage,
            numbers: EnrollmentNumbers { successes: row.successes, pending: row.pending, failures: row.failures },
            file: row.results_file,
            created: row.created.0,
            modified: row.modified.0,
        })
    }
}

for_both_databases! {
    impl EnrollmentJobRepository for Unit {
        fn add(&mut self, job: &EnrollmentJob) -> Result<(), Error> {
            let statement = diesel::insert_into(bulk_enrollment_job::table).values(EnrollmentJobRow::try_from(job)?);
            self.write_rows(1, "bulk enrollments", |connection| statement.execute(connection))
        }

        fn find(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error> {
            let query = bulk_enrollment_job::table.find(SqlUuid(id.0)).select(EnrollmentJobRow::as_select());
            self.read(|connection| query.first(connection).optional())?.map(EnrollmentJob::try_from).transpose()
        }

        fn lock(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error> {
            self.lock_enrollment_job(id)
        }

        fn results(&mut self, id: EnrollmentJobId) -> Result<Option<String>, Error> {
            let query = bulk_enrollment_job::table.find(SqlUuid(id.0)).select(bulk_enrollment_job::results);
            Ok(self.read(|connection| query.first(connection).optional())?.flatten())
        }

        fn advance(&mut self, job: &EnrollmentJob, lines: &str) -> Result<(), Error> {
            let row = EnrollmentJobRow::try_from(job)?;
            let statement = prepared_sql(
                "UPDATE bulk_enrollment_job
                 SET stage = $1, enrolled_until = $2, successes = $3, pending = $4, failures = $5, modified = $6,
                     results = CASE WHEN $7 = '' THEN results ELSE coalesce(results, '') || $7 END
                 WHERE uuid = $8",
            )
            .bind::<Text, _>(row.stage)
            .bind::<Nullable<SqlUuid>, _>(row.enrolled_until)
            .bind::<BigInt, _>(row.successes)
            .bind::<BigInt, _>(row.pending)
            .bind::<BigInt, _>(row.failures)
            .bind::<SqlTimestamp, _>(row.modified)
            .bind::<Text, _>(lines)
            .bind::<SqlUuid, _>(row.uuid);
            self.write_rows(1, "bulk enrollments", |connection| statement.execute(connection))
        }

        fn lock_naming(&mut self, emails: &[Email]) -> Result<Vec<(EnrollmentJob, Option<String>)>, Error> {
            let rows = self.lock_jobs_naming(emails)?;
            rows.into_iter().map(|row| Ok((row.job.try_into()?, row.results))).collect()
        }

        fn save(&mut self, jobs: &[(EnrollmentJob, Option<String>)]) -> Result<(), Error> {
            self.save_enrollment_jobs(jobs)
        }
    }
}
