use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::Error;
use crate::model::ids::{LicenseId, PlanId};

/// A piece of work that one run of an operation does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// The operation, such as `expire-subscriptions`.
    pub operation: &'static str,
    /// What the work is about: the id of a plan, an agreement or a customer.
    pub key: Uuid,
}

/// Whether a task was to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskClaim {
    /// It is the caller's; how far whoever had it before came, where anybody noted that.
    Taken(Option<String>),
    /// Somebody else has it, at least until then unless they finish before.
    HeldUntil(DateTime<Utc>),
}

/// Who works on what, and what was done once and for all.
pub trait OperationRepository {
    /// Takes a task that is nobody's, whose owner's time has passed, or that is the caller's. Of many at once, one gets it.
    fn take(&mut self, task: Task, owner: Uuid, now: DateTime<Utc>, until: DateTime<Utc>) -> Result<TaskClaim, Error>;

    /// Keeps a task until then and notes how far it is. MUST change nothing and return `false` where it is not the owner's any
    /// more.
    fn keep(&mut self, task: Task, owner: Uuid, until: DateTime<Utc>, position: Option<&str>) -> Result<bool, Error>;

    /// Lets others have a task at once; how far it is stays noted. Changes nothing where it is not the owner's.
    fn give_back(&mut self, task: Task, owner: Uuid, now: DateTime<Utc>) -> Result<(), Error>;

    /// Forgets a task that is done, and how far it was. Changes nothing where it is not the owner's.
    fn finish(&mut self, task: Task, owner: Uuid) -> Result<(), Error>;

    /// Notes that something was done for plans, and returns those for which nobody had noted it. Of many at once, one gets each.
    fn mark_plans(&mut self, plans: &[PlanId], name: &str, now: DateTime<Utc>) -> Result<Vec<PlanId>, Error>;

    /// Notes that something was done for licenses, as [`super::LicenseEventRepository::add`], and returns those for which
    /// nobody had noted it, in the order of their ids. Of many at once, one gets each.
    fn mark_licenses(
        &mut self,
        licenses: &[LicenseId],
        event_name: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<LicenseId>, Error>;
}
