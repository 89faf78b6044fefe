use async_trait::async_trait;

use super::deliveries::Undelivered;
use crate::model::ids::EnrollmentJobId;

/// Files outside of storage that hold the results of bulk enrollments, one for each, as CSV.
#[async_trait]
pub trait ResultFiles: Send + Sync {
    /// Whether there is a place for files. See [`super::NotConfigured`].
    fn is_configured(&self) -> bool {
        true
    }

    /// Writes a file, over the one that may be there. Called outside of any transaction; the same may be written twice.
    ///
    /// # Errors
    /// Never [`Undelivered::Refused`]: nothing is wrong with a file, so the settings must be.
    async fn put(&self, job: EnrollmentJobId, csv: String) -> Result<(), Undelivered>;

    /// An address at which whoever has it can read the file for an hour from now, without further credentials. Asks nobody.
    fn address(&self, job: EnrollmentJobId) -> String;
}
