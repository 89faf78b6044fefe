use crate::error::Error;
use crate::model::email::Email;
use crate::model::enrollment::EnrollmentJob;
use crate::model::ids::EnrollmentJobId;

/// Bulk enrollment jobs.
pub trait EnrollmentJobRepository {
    /// Adds a job.
    fn add(&mut self, job: &EnrollmentJob) -> Result<(), Error> {
        not_provided!("enrollment_jobs.add", job)
    }

    /// The job with this id.
    fn find(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error> {
        not_provided!("enrollment_jobs.find", id)
    }

    /// The job with this id, locked.
    fn lock(&mut self, id: EnrollmentJobId) -> Result<Option<EnrollmentJob>, Error> {
        not_provided!("enrollment_jobs.lock", id)
    }

    /// The job's results so far, as CSV; `None` if there are none.
    fn results(&mut self, id: EnrollmentJobId) -> Result<Option<String>, Error> {
        not_provided!("enrollment_jobs.results", id)
    }

    /// Writes a job's progress and appends lines to its results. MUST fail if the job does not exist. SHOULD not read
    /// the existing results.
    fn advance(&mut self, job: &EnrollmentJob, lines: &str) -> Result<(), Error> {
        not_provided!("enrollment_jobs.advance", job, lines)
    }

    /// The jobs that name one of the addresses in their request or results, and those that are enrolling a plan's
    /// holders, with their results, locked, sorted by id. MAY return others that contain the text of an address.
    fn lock_naming(&mut self, emails: &[Email]) -> Result<Vec<(EnrollmentJob, Option<String>)>, Error> {
        not_provided!("enrollment_jobs.lock_naming", emails)
    }

    /// Writes the request, the results and the modification time of existing jobs, but not their progress. MUST fail if
    /// one does not exist.
    fn save(&mut self, jobs: &[(EnrollmentJob, Option<String>)]) -> Result<(), Error> {
        not_provided!("enrollment_jobs.save", jobs)
    }
}
