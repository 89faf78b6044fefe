//! What storage knows and a delivery has to: read with the claim, since the delivery itself touches no storage.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::enrollment::EnrollmentWork;
use super::files::FileWork;
use crate::delivery::{Parcel, Step};
use crate::error::Error;
use crate::model::ids::{AgreementId, CustomerId, MessageId, PlanId};
use crate::model::plan::{LicenseCounts, PlanDetails};
use crate::model::staff_records::NotificationKind;
use crate::ports::{AgreementFilter, CustomerScope, EnterpriseCustomer, LimitOffset, UnitOfWork};

/// How a plan is used.
pub(super) struct PlanUse {
    pub(super) details: PlanDetails,
    pub(super) counts: LicenseCounts,
    /// Which mails about that went out.
    pub(super) told: BTreeSet<NotificationKind>,
}

/// What the deliveries of a batch have to know.
#[derive(Default)]
pub(super) struct Facts {
    /// The customers, as far as their agreements know them.
    pub(super) customers: HashMap<CustomerId, EnterpriseCustomer>,
    pub(super) uses: HashMap<PlanId, PlanUse>,
    pub(super) enrollments: HashMap<MessageId, EnrollmentWork>,
    pub(super) files: HashMap<MessageId, FileWork>,
}

impl Facts {
    pub(super) fn read(unit: &mut dyn UnitOfWork, parcels: &[Parcel], now: DateTime<Utc>) -> Result<Self, Error> {
        let mut facts = Self::default();
        // At most one: a claim takes one message of the lane.
        for parcel in parcels.iter().filter(|parcel| parcel.step() == Step::File) {
            if let Some(work) = FileWork::read(unit, &parcel.message)? {
                facts.files.insert(parcel.message.id, work);
            }
        }
        let named =
            parcels.iter().filter(|parcel| matches!(parcel.step(), Step::Mail | Step::Thresholds | Step::Enroll));
        let customers: BTreeSet<CustomerId> = named.map(|parcel| parcel.message.customer).collect();
        if customers.is_empty() {
            return Ok(facts);
        }
        let customers: Vec<CustomerId> = customers.into_iter().collect();
        let all = LimitOffset { offset: 0, limit: customers.len() as i64 };
        let filter = AgreementFilter { scope: CustomerScope::Only(customers), customer: None, agreement: None };
        let agreements = unit.agreements().list(&filter, all)?;
        for agreement in &agreements {
            let slug = agreement.customer_slug.clone().unwrap_or_default();
            let name = agreement.customer_name.clone().unwrap_or_default();
            facts.customers.insert(agreement.customer, EnterpriseCustomer::new(agreement.customer, slug, name));
        }
        let looked_at: BTreeSet<PlanId> = parcels
            .iter()
            .filter(|parcel| parcel.step() == Step::Thresholds)
            .filter_map(|parcel| parcel.message.plan)
            .collect();
        if !looked_at.is_empty() {
            let agreements: Vec<AgreementId> = agreements.iter().map(|agreement| agreement.id).collect();
            facts.uses = plan_uses(unit, &agreements, &looked_at)?;
        }
        // Of these, too.
        for parcel in parcels.iter().filter(|parcel| parcel.step() == Step::Enroll) {
            if let Some(work) = EnrollmentWork::read(unit, &parcel.message, now)? {
                facts.enrollments.insert(parcel.message.id, work);
            }
        }
        Ok(facts)
    }

    /// The customer, as far as its agreement knows it.
    pub(super) fn customer(&self, id: CustomerId) -> EnterpriseCustomer {
        self.customers.get(&id).cloned().unwrap_or_else(|| EnterpriseCustomer::new(id, "", ""))
    }
}

fn plan_uses(
    unit: &mut dyn UnitOfWork,
    agreements: &[AgreementId],
    plans: &BTreeSet<PlanId>,
) -> Result<HashMap<PlanId, PlanUse>, Error> {
    let ids: Vec<PlanId> = plans.iter().copied().collect();
    let mut counts = unit.licenses().counts(&ids)?;
    let notifications = unit.notifications().of_plans(&ids)?;
    let details =
        unit.plans().of_agreements(agreements)?.into_iter().filter(|details| plans.contains(&details.plan.id));
    let used = |details: PlanDetails| {
        let plan = details.plan.id;
        let told = notifications.iter().filter(|sent| sent.plan == plan).map(|sent| sent.kind).collect();
        (plan, PlanUse { details, counts: counts.remove(&plan).unwrap_or_default(), told })
    };
    Ok(details.map(used).collect())
}
