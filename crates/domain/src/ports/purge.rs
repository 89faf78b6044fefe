use chrono::{DateTime, Utc};

use crate::email::Email;
use crate::error::Error;
use crate::ids::LicenseId;
use crate::license::License;

/// Why a license is to forget its holder. Each counts from a moment, and waits as long as the agreement keeps personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purge {
    /// Its plan ended.
    PlanExpired,
    /// It was revoked. Not in plans for internal use.
    Revoked,
    /// It was assigned, and never activated. Not in plans for internal use.
    NeverActivated,
}

impl Purge {
    /// Every reason, in the order in which they are looked at.
    pub const ALL: [Self; 3] = [Self::PlanExpired, Self::Revoked, Self::NeverActivated];
}

/// Licenses that forget their holder.
///
/// Every method MUST use a number of statements that does not depend on how many rows it touches.
pub trait PurgeRepository {
    /// Licenses that are to forget their holder at `now` and still know something of them, at most `limit`, locked. MUST skip
    /// those that another transaction holds.
    fn lock_due(&mut self, purge: Purge, now: DateTime<Utc>, limit: i64) -> Result<Vec<License>, Error>;

    /// The next of them in the order of their ids, unlocked.
    fn due_after(
        &mut self,
        purge: Purge,
        now: DateTime<Utc>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error>;

    /// Those of the addresses that some license carries.
    fn addresses_in_use(&mut self, emails: &[Email]) -> Result<Vec<Email>, Error>;

    /// Takes what is told of holders out of the history of these licenses, deletes their sources with their history, messages
    /// about them that wait, and those about others, or events about none, that name one of the addresses.
    fn erase_traces(&mut self, licenses: &[LicenseId], gone: &[Email]) -> Result<(), Error>;
}
