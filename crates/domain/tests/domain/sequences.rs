//! What is done to a customer's plans in whatever order, and the rules that hold after every step.

use std::collections::{BTreeMap, BTreeSet};

use crate::operations::world::Watch;
use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::{RenewalTerms, TransferOrder, TransferredLicenses};
use license_manager_domain::ports::StoreExt;
use license_manager_domain::use_cases::{LicenseEdit, RenewalOutcome, RenewedBy};
use license_manager_domain::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const PEOPLE: [&str; 4] = ["amy@example.com", "bob@example.com", "eve@example.com", "zoe@example.com"];

/// Something that is tried. Numbers choose among the plans and the people.
#[derive(Debug, Clone)]
enum Step {
    Assign(usize, usize),
    Activate(usize, usize),
    Revoke(usize, usize),
    /// For so many licenses more than are to be carried over, which are all live ones or the activated ones.
    Renew(usize, i32, bool),
    /// The licenses of a person, or all.
    Transfer(usize, usize, Option<usize>),
    /// To so many hours ago.
    Revert(usize, i64),
    Retire(usize),
    /// A license is set back by staff.
    Reset(usize, usize),
    /// A license is given to another person by staff.
    Rename(usize, usize, usize),
    /// A license is added by staff.
    Add(usize),
    DeleteRevoked(usize),
    /// The start of a plan, by so many days.
    Move(usize, i64),
    /// The licenses that were never activated and are old enough.
    Purge,
    /// Until a plan that follows has started.
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    let (plan, person) = (0..6_usize, 0..PEOPLE.len());
    let held = (plan.clone(), person.clone());
    prop_oneof![
        5 => held.clone().prop_map(|(plan, person)| Step::Assign(plan, person)),
        4 => held.clone().prop_map(|(plan, person)| Step::Activate(plan, person)),
        4 => held.clone().prop_map(|(plan, person)| Step::Revoke(plan, person)),
        2 => held.clone().prop_map(|(plan, person)| Step::Reset(plan, person)),
        2 => (held, person.clone()).prop_map(|((plan, person), other)| Step::Rename(plan, person, other)),
        1 => plan.clone().prop_map(Step::Add),
        1 => plan.clone().prop_map(Step::DeleteRevoked),
        1 => (plan.clone(), -200..200_i64).prop_map(|(plan, days)| Step::Move(plan, days)),
        1 => Just(Step::Purge),
        2 => (plan.clone(), 0..3_i32, any::<bool>()).prop_map(|(plan, spare, all)| Step::Renew(plan, spare, all)),
        2 => (plan.clone(), plan.clone(), prop::option::weighted(0.7, person.clone()))
            .prop_map(|(from, to, whose)| Step::Transfer(from, to, whose)),
        4 => (plan, 1..12_i64).prop_map(|(plan, hours)| Step::Revert(plan, hours)),
        1 => person.prop_map(Step::Retire),
        1 => Just(Step::Wait),
    ]
}

/// The plans with what must be true of them.
struct Plans {
    world: World,
    ids: Vec<PlanId>,
    /// The seats of each plan that were bought for it or moved to it.
    bought: BTreeMap<PlanId, i64>,
    /// The revocations that were counted against each plan's cap.
    revoked: BTreeMap<PlanId, i64>,
}

impl Plans {
    fn new() -> Self {
        let world = World::new();
        let ids = vec![world.plan(3), world.capped_plan(4, 50)];
        let bought = ids.iter().copied().zip([3, 4]).collect();
        Self { world, ids, bought, revoked: BTreeMap::new() }
    }

    fn id(&self, number: usize) -> PlanId {
        self.ids[number % self.ids.len()]
    }

    /// The person's live license of a plan.
    fn held(&self, plan: PlanId, name: &str) -> Option<License> {
        let licenses = self.world.licenses(plan);
        licenses.into_iter().find(|license| license.is_live() && license.holder_email() == Some(&email(name)))
    }

    /// Takes a step. A refusal is a result like any other.
    fn take(&mut self, step: &Step) -> Result<(), Error> {
        let manager = self.world.manager.clone();
        self.world.clock.advance(Duration::hours(1));
        match *step {
            Step::Assign(plan, person) => {
                self.world.assign(self.id(plan), &learners([PEOPLE[person]]))?;
            }
            Step::Activate(plan, number) => {
                let name = PEOPLE[number];
                if let Some(key) = self.held(self.id(plan), name).and_then(|license| license.activation_key()) {
                    manager.activate(&Actor::user(name), key, &person(name, number as i64 + 1))?;
                }
            }
            Step::Revoke(plan, person) => self.revoke(self.id(plan), PEOPLE[person])?,
            Step::Renew(plan, spare, all) => self.renew(self.id(plan), spare, all)?,
            Step::Transfer(from, to, whose) => self.transfer(self.id(from), self.id(to), whose)?,
            Step::Revert(plan, hours) => {
                let as_of = manager.now() - Duration::hours(hours);
                let request = |dry_run| RevertRequest { dry_run, ..RevertRequest::new(self.id(plan), as_of) };
                let preview = manager.revert(&admin(), &request(true));
                assert_eq!(manager.revert(&admin(), &request(false)), preview, "a dry run tells what will be done");
                preview?;
            }
            Step::Retire(person) => {
                let name = PEOPLE[person];
                let now = manager.now();
                self.world.store.write(|unit| unit.users().remember(name, Some(name), false, now))?;
                manager.retire(&admin(), LmsUserId(person as i64 + 1), name)?;
            }
            Step::Reset(plan, person) => {
                let reset = LicenseEdit { status: Some(LicenseStatus::Unassigned), ..LicenseEdit::default() };
                self.edit(self.id(plan), PEOPLE[person], reset)?;
            }
            Step::Rename(plan, person, other) => {
                let user_email = Some(email(PEOPLE[other]));
                let renamed = LicenseEdit { user_email, lms_user_id: Edit::Clear, ..LicenseEdit::default() };
                self.edit(self.id(plan), PEOPLE[person], renamed)?;
            }
            Step::Add(plan) => {
                manager.add_license(&admin(), self.id(plan), LicenseEdit::default())?;
                *self.bought.entry(self.id(plan)).or_default() += 1;
            }
            Step::DeleteRevoked(plan) => drop(manager.delete_revoked(&admin(), self.id(plan))?),
            Step::Move(plan, days) => {
                let plan = self.id(plan);
                let start_date = Some(self.world.details(plan).start_date + Duration::days(days));
                self.world.change(plan, PlanChanges { start_date, ..PlanChanges::default() })?;
                // An edit fills the plan up to what is desired.
                self.bought.insert(plan, self.world.counts(plan).total());
            }
            Step::Purge => drop(manager.retire_old_licenses(false, &Watch::patient(&self.world))),
            Step::Wait => self.world.clock.advance(Duration::days(101)),
        }
        Ok(())
    }

    fn revoke(&mut self, plan: PlanId, name: &str) -> Result<(), Error> {
        let total = self.world.counts(plan).total();
        let held = self.held(plan, name);
        self.world.revoke(plan, &[name])?;
        let details = self.world.details(plan);
        let counts = held.is_some_and(|license| license.status() == LicenseStatus::Activated);
        if details.is_revocation_cap_enabled && counts {
            let revoked = self.revoked.entry(plan).or_default();
            *revoked += 1;
            assert!(*revoked <= (total + 1) / 2, "{revoked} of {total} were revoked, at most half may be");
        }
        Ok(())
    }

    fn edit(&self, plan: PlanId, name: &str, edit: LicenseEdit) -> Result<(), Error> {
        let Some(license) = self.held(plan, name) else { return Ok(()) };
        self.world.manager.edit_license(&admin(), license.id, edit).map(drop)
    }

    fn renew(&mut self, prior: PlanId, spare: i32, all: bool) -> Result<(), Error> {
        let number = (self.world.counts(prior).allocated() as i32 + spare).max(1);
        let license_types_to_copy =
            if all { LicenseTypesToCopy::AssignedAndActivated } else { LicenseTypesToCopy::Activated };
        // It is processed long before its plan starts, and so is the next one of a chain.
        let effective_date = self.world.details(prior).start_date.max(self.world.manager.now()) + Duration::days(100);
        let terms = RenewalTerms {
            license_types_to_copy,
            effective_date,
            renewed_expiration_date: effective_date + Duration::days(465),
            ..self.world.terms(prior, number)
        };
        let (RenewalOutcome::Written(found) | RenewalOutcome::Existing(found)) =
            self.world.manager.create_renewal(&admin(), &terms)?
        else {
            return Ok(());
        };
        let done = self.world.manager.process_renewal(&admin(), found.renewal.id, RenewedBy::Manual)?;
        if let (true, Some(plan)) = (done.newly, done.details.renewal.terms.renewed_plan) {
            self.ids.push(plan);
            self.bought.insert(plan, i64::from(done.details.renewal.terms.number_of_licenses));
        }
        Ok(())
    }

    fn transfer(&mut self, from: PlanId, to: PlanId, whose: Option<usize>) -> Result<(), Error> {
        let licenses = match whose.map(|person| self.held(from, PEOPLE[person])) {
            Some(held) => TransferredLicenses::Named(held.into_iter().map(|license| license.id).collect()),
            None => TransferredLicenses::All,
        };
        let agreement = self.world.agreement;
        let order = TransferOrder { agreement, old_plan: from, new_plan: to, notes: None, is_dry_run: false, licenses };
        let job = self.world.manager.create_transfer_job(&admin(), &order)?.id;
        let before = self.world.counts(from).total();
        self.world.manager.process_transfer_job(&admin(), job, None)?;
        let moved = before - self.world.counts(from).total();
        *self.bought.entry(from).or_default() -= moved;
        *self.bought.entry(to).or_default() += moved;
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for plan in &self.ids {
            let (mut addresses, mut users) = (BTreeSet::new(), BTreeSet::new());
            for license in self.world.licenses(*plan).iter().filter(|license| license.is_live()) {
                prop_assert!(addresses.insert(license.holder_email().cloned()), "one live seat per address and plan");
                prop_assert!(license.lms_user_id().is_none_or(|user| users.insert(user)), "and per LMS user");
            }
            prop_assert_eq!(self.world.counts(*plan).total(), self.bought[plan], "the total stays what was bought");
            let revoked = self.revoked.get(plan).copied().unwrap_or_default();
            prop_assert_eq!(i64::from(self.world.details(*plan).num_revocations_applied), revoked);
            self.check_following(*plan)?;
        }
        Ok(())
    }

    /// Checks the plan with the one that follows it.
    fn check_following(&self, prior: PlanId) -> Result<(), TestCaseError> {
        let details = self.world.store.read(|unit| unit.plans().find(prior)).unwrap().unwrap();
        let Some(following) = details.followed_at(self.world.manager.now()) else { return Ok(()) };
        let (originals, copies) = (self.world.licenses(prior), self.world.licenses(following.id));
        let waits = |original: &&License| {
            original.renewed_to.is_none()
                && following.takes(original.status())
                && !copies.iter().any(|other| {
                    let refused = other.columns().revoked_date.filter(|_| other.renewed_from.is_none());
                    other.holder_email() == original.holder_email()
                        && (other.is_live() || refused.is_some_and(|date| Some(date) >= original.assigned_date()))
                })
        };
        if copies.iter().any(|copy| copy.status() == LicenseStatus::Unassigned) {
            prop_assert_eq!(originals.iter().find(waits), None, "nobody waits for an unassigned license");
        }
        Ok(())
    }
}

proptest! {
    // The same sequences each time.
    #![proptest_config(ProptestConfig {
        cases: 100,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn people_have_one_seat_and_plans_what_was_bought_within_their_cap(steps in prop::collection::vec(step(), 1..40)) {
        let mut plans = Plans::new();
        for (number, step) in steps.iter().enumerate() {
            // What is refused has changed nothing, or what the check allows.
            let _ = plans.take(step);
            plans.check().map_err(|error| TestCaseError::fail(format!("after step {number}, {step:?}: {error}")))?;
        }
    }
}
