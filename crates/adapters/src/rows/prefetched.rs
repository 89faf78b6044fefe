//! Rows that a statement has read in addition to the requested ones.

use license_manager_domain::model::RenewalLink;
use license_manager_domain::ports::{LicenseFilter, LicenseSearch};
use license_manager_domain::{AgreementId, CustomerAgreement, LicenseCounts};

use super::license_filters::Plans;

/// What the last statement of a unit of work has read in addition to what was asked for, until the next statement. Use
/// cases that read a plan mostly read its agreement next, and those that read the plans of agreements read their
/// renewals. Those that count the licenses of a list read a page of it next, which needs the same plans and the
/// numbers by state.
#[derive(Default)]
pub(crate) struct Prefetched {
    agreement: Option<CustomerAgreement>,
    renewals: Option<(Vec<AgreementId>, Vec<RenewalLink>)>,
    plans: Option<(LicenseSearch, Plans)>,
    counts: Option<(Plans, LicenseFilter, LicenseCounts)>,
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

    /// Keeps the plans of a search.
    pub(crate) fn keep_plans(&mut self, search: &LicenseSearch, plans: Plans) {
        self.plans = Some((search.clone(), plans));
    }

    /// The plans of this search, if it was the last one to be counted.
    pub(crate) fn take_plans(&mut self, search: &LicenseSearch) -> Option<Plans> {
        let kept = self.plans.take_if(|(of, _)| of == search);
        kept.map(|(_, plans)| plans)
    }

    /// Keeps the numbers of licenses of these plans that match.
    pub(crate) fn keep_counts(&mut self, plans: &Plans, filter: &LicenseFilter, counts: LicenseCounts) {
        self.counts = Some((plans.clone(), filter.clone(), counts));
    }

    /// The numbers of licenses of these plans that match, if the last statement has counted them.
    pub(crate) fn take_counts(&mut self, plans: &Plans, filter: &LicenseFilter) -> Option<LicenseCounts> {
        let kept = self.counts.take_if(|(of, matching, _)| of == plans && matching == filter);
        kept.map(|(.., counts)| counts)
    }
}
