//! How plans are used, for mails to admins and to customer success.

use std::collections::{BTreeSet, HashMap};

use crate::error::Error;
use crate::model::ids::{AgreementId, PlanId};
use crate::model::plan::{LicenseCounts, PlanDetails};
use crate::model::staff_records::{Notification, NotificationKind};
use crate::outbox::{Message, Payload};
use crate::ports::UnitOfWork;

/// The allocated share of a plan, in percent, from which admins are told that few licenses are left.
const FEW_LEFT_PERCENT: i64 = 75;

/// The utilization of a plan.
pub(super) struct PlanUse {
    pub(super) details: PlanDetails,
    pub(super) counts: LicenseCounts,
    /// How many licenses it has auto-applied since it last began to: 0 unless a mail about it is due.
    pub(super) auto_applied: i64,
    /// The mails that admins got about it.
    pub(super) told: Vec<Notification>,
}

impl PlanUse {
    /// Reads the utilization of these plans of the agreements, without what they have auto-applied.
    pub(super) fn read(
        unit: &mut dyn UnitOfWork,
        agreements: &[AgreementId],
        plans: &BTreeSet<PlanId>,
    ) -> Result<HashMap<PlanId, Self>, Error> {
        let ids: Vec<PlanId> = plans.iter().copied().collect();
        let mut counts = unit.licenses().counts(&ids)?;
        let notifications = unit.notifications().find_by_plans(&ids)?;
        let details =
            unit.plans().find_by_agreements(agreements)?.into_iter().filter(|details| plans.contains(&details.plan.id));
        let used = |details: PlanDetails| {
            let plan = details.plan.id;
            let told = notifications.iter().filter(|sent| sent.plan == plan).cloned().collect();
            let counts = counts.remove(&plan).unwrap_or_default();
            (plan, Self { details, counts, auto_applied: 0, told })
        };
        Ok(details.map(used).collect())
    }

    /// The allocated share of the licenses in percent, rounded down.
    pub(super) fn percentage(&self) -> i64 {
        self.counts.allocated() * 100 / self.counts.total().max(1)
    }

    /// The notification that is due for the plan. Notifications that were sent after the message was written do not
    /// count: the message may have caused them.
    pub(super) fn due_notification(&self, message: &Message) -> Option<NotificationKind> {
        let was_told = |kind| self.told.iter().any(|sent| sent.kind == kind && sent.last_sent <= message.created);
        let informational = NotificationKind::PeriodicInformational;
        match message.payload {
            Payload::InitialUtilization(_) => (!was_told(informational)).then_some(informational),
            _ => self.passed(was_told),
        }
    }

    /// The highest threshold that the plan has passed, unless admins were told of it or a higher one.
    fn passed(&self, was_told: impl Fn(NotificationKind) -> bool) -> Option<NotificationKind> {
        if was_told(NotificationKind::NoAllocationsRemaining) || self.counts.total() == 0 {
            return None;
        }
        if self.counts.unassigned == 0 {
            return Some(NotificationKind::NoAllocationsRemaining);
        }
        let few_left = self.percentage() >= FEW_LEFT_PERCENT;
        let kind = NotificationKind::LimitedAllocationsRemaining;
        (few_left && !was_told(kind)).then_some(kind)
    }
}
