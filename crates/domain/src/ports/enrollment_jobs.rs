use crate::email::Email;
use crate::enrollment::EnrollmentJob;
use crate::error::Error;
use crate::ids::EnrollmentJobId;

/// Bulk enrollments that were asked for.
pub trait EnrollmentJobRepository {
    /// Adds a job.
    fn add(&mut self, job: &EnrollmentJob) -> Result<(), Error>;

    /// The job of that id.
    fn find(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error>;

    /// The job of that id, locked.
    fn lock(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error>;

    /// The jobs that name one of the addresses in what was asked for or in what came of it, locked, in the order of their ids.
    /// MAY return others that merely contain the text of one.
    fn lock_naming(&mut self, emails: &[Email]) -> Result<Vec<EnrollmentJob>, Error>;

    /// Writes jobs that exist: what is asked for, what came of it and when that was. MUST fail where one does not.
    fn save(&mut self, jobs: &[EnrollmentJob]) -> Result<(), Error>;
}
