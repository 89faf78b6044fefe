//! The use cases of a plan that follows another, over each store.

use std::sync::Arc;

use chrono::Duration;
use license_manager_domain::model::{RenewalTerms, TransferOrder, TransferredLicenses};
use license_manager_domain::ports::{FixedClock, LicenseFilter, Person, SequentialIds, Store, StoreExt};
use license_manager_domain::use_cases::{LicenseEdit, RenewalOutcome, RenewedBy};
use license_manager_domain::{
    Actor, Assignees, AssignmentMail, ChangeReason, Email, License, LicenseId, LicenseManager, LicenseSelection,
    LicenseStatus, LmsUserId, PlanChanges, PlanId, RevertRequest, Settings,
};

use super::Database;
use super::fixtures::*;
use super::transfers::order;

/// Plan 1 and the plan that follows it.
struct Plans {
    store: Arc<dyn Store>,
    manager: LicenseManager,
    clock: Arc<FixedClock>,
    following: PlanId,
}

fn admin() -> Actor {
    Actor::user("admin")
}

impl Plans {
    /// Plan 1 has six licenses, of amy and bob. The other one has theirs.
    fn new(store: Arc<dyn Store>) -> Self {
        with_plans(&*store);
        put_unassigned(&*store, 1, 1..7);
        let clock = Arc::new(FixedClock::new(day(2)));
        let ids = Arc::new(SequentialIds::default());
        let manager = LicenseManager::new(store.clone(), clock.clone(), ids, Settings::default());
        let plans = Self { store, manager, clock, following: plan_id(1) };
        plans.assign(&["amy", "bob"]);
        let terms = RenewalTerms { number_of_licenses: 2, ..terms(1) };
        let RenewalOutcome::Written(renewal) = plans.manager.create_renewal(&admin(), &terms).unwrap() else {
            panic!("it is the only renewal")
        };
        let processed = plans.manager.process_renewal(&admin(), renewal.renewal.id, RenewedBy::Manual).unwrap();
        Self { following: processed.details.renewal.terms.renewed_plan.unwrap(), ..plans }
    }

    fn next_day(&self) {
        self.clock.advance(Duration::days(1));
    }

    /// Assigns licenses of plan 1.
    fn assign(&self, names: &[&str]) -> usize {
        let learners: Assignees = names.iter().map(|name| address(name)).collect();
        let assigned = self.manager.assign(&admin(), plan_id(1), &learners, &AssignmentMail::default()).unwrap();
        assigned.not_carried_over
    }

    fn revoke(&self, plan: PlanId, name: &str) {
        self.manager.revoke(&admin(), plan, &LicenseSelection::Emails(vec![address(name)])).unwrap();
    }

    fn reset(&self, plan: PlanId, name: &str) {
        let edit = LicenseEdit { status: Some(LicenseStatus::Unassigned), ..LicenseEdit::default() };
        self.manager.edit_license(&admin(), self.license_of(plan, name).id, edit).unwrap();
    }

    fn licenses(&self, plan: PlanId) -> Vec<License> {
        self.store.read(|unit| unit.licenses().list(plan, &LicenseFilter::default(), &[], ALL)).unwrap()
    }

    fn license_of(&self, plan: PlanId, name: &str) -> License {
        let holds = |license: &License| license.is_live() && license.holder_email() == Some(&address(name));
        self.licenses(plan).into_iter().find(holds).unwrap()
    }

    /// Who has a license of the following plan, and how many wait.
    #[track_caller]
    fn assert_held_by(&self, names: &[&str], waiting: i64) {
        let live = self.licenses(self.following).into_iter().filter(License::is_live);
        let mut holders: Vec<String> =
            live.map(|license| license.holder_email().unwrap().as_str().to_owned()).collect();
        holders.sort();
        let expected: Vec<String> = names.iter().map(|name| String::from(address(name))).collect();
        let renewals = self.store.read(|unit| unit.renewals().find_by_plans(plan_id(1), None)).unwrap();
        let renewal = self.manager.renewal(renewals[0].renewal.id).unwrap();
        assert_eq!((holders, renewal.num_not_carried_over), (expected, waiting));
    }

    fn story(&self) {
        self.next_day();
        assert_eq!(self.assign(&["cid"]), 1);
        self.assert_held_by(&["amy", "bob"], 1);

        self.next_day();
        self.reset(self.following, "bob");
        self.assert_held_by(&["amy", "cid"], 1);
        self.next_day();
        self.revoke(self.following, "amy");
        self.assert_held_by(&["bob", "cid"], 0);

        self.next_day();
        let before = self.manager.now();
        let key = self.license_of(plan_id(1), "bob").activation_key().unwrap();
        let bob = Person { email: Some(address("bob")), lms_user_id: Some(LmsUserId(2)) };
        self.manager.activate(&Actor::user("bob"), key, &bob).unwrap();
        assert_eq!(self.license_of(self.following, "bob").activation_date(), Some(day(365)));
        self.next_day();
        for name in ["amy", "bob"] {
            self.revoke(plan_id(1), name);
        }
        self.assert_held_by(&["cid"], 0);
        self.next_day();
        let revert = RevertRequest::new(plan_id(1), before);
        self.manager.revert(&admin(), &revert).unwrap();
        self.assert_held_by(&["bob", "cid"], 0);

        self.next_day();
        self.manager.activate(&Actor::user("bob"), key, &bob).unwrap();
        let changes = PlanChanges { start_date: Some(day(300)), ..PlanChanges::default() };
        self.manager.update_plan(&admin(), ChangeReason::Other, self.following, changes).unwrap();
        assert_eq!(self.license_of(self.following, "bob").activation_date(), Some(day(300)));
    }
}

fn address(name: &str) -> Email {
    email(&format!("{name}@example.com"))
}

/// A person who found no seat in the renewed plan gets the next free one.
pub fn free_licenses_go_to_who_waits(db: &dyn Database) {
    let plans = Plans::new(db.store());
    plans.story();
    for license in plans.licenses(plans.following).into_iter().filter(License::is_live) {
        let original = plans.store.read(|unit| unit.licenses().find_by_ids(&[license.renewed_from.unwrap()])).unwrap();
        assert_eq!(original[0].renewed_to, Some(license.id));
    }
}

/// A transfer and a renewal together give nobody two seats.
pub fn licenses_that_move_to_the_following_plan_take_the_place_of_their_copies(db: &dyn Database) {
    let plans = Plans::new(db.store());
    plans.assign(&["cid"]);
    let moving: Vec<LicenseId> = plans.licenses(plan_id(1)).iter().map(|license| license.id).collect();
    let order = TransferOrder { new_plan: plans.following, ..order(TransferredLicenses::All) };
    let job = plans.manager.create_transfer_job(&admin(), &order).unwrap().id;
    plans.manager.process_transfer_job(&admin(), job, None).unwrap();
    plans.assert_held_by(&["amy", "bob", "cid"], 0);
    for name in ["amy", "bob", "cid"] {
        let license = plans.license_of(plans.following, name);
        assert!(moving.contains(&license.id) && license.renewed_to.is_none());
    }
}

/// A seat that a retirement frees is not lost.
pub fn a_retired_persons_licenses_go_to_who_waits(db: &dyn Database) {
    let plans = Plans::new(db.store());
    plans.assign(&["cid"]);
    plans.store.write(|unit| unit.users().remember("amy", Some("amy@example.com"), false, day(2))).unwrap();
    let freed = plans.license_of(plans.following, "amy").id;
    plans.manager.retire(&admin(), LmsUserId(1), "amy").unwrap();
    plans.assert_held_by(&["bob", "cid"], 0);
    assert_eq!(plans.license_of(plans.following, "cid").id, freed);
    let told: Vec<_> = db.told_of(freed).into_iter().filter_map(|told| told.email).collect();
    assert_eq!(told, [address("cid")]);
    let messages = db.outbox().into_iter().filter(|message| message.license == Some(freed));
    assert_eq!(messages.count(), 1, "that it was renewed for cid");
}
