use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::LicenseId;
use crate::model::license::License;

/// Why a license is to forget its holder. Each counts from a moment, and waits as long as the agreement keeps personal data. They are
/// looked at in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purge {
    /// Its plan ended.
    PlanExpired,
    /// It was revoked. Not in plans for internal use.
    Revoked,
    /// It was assigned, and never activated. Not in plans for internal use.
    NeverActivated,
}

names!(Purge {
    PlanExpired => "plan_expired",
    Revoked => "revoked",
    NeverActivated => "never_activated",
});

/// A license that was deleted, which is in the history alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedLicense {
    /// Its id.
    pub id: LicenseId,
    /// The address it carried when it was deleted, as far as the history still knows.
    pub email: Option<Email>,
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

    /// Licenses that were deleted so long ago that nobody is to be known by them at `now`, and whose history still knows somebody, in the
    /// order of their ids, at most `limit`, held until the transaction ends. MUST skip those that another transaction holds.
    ///
    /// Personal data is kept for as long as the agreement of the plan they were in then says, counted from the deletion; in plans for
    /// internal use from the plan's end, where that is later.
    fn lock_deleted(&mut self, now: DateTime<Utc>, limit: i64) -> Result<Vec<DeletedLicense>, Error>;

    /// The next of them in the order of their ids, held by nobody.
    fn deleted_after(
        &mut self,
        now: DateTime<Utc>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<DeletedLicense>, Error>;

    /// Those of the addresses that some license carries.
    fn addresses_in_use(&mut self, emails: &[Email]) -> Result<Vec<Email>, Error>;

    /// Takes what is told of holders out of the history of these licenses, deletes their sources with their history, messages
    /// about them that wait, and those about others, or events about none, that name one of the addresses. Of what webhooks were or are
    /// to be told, the same goes.
    fn erase_traces(&mut self, licenses: &[LicenseId], gone: &[Email]) -> Result<(), Error>;
}
