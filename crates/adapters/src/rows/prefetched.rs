//! Rows that a statement has read in addition to the requested ones.

use license_manager_domain::model::RenewalLink;
use license_manager_domain::{AgreementId, CustomerAgreement};

/// What the last statement of a unit of work has read in addition to what was asked for, until the next statement. Use
/// cases that read a plan mostly read its agreement next, and those that read the plans of agreements read their
/// renewals.
#[derive(Default)]
pub(crate) struct Prefetched {
    agreement: Option<CustomerAgreement>,
    renewals: Option<(Vec<AgreementId>, Vec<RenewalLink>)>,
}

impl Prefetched {
    /// Keeps the agreement of a plan.
    pub(crate) fn keep_agreement(&mut self, agreement: Option<CustomerAgreement>) {
        self.agreement = agreement;
    }

    /// This agreement, if the last statement has read it with a plan.
    pub(crate) fn take_agreement(&mut self, id: AgreementId) -> Option<CustomerAgreement> {
        self.agreement.take_if(|agreement| agreement.id == id)
    }

    /// Keeps the renewals of all plans of these agreements.
    pub(crate) fn keep_renewals(&mut self, agreements: &[AgreementId], renewals: Vec<RenewalLink>) {
        self.renewals = Some((agreements.to_vec(), renewals));
    }

    /// The renewals of these agreements, if the last statement has read them with the plans.
    pub(crate) fn take_renewals(&mut self, agreements: &[AgreementId]) -> Option<Vec<RenewalLink>> {
        let kept = self.renewals.take_if(|(of, _)| of.as_slice() == agreements);
        kept.map(|(_, renewals)| renewals)
    }
}
