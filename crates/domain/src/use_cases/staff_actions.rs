//! Recording what people do to the service itself.

use super::manager::LicenseManager;
use crate::error::Error;
use crate::history::Actor;
use crate::model::staff_action::{StaffAction, StaffActionKind};
use crate::ports::UnitOfWork;
use crate::saturating_time;

/// What is recorded of an action, besides who did it, when and why.
#[derive(Debug, Clone, Default)]
pub(crate) struct Done {
    /// See [`StaffAction::subject`].
    pub(crate) subject: Option<String>,
    /// See [`StaffAction::user`].
    pub(crate) user: Option<String>,
    /// See [`StaffAction::number`].
    pub(crate) number: usize,
}

impl Done {
    /// One thing.
    pub(crate) fn to(subject: impl ToString) -> Self {
        Self { subject: Some(subject.to_string()), user: None, number: 1 }
    }
}

/// How many actions one transaction removes.
const REMOVED_AT_ONCE: i64 = 1_000;

impl LicenseManager {
    /// Removes records of actions that are older than [`crate::Settings::staff_action_retention`], and returns their
    /// number.
    pub fn remove_old_staff_actions(&self) -> Result<usize, Error> {
        let until = saturating_time::before(self.now(), self.settings.staff_action_retention);
        self.remove_in_batches(REMOVED_AT_ONCE, |unit| unit.staff_actions().remove_old(until, REMOVED_AT_ONCE))
    }

    /// Records an action in the transaction that does it.
    pub(crate) fn record(
        &self,
        unit: &mut dyn UnitOfWork,
        actor: &Actor,
        kind: StaffActionKind,
        done: Done,
    ) -> Result<(), Error> {
        let Done { subject, user, number } = done;
        unit.staff_actions().add(&StaffAction {
            id: self.ids.next(),
            at: self.now(),
            by: actor.username.clone(),
            reason: actor.reason.as_deref().map(str::to_owned),
            kind,
            subject,
            user,
            number: i64::try_from(number).unwrap_or(i64::MAX),
        })
    }
}
