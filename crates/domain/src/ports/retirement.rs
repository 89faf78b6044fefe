use super::purge::DeletedLicense;
use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::{LicenseId, LmsUserId};
use crate::model::license::License;

/// A person to retire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retiree {
    /// Their LMS user id, if they have one. It does not match a license without an id, and none matches no license.
    pub lms_user_id: Option<LmsUserId>,
    /// The forms in which storage may have their email address: the one known for their user name, or by which they are
    /// retired.
    pub emails: Vec<Email>,
    /// Their user name, if they have one.
    pub username: Option<String>,
}

/// Removing a person's data.
///
/// Methods MUST use a number of statements that does not depend on how many rows they touch.
pub trait RetirementRepository {
    /// The person's licenses in all plans, by LMS user id or one of the addresses, revoked ones included, locked in the
    /// order of their ids. A missing id or address MUST NOT match.
    fn lock_licenses(&mut self, person: &Retiree) -> Result<Vec<License>, Error> {
        not_provided!("retirement.lock_licenses", person)
    }

    /// The licenses that had the person's LMS user id or one of the addresses when they were deleted. A missing id or address
    /// MUST NOT match.
    fn deleted_licenses(&mut self, person: &Retiree) -> Result<Vec<DeletedLicense>, Error> {
        not_provided!("retirement.deleted_licenses", person)
    }

    /// Removes email addresses, LMS user ids and activation keys from the history of these licenses, and from history
    /// entries of any license while it was the person's, by LMS user id or one of the addresses. In both, also removes
    /// the person's user name. Times and statuses stay, and so does the activation key that the newest version of one
    /// of these licenses has: a revoked license keeps it.
    fn erase_history(&mut self, licenses: &[LicenseId], person: &Retiree, emails: &[Email]) -> Result<(), Error> {
        not_provided!("retirement.erase_history", licenses, person, emails)
    }

    /// Deletes the Salesforce opportunities of these licenses and their history.
    fn erase_sources(&mut self, licenses: &[LicenseId]) -> Result<(), Error> {
        not_provided!("retirement.erase_sources", licenses)
    }

    /// Deletes messages that wait or are dead-lettered: those about these licenses, and those about other licenses, or
    /// events about none, that have one of the addresses as a value. Other messages about no license may be about many
    /// people and MUST stay. The same for webhook deliveries, delivered ones included.
    ///
    /// A message that names a person is about a license that had this address when the message was written. So the
    /// history tells which messages there are: callers call [`RetirementRepository::erase_history`] after this.
    fn erase_messages(&mut self, licenses: &[LicenseId], emails: &[Email]) -> Result<(), Error> {
        not_provided!("retirement.erase_messages", licenses, emails)
    }

    /// Removes this person as the requester of bulk enrollments, and deletes the waiting messages that would mail them
    /// results.
    fn erase_requester(&mut self, lms_user_id: LmsUserId) -> Result<(), Error> {
        not_provided!("retirement.erase_requester", lms_user_id)
    }

    /// Deletes the user and their roles, and takes their name out of what people did; `false` if the user does not exist.
    fn erase_user(&mut self, username: &str) -> Result<bool, Error> {
        not_provided!("retirement.erase_user", username)
    }
}
