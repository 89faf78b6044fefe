//! Accounts of people whose token does not name their account.

use super::manager::LicenseManager;
use crate::ports::Person;

impl LicenseManager {
    /// Fills in the person's LMS user id by a call to the LMS, if it is unknown. Without an answer it stays unknown,
    /// and the person is found by email address.
    pub async fn with_account(&self, person: Person) -> Person {
        let Some(email) = person.email.as_ref().filter(|_| person.lms_user_id.is_none()) else { return person };
        match self.accounts.account(email).await {
            Ok(lms_user_id) => Person { lms_user_id, ..person },
            Err(error) => {
                tracing::debug!(%error, "the account of a caller is unknown");
                person
            }
        }
    }
}
