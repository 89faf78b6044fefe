//! Use cases over stores that have a few answers each: for numbers that no test fills a store with, and for what a store
//! is asked in which order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use license_manager_domain::history::Change;
use license_manager_domain::model::{
    JobKind, PlanDetails, RenewalDetails, RenewalTerms, SubscriptionPlanRenewal, TransferOrder, TransferredLicenses,
};
use license_manager_domain::ports::*;
use license_manager_domain::queue::{ClaimedJob, Lease, Queue, Settlement};
use license_manager_domain::use_cases::{LicenseEdit, RenewedBy};
use license_manager_domain::*;
use uuid::Uuid;

use crate::support::{admin, beginning, customer, email};

/// Has one unit of work, which keeps what it was asked.
struct OneUnit<U>(Mutex<U>);

impl<U: UnitOfWork + Send> OneUnit<U> {
    fn unit(&self) -> MutexGuard<'_, U> {
        self.0.lock().unwrap()
    }
}

impl<U: UnitOfWork + Send> Store for OneUnit<U> {
    fn run_write(&self, work: &mut Work<'_>) -> Result<(), Error> {
        work(&mut *self.unit())
    }

    fn run_read(&self, work: &mut Work<'_>) -> Result<(), Error> {
        work(&mut *self.unit())
    }

    fn ping(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// A license manager over this unit of work, and the store that keeps it.
fn over<U: UnitOfWork + Send + 'static>(unit: U) -> (Arc<OneUnit<U>>, LicenseManager) {
    let store = Arc::new(OneUnit(Mutex::new(unit)));
    let clock = Arc::new(FixedClock::new(beginning()));
    let manager = LicenseManager::new(store.clone(), clock, Arc::new(RandomIds), Settings::default());
    (store, manager)
}

fn plan(id: PlanId) -> PlanDetails {
    let agreement = AgreementId(Uuid::from_u128(1));
    let runs = beginning()..beginning() + Duration::days(365);
    let plan = SubscriptionPlan::new(id, agreement, CatalogId(Uuid::from_u128(2)), "Engineering", runs, beginning());
    PlanDetails { plan, customer: customer(), plan_type: "Test".to_owned(), following: None, prior: None }
}

/// Finds so many licenses, whatever is searched for.
struct Finding {
    number: i64,
    was_listed: bool,
}

impl UnitOfWork for Finding {
    fn lookups(&mut self) -> &mut dyn LookupRepository {
        self
    }

    fn licenses(&mut self) -> &mut dyn LicenseRepository {
        self
    }
}

impl LookupRepository for Finding {
    fn first_ids(&mut self, _: &LicenseSearch, _: &[LicenseOrder], limit: i64) -> Result<Vec<LicenseId>, Error> {
        let found = 0..self.number.min(limit);
        Ok(found.map(|number| LicenseId(Uuid::from_u128(number as u128))).collect())
    }

    fn count(&mut self, _: &LicenseSearch) -> Result<i64, Error> {
        Ok(self.number)
    }

    fn list(&mut self, _: &LicenseSearch, _: &[LicenseOrder], _: LimitOffset) -> Result<Vec<License>, Error> {
        self.was_listed = true;
        Ok(Vec::new())
    }
}

impl LicenseRepository for Finding {
    fn find_by_ids(&mut self, ids: &[LicenseId]) -> Result<Vec<License>, Error> {
        let license = |id: &LicenseId| License::unassigned(*id, PlanId(Uuid::nil()), beginning());
        Ok(ids.iter().rev().map(license).collect())
    }
}

#[test]
fn a_search_for_words_reads_ids_at_once_up_to_twenty_thousand() {
    let filter = LicenseFilter { email_words: vec!["learner".to_owned()], ..LicenseFilter::default() };
    let search = LicenseSearch { scope: CustomerScope::All, customer: None, plan: None, filter };
    for (number, at_once) in [(20_000, true), (20_001, false)] {
        let (store, manager) = over(Finding { number, was_listed: false });
        let page =
            manager.search_licenses(&search, &[], |_| Ok::<_, Error>(LimitOffset { offset: 5, limit: 2 })).unwrap();
        assert_eq!((page.total, store.unit().was_listed), (number, !at_once));
        let ids: Vec<u128> = page.items.iter().map(|license| license.id.0.as_u128()).collect();
        let expected: &[u128] = if at_once { &[5, 6] } else { &[] };
        assert_eq!(ids, expected, "in the order of the ids that were found");
    }
}

/// Has so many rows left to add up or to remove.
struct Left {
    rows: usize,
    times: usize,
}

impl Left {
    fn take(&mut self, limit: i64) -> usize {
        self.times += 1;
        assert!(self.times < 10, "it does not end");
        let taken = self.rows.min(usize::try_from(limit).unwrap());
        self.rows -= taken;
        taken
    }
}

impl UnitOfWork for Left {
    fn utilization(&mut self) -> &mut dyn UtilizationRepository {
        self
    }

    fn staff_actions(&mut self) -> &mut dyn StaffActionRepository {
        self
    }
}

impl UtilizationRepository for Left {
    fn fold(&mut self, _: Option<NaiveDate>, limit: i64) -> Result<usize, Error> {
        Ok(self.take(limit))
    }
}

impl StaffActionRepository for Left {
    fn remove_old(&mut self, _: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        Ok(self.take(limit))
    }
}

#[test]
fn what_is_done_in_batches_is_done_to_the_end_and_counted() {
    type UseCase = fn(&LicenseManager) -> Result<usize, Error>;
    for use_case in [
        LicenseManager::fold_seat_counts as UseCase,
        LicenseManager::fold_recent_seat_counts,
        LicenseManager::remove_old_staff_actions,
    ] {
        for rows in [0, 1, 500, 1_000, 2_300] {
            let (store, manager) = over(Left { rows, times: 0 });
            assert_eq!(use_case(&manager), Ok(rows));
            assert_eq!(store.unit().rows, 0, "of {rows}");
        }
    }
}

/// A plan with so many licenses.
struct Filled {
    plan: PlanDetails,
    total: i64,
}

impl UnitOfWork for Filled {
    fn plans(&mut self) -> &mut dyn PlanRepository {
        self
    }

    fn licenses(&mut self) -> &mut dyn LicenseRepository {
        self
    }
}

impl PlanRepository for Filled {
    fn lock(&mut self, _: PlanId) -> Result<Option<PlanDetails>, Error> {
        Ok(Some(self.plan.clone()))
    }
}

impl LicenseRepository for Filled {
    fn counts(&mut self, plans: &[PlanId]) -> Result<HashMap<PlanId, LicenseCounts>, Error> {
        let counts = LicenseCounts { unassigned: self.total, revoked: 7, ..LicenseCounts::default() };
        Ok(plans.iter().map(|&plan| (plan, counts)).collect())
    }

    fn add_unassigned(&mut self, _: PlanId, ids: &[LicenseId], _: &Change) -> Result<(), Error> {
        self.total += ids.len() as i64;
        Ok(())
    }
}

#[test]
fn staff_add_no_license_to_a_plan_with_a_million_unless_it_is_for_internal_use() {
    let most = i64::from(SubscriptionPlan::MAX_LICENSES);
    for (total, for_internal_use_only, is_added) in
        [(most - 1, false, true), (most, false, false), (most + 1, false, false), (most, true, true)]
    {
        let mut plan = plan(PlanId(Uuid::from_u128(3)));
        plan.plan.for_internal_use_only = for_internal_use_only;
        let (store, manager) = over(Filled { plan: plan.clone(), total });
        let outcome = manager.add_license(&admin(), plan.plan.id, LicenseEdit::default());
        // This store cannot read the license that it added.
        let expected = if is_added { Error::NotProvided("licenses.find_by_ids") } else { Refusal::PlanIsFull.into() };
        assert_eq!(outcome, Err(expected), "{total}");
        assert_eq!(store.unit().total, total + i64::from(is_added));
    }
}

/// Keeps in which order plans are locked.
struct Locking {
    renewal: Option<RenewalDetails>,
    transfer: Option<LicenseTransferJob>,
    locked: Vec<PlanId>,
}

impl UnitOfWork for Locking {
    fn plans(&mut self) -> &mut dyn PlanRepository {
        self
    }

    fn renewals(&mut self) -> &mut dyn RenewalRepository {
        self
    }

    fn transfers(&mut self) -> &mut dyn TransferRepository {
        self
    }
}

impl PlanRepository for Locking {
    fn lock(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
        self.locked.push(id);
        Ok(Some(plan(id)))
    }
}

impl RenewalRepository for Locking {
    fn lock(&mut self, _: RenewalId) -> Result<Option<RenewalDetails>, Error> {
        Ok(self.renewal.clone())
    }
}

impl TransferRepository for Locking {
    fn lock(&mut self, _: TransferJobId) -> Result<Option<LicenseTransferJob>, Error> {
        Ok(self.transfer.clone())
    }
}

#[test]
fn two_plans_are_locked_in_the_order_of_their_ids() {
    let [low, high] = [3, 4].map(|number| PlanId(Uuid::from_u128(number)));
    for (from, to) in [(low, high), (high, low)] {
        let runs = beginning() + Duration::days(365)..beginning() + Duration::days(730);
        let terms = RenewalTerms { renewed_plan: Some(to), ..RenewalTerms::new(from, 5, runs) };
        let (id, created, modified) = (RenewalId(1), beginning(), beginning());
        let renewal =
            SubscriptionPlanRenewal { id, terms, processed: false, processed_datetime: None, created, modified };
        let renewal = RenewalDetails {
            renewal,
            prior_plan_title: "Engineering".to_owned(),
            renewed_plan_title: Some("Engineering".to_owned()),
            customer: customer(),
            num_not_carried_over: 0,
        };
        let (store, manager) = over(Locking { renewal: Some(renewal), transfer: None, locked: Vec::new() });
        let outcome = manager.process_renewal(&admin(), id, RenewedBy::Manual);
        assert_eq!(outcome, Err(Error::NotProvided("licenses.lock_against_claims")), "once it has locked the plans");
        assert_eq!(store.unit().locked, [low, high]);

        let order = TransferOrder::new(AgreementId(Uuid::from_u128(1)), from, to, TransferredLicenses::All);
        let id = TransferJobId(1);
        let job = LicenseTransferJob { id, order, runs: Vec::new(), completed_at: None, created, modified };
        let (store, manager) = over(Locking { renewal: None, transfer: Some(job), locked: Vec::new() });
        let outcome = manager.process_transfer_job(&admin(), id, None);
        assert_eq!(outcome, Err(Error::NotProvided("transfers.lock_licenses")), "once it has locked the plans");
        assert_eq!(store.unit().locked, [low, high]);
    }
}

/// Has a license, and the one that renewed it from a certain look at its person on.
struct Renewing {
    original: License,
    copy: License,
    seen_from: usize,
    looks: usize,
}

impl UnitOfWork for Renewing {
    fn licenses(&mut self) -> &mut dyn LicenseRepository {
        self
    }

    fn plans(&mut self) -> &mut dyn PlanRepository {
        self
    }
}

impl LicenseRepository for Renewing {
    fn lock_all_by_person(&mut self, _: &Person) -> Result<Vec<License>, Error> {
        self.looks += 1;
        let copy = (self.looks >= self.seen_from).then(|| self.copy.clone());
        Ok(std::iter::once(self.original.clone()).chain(copy).collect())
    }
}

impl PlanRepository for Renewing {
    /// Only the plan of the copy is active.
    fn find_by_agreement_of(&mut self, _: PlanId) -> Result<Vec<PlanDetails>, Error> {
        let mut plans = [&self.original, &self.copy].map(|license| plan(license.plan));
        plans[1].plan.is_active = true;
        Ok(plans.into())
    }
}

#[test]
fn an_activation_looks_again_where_its_license_was_added_while_it_waited() {
    let (amy, eve, key) = (email("amy@example.com"), email("eve@example.com"), ActivationKey(Uuid::from_u128(9)));
    let free = |number, plan| License::unassigned(LicenseId(Uuid::from_u128(number)), plan, beginning());
    let [old, new] = [3, 4].map(|number| PlanId(Uuid::from_u128(number)));
    let license = free(5, old).assign(amy.clone(), key, beginning()).unwrap();
    let (original, copy) = license.renew(free(6, new), beginning(), beginning()).unwrap();
    // This store has no agreements, which are read once a license of an active plan was found.
    let (found, missing) = (Error::NotProvided("agreements.find"), Error::NotFound(Entity::License));
    for (who, seen_from, looks, expected) in
        [(&amy, 1, 1, &found), (&amy, 2, 2, &found), (&amy, 3, 2, &missing), (&eve, 3, 1, &missing)]
    {
        let (store, manager) = over(Renewing { original: original.clone(), copy: copy.clone(), seen_from, looks: 0 });
        let person = Person { email: Some(who.clone()), lms_user_id: None };
        let outcome = manager.activate(&admin(), key, &person).err();
        assert_eq!((outcome.as_ref(), store.unit().looks), (Some(expected), looks));
    }
}

/// Keeps how work is settled.
struct Settling(Vec<Settlement>);

impl UnitOfWork for Settling {
    fn queue(&mut self) -> &mut dyn QueueRepository {
        self
    }
}

impl QueueRepository for Settling {
    fn settle(&mut self, _: Lease, settlements: &[Settlement]) -> Result<(), Error> {
        self.0.extend_from_slice(settlements);
        Ok(())
    }
}

#[test]
fn a_job_that_failed_keeps_why_for_its_operator() {
    let (store, manager) = over(Settling(Vec::new()));
    let lease = Lease { id: Uuid::from_u128(1), queue: Queue::PlanJobs(JobKind::Provision) };
    let claimed = ClaimedJob { lease, plan: PlanId(Uuid::from_u128(3)), attempts: 4, due: beginning() };
    manager.postpone_job(&claimed, &Error::Unavailable).unwrap();
    let unit = store.unit();
    let settled = &unit.0;
    assert_eq!((settled.len(), settled[0].id, settled[0].attempts), (1, claimed.plan.0, 5));
    assert_eq!(settled[0].error.as_deref(), Some("The database is not available."));
    assert_eq!(settled[0].completed_at, None);
}
