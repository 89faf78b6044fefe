use async_trait::async_trait;

use super::deliveries::Undelivered;
use crate::model::enrollment::EnrollmentJob;
use crate::model::ids::EnrollmentJobId;

/// Files outside of storage with the results of bulk enrollments, one per job, as CSV.
#[async_trait]
pub trait ResultFiles: Send + Sync {
    /// Whether there is a place for files. See [`super::NotConfigured`].
    fn is_configured(&self) -> bool {
        true
    }

    /// Writes or replaces a file. Called outside of any transaction; the same file may be written twice.
    ///
    /// # Errors
    /// Never [`Undelivered::Refused`]: a file cannot be invalid, so the settings must be.
    async fn put(&self, job: EnrollmentJobId, csv: String) -> Result<(), Undelivered>;

    /// A URL that allows anybody who has it to read the file for an hour, less if the credentials end before. Does not
    /// call the place of the files. `None` if no such URL can be made at the moment.
    async fn address(&self, job: &EnrollmentJob) -> Option<String>;
}
