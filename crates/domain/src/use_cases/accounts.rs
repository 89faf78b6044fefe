//! People whose token does not say which account they have.

use super::manager::LicenseManager;
use crate::ports::Person;

impl LicenseManager {
    /// The person with their account in the LMS: asked for where it is not known, which takes a call. A person of whom the LMS does
    /// not say stays as they are: they are found by their address.
    pub async fn with_account(&self, person: Person) -> Person {
        if person.lms_user_id.is_some() {
            return person;
        }
        match self.accounts.account(&person.email).await {
            Ok(lms_user_id) => Person { lms_user_id, ..person },
            Err(error) => {
                tracing::debug!(%error, "nobody says which account a caller has");
                person
            }
        }
    }
}
