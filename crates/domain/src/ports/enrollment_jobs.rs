use crate::error::Error;
use crate::model::email::Email;
use crate::model::enrollment::EnrollmentJob;
use crate::model::ids::EnrollmentJobId;

/// Bulk enrollments that were asked for.
pub trait EnrollmentJobRepository {
    /// Adds a job.
    fn add(&mut self, job: &EnrollmentJob) -> Result<(), Error>;

    /// The job of that id.
    fn find(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error>;

    /// The job of that id, locked.
    fn lock(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error>;

    /// What came of the job so far, as CSV; `None` where nothing did yet.
    fn results(&mut self, id: EnrollmentJobId) -> Result<Option<String>, Error>;

    /// Writes how far a job is, and adds lines to its results. MUST fail where there is no such job. SHOULD not read the results
    /// that are there.
    fn advance(&mut self, job: &EnrollmentJob, lines: &str) -> Result<(), Error>;

    /// The jobs that name one of the addresses in what was asked for or in what came of it, and those that are enrolling
    /// the holders of a plan, with their results, locked, in the order of their ids. MAY return others that merely contain the
    /// text of an address.
    fn lock_naming(&mut self, emails: &[Email]) -> Result<Vec<(EnrollmentJob, Option<String>)>, Error>;

    /// Writes jobs that exist: what is asked for, what came of it and when that was, but not how far they are. MUST fail where one
    /// does not.
    fn save(&mut self, jobs: &[(EnrollmentJob, Option<String>)]) -> Result<(), Error>;
}
