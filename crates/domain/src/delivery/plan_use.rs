//! How plans are used, for mails to admins and to customer success.

use std::collections::{BTreeSet, HashMap};

use crate::error::Error;
use crate::model::ids::{AgreementId, PlanId};
use crate::model::plan::{LicenseCounts, PlanDetails};
use crate::model::staff_records::Notification;
use crate::ports::UnitOfWork;

/// The utilization of a plan.
pub(super) struct PlanUse {
    pub(super) details: PlanDetails,
    pub(super) counts: LicenseCounts,
    /// How many licenses it has auto-applied since it last began to.
    pub(super) auto_applied: i64,
    /// The mails that admins got about it.
    pub(super) told: Vec<Notification>,
}

impl PlanUse {
    /// Reads the utilization of these plans of the agreements.
    pub(super) fn read(
        unit: &mut dyn UnitOfWork,
        agreements: &[AgreementId],
        plans: &BTreeSet<PlanId>,
    ) -> Result<HashMap<PlanId, Self>, Error> {
        let ids: Vec<PlanId> = plans.iter().copied().collect();
        let mut counts = unit.licenses().counts(&ids)?;
        let auto_applied = unit.due_work().auto_applied_since_turned_on(&ids)?;
        let notifications = unit.notifications().find_by_plans(&ids)?;
        let details =
            unit.plans().find_by_agreements(agreements)?.into_iter().filter(|details| plans.contains(&details.plan.id));
        let used = |details: PlanDetails| {
            let plan = details.plan.id;
            let told = notifications.iter().filter(|sent| sent.plan == plan).cloned().collect();
            let counts = counts.remove(&plan).unwrap_or_default();
            (plan, Self { details, counts, auto_applied: auto_applied.get(&plan).copied().unwrap_or_default(), told })
        };
        Ok(details.map(used).collect())
    }
}
