use super::purge::DeletedLicense;
use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::{LicenseId, LmsUserId};
use crate::model::license::License;

/// A person who is to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retiree {
    /// Their id in the LMS. It is always known: a license without an id is nobody's by that.
    pub lms_user_id: LmsUserId,
    /// The address known for their user name.
    pub email: Option<Email>,
    /// Their user name.
    pub username: String,
}

/// Forgetting people.
///
/// Every method MUST use a number of statements that does not depend on how many rows it touches.
pub trait RetirementRepository {
    /// The licenses of whatever plan, revoked ones included, that carry the person's id or address, locked in the order of
    /// their ids. An id or address that a license lacks MUST NOT match.
    fn lock_licenses(&mut self, person: &Retiree) -> Result<Vec<License>, Error>;

    /// The licenses that were deleted while they carried the person's id or address. An id or address that a license lacked MUST NOT
    /// match.
    fn deleted_licenses(&mut self, person: &Retiree) -> Result<Vec<DeletedLicense>, Error>;

    /// Takes addresses, LMS ids and activation keys out of the history: out of everything told of these licenses, and out of
    /// what is told of any license while it was in the person's hands, under their LMS id or any of the addresses. There, the person's user name goes too. When, and in
    /// which state a license was, stays.
    fn erase_history(&mut self, licenses: &[LicenseId], person: &Retiree, emails: &[Email]) -> Result<(), Error>;

    /// Deletes what is noted of the Salesforce opportunities that these licenses were assigned from, and its history.
    fn erase_sources(&mut self, licenses: &[LicenseId]) -> Result<(), Error>;

    /// Deletes messages that wait: those about these licenses, and of those about another license, or events about none, the
    /// ones that have one of the addresses as a value. Other messages about no license may be about many people and MUST stay.
    /// Of what webhooks were or are to be told, the same goes.
    fn erase_messages(&mut self, licenses: &[LicenseId], emails: &[Email]) -> Result<(), Error>;

    /// Forgets who asked for bulk enrollments where it was this person, and deletes the messages that wait to tell them what came of
    /// one.
    fn erase_requester(&mut self, lms_user_id: LmsUserId) -> Result<(), Error>;

    /// Deletes the user and their roles; `false` where there is no user of that name.
    fn erase_user(&mut self, username: &str) -> Result<bool, Error>;
}
