use crate::enrollment::EnrollmentJob;
use crate::error::Error;
use crate::ids::EnrollmentJobId;

/// Bulk enrollments that were asked for.
pub trait EnrollmentJobRepository {
    /// Adds a job.
    fn add(&mut self, job: &EnrollmentJob) -> Result<(), Error>;

    /// The job of that id.
    fn find(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error>;

    /// Writes a job that exists. MUST fail where it does not.
    fn save(&mut self, job: &EnrollmentJob) -> Result<(), Error>;
}
