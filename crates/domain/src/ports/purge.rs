use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::LicenseId;
use crate::model::license::License;

/// Why a license's holder is removed, in the order of processing. The agreement says how long after the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purge {
    /// Its plan expired.
    PlanExpired,
    /// It was revoked. Not in plans for internal use.
    Revoked,
    /// It was assigned and never activated. Not in plans for internal use.
    NeverActivated,
}

names!(Purge {
    PlanExpired => "plan_expired",
    Revoked => "revoked",
    NeverActivated => "never_activated",
});

/// A deleted license, which exists only in history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedLicense {
    /// Its id.
    pub id: LicenseId,
    /// Its email address when it was deleted, if history still has it.
    pub email: Option<Email>,
}

/// Removing the holders of licenses. A license has one while it has an address: the LMS user id and the activation key
/// that a revoked license keeps name nobody.
///
/// Methods MUST use a number of statements that does not depend on how many rows they touch.
pub trait PurgeRepository {
    /// Up to `limit` licenses that are due at `now` and still have an address, locked. MUST skip those locked by other
    /// transactions.
    fn lock_due(&mut self, purge: Purge, now: DateTime<Utc>, limit: i64) -> Result<Vec<License>, Error> {
        not_provided!("purge.lock_due", purge, now, limit)
    }

    /// The next due licenses, sorted by id, not locked.
    fn due_after(
        &mut self,
        purge: Purge,
        now: DateTime<Utc>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        not_provided!("purge.due_after", purge, now, after, limit)
    }

    /// Up to `limit` deleted licenses after the given id that are due at `now` and whose history still has an address,
    /// sorted by id, locked until the transaction ends. MUST skip those locked by other transactions.
    ///
    /// The duration is that of their last plan's agreement, from the deletion on; in plans for internal use from the
    /// plan's expiration, if that is later.
    fn lock_deleted(
        &mut self,
        now: DateTime<Utc>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<DeletedLicense>, Error> {
        not_provided!("purge.lock_deleted", now, after, limit)
    }

    /// The next of them, sorted by id, not locked.
    fn deleted_after(
        &mut self,
        now: DateTime<Utc>,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<DeletedLicense>, Error> {
        not_provided!("purge.deleted_after", now, after, limit)
    }

    /// Those of the addresses that any license has.
    fn addresses_in_use(&mut self, emails: &[Email]) -> Result<Vec<Email>, Error> {
        not_provided!("purge.addresses_in_use", emails)
    }

    /// Removes email addresses from the history of these licenses, and the LMS user ids and activation keys that differ
    /// from those of the license's newest version. Deletes their sources with their history, messages about them, and
    /// messages about other licenses, or events about none, that contain one of the addresses, whether they wait or are
    /// dead-lettered. The same for webhook deliveries, delivered ones included.
    fn erase_traces(&mut self, licenses: &[LicenseId], gone: &[Email]) -> Result<(), Error> {
        not_provided!("purge.erase_traces", licenses, gone)
    }
}
