//! A learner looks at their licenses.

use std::sync::Arc;

use crate::support::*;
use chrono::Duration;
use license_manager_domain::memory::MemoryStore;
use license_manager_domain::ports::{Person, SequentialIds, Store, StoreExt, Work};
use license_manager_domain::use_cases::{LearnerLicenseFilter, LearnerView};
use license_manager_domain::*;

const EVERYTHING: LearnerLicenseFilter =
    LearnerLicenseFilter { include_revoked: true, active_plans_only: false, current_plans_only: false };
const LIVE: LearnerLicenseFilter = LearnerLicenseFilter { include_revoked: false, ..EVERYTHING };

fn view(world: &World, person: &Person, wanted: LearnerLicenseFilter) -> LearnerView {
    world.manager.learner_licenses(&Actor::user("amy"), customer(), person, wanted).unwrap()
}

fn plans(view: &LearnerView) -> Vec<PlanId> {
    view.licenses.iter().map(|found| found.plan.plan.id).collect()
}

#[test]
fn a_learner_sees_what_they_hold_the_most_useful_first() {
    let world = World::new();
    let [revoked, assigned, used, used_longer] = [1, 2, 3, 4].map(|seats| world.plan(seats));
    let longer = PlanChanges { expiration_date: Some(beginning() + Duration::days(500)), ..Default::default() };
    world.change(used_longer, longer).unwrap();
    for plan in [revoked, used, used_longer] {
        world.activate(plan, "amy@example.com", 7);
    }
    world.assign(assigned, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    world.revoke(revoked, &["amy@example.com"]).unwrap();

    let amy = person("amy@example.com", 7);
    assert_eq!(plans(&view(&world, &amy, EVERYTHING)), [used_longer, used, assigned, revoked]);
    let live = view(&world, &amy, LIVE);
    assert_eq!(plans(&live), [used_longer, used, assigned]);
    assert_eq!(live.agreement.unwrap().plans.len(), 4);
}

#[test]
fn plans_that_cannot_be_used_can_be_left_out() {
    let world = World::new();
    let [usable, inactive] = [1, 2].map(|seats| world.plan(seats));
    let mut new = world.new_plan("Future", 1);
    new.start_date = beginning() + Duration::days(1);
    let future = world.create(new).unwrap();
    for plan in [usable, inactive, future] {
        world.assign(plan, &learners(["amy@example.com"])).unwrap();
    }
    world.change(inactive, PlanChanges { is_active: Some(false), ..Default::default() }).unwrap();
    let amy = person("amy@example.com", 7);
    let seen = |wanted| {
        let mut seen = plans(&view(&world, &amy, wanted));
        seen.sort();
        seen
    };
    let sorted = |mut plans: Vec<PlanId>| {
        plans.sort();
        plans
    };
    assert_eq!(seen(LIVE), sorted(vec![usable, inactive, future]));
    assert_eq!(seen(LearnerLicenseFilter { active_plans_only: true, ..LIVE }), sorted(vec![usable, future]));
    assert_eq!(seen(LearnerLicenseFilter { current_plans_only: true, ..LIVE }), sorted(vec![usable, inactive]));
}

#[test]
fn a_new_address_is_taken_over_by_all_licenses_of_the_person() {
    let world = World::new();
    let [live, revoked] = [1, 2].map(|seats| world.plan(seats));
    world.activate(live, "old@example.com", 7);
    world.activate(revoked, "old@example.com", 7);
    world.revoke(revoked, &["old@example.com"]).unwrap();
    world.clock.advance(Duration::hours(1));

    let seen = view(&world, &person("new@example.com", 7), LIVE);
    assert_eq!(seen.licenses[0].license.holder_email(), Some(&email("new@example.com")));
    for plan in [live, revoked] {
        let license = world.license_of(plan, "new@example.com");
        assert_eq!(license.modified, beginning() + Duration::hours(1));
        let entry = world.store.history().into_iter().rfind(|entry| entry.id == license.id.to_string()).unwrap();
        assert_eq!((entry.kind, entry.change.by.as_deref()), ('~', Some("amy")));
    }
    let history = world.store.history().len();
    view(&world, &person("new@example.com", 7), LIVE);
    assert_eq!(world.store.history().len(), history, "once is enough");
}

#[test]
fn an_address_that_an_older_version_stored_is_found_and_gets_its_normal_form() {
    let world = World::new();
    let mut new = world.new_plan("Hands out", 3);
    new.changes.should_auto_apply_licenses = Edit::Set(true);
    let plan = world.create(new).unwrap();
    let stored = Email::from_storage("amy@xn--mnchen-3ya.de".to_owned());
    world.assign(plan, &[(stored.clone(), None)].into_iter().collect()).unwrap();
    let license = world.licenses(plan).into_iter().find(|license| license.holder_email() == Some(&stored)).unwrap();
    let amy = person("amy@m\u{fc}nchen.de", 7);

    let applied = world.manager.auto_apply(&Actor::user("amy"), world.agreement, &amy).unwrap();
    assert_eq!(applied.held.license, license, "one person has one seat");
    let activated =
        world.manager.activate(&Actor::user("amy"), license.activation_key().unwrap(), &amy).unwrap().license;
    assert_eq!((activated.id, activated.status()), (license.id, LicenseStatus::Activated));
    let seen = view(&world, &amy, LIVE);
    assert_eq!(seen.licenses.len(), 1);
    assert_eq!(
        (seen.licenses[0].license.id, seen.licenses[0].license.holder_email()),
        (license.id, amy.email.as_ref())
    );
    let history = world.store.history().len();
    view(&world, &amy, LIVE);
    assert_eq!(world.store.history().len(), history, "once is enough");
}

#[test]
fn an_unknown_lms_id_is_nobodys() {
    let world = World::new();
    let plan = world.plan(3);
    world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    let stranger = Person { email: Some(email("eve@example.com")), lms_user_id: None };
    let before = world.footprint(plan);
    assert_eq!(view(&world, &stranger, EVERYTHING).licenses, []);
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn a_license_keeps_its_old_address_where_the_new_one_holds_one_of_that_plan() {
    let world = World::new();
    let [both, other] = [2, 3].map(|seats| world.plan(seats));
    world.activate(both, "old@example.com", 7);
    world.activate(other, "old@example.com", 7);
    world.assign(both, &learners(["new@example.com"])).unwrap();

    let seen = view(&world, &person("new@example.com", 7), LIVE);
    assert_eq!(seen.licenses.len(), 3);
    assert_eq!(world.license_of(both, "old@example.com").status(), LicenseStatus::Activated);
    assert_eq!(world.license_of(both, "new@example.com").status(), LicenseStatus::Assigned);
    assert_eq!(world.license_of(other, "new@example.com").status(), LicenseStatus::Activated);

    let reading_only: Arc<dyn Store> = Arc::new(ReadingOnly(world.store.clone()));
    let ids = Arc::new(SequentialIds::default());
    let manager = LicenseManager::new(reading_only, world.clock.clone(), ids, Settings::default());
    let again = manager.learner_licenses(&Actor::user("amy"), customer(), &person("new@example.com", 7), LIVE).unwrap();
    assert_eq!(again.licenses.len(), 3, "who looks again writes nothing");
}

/// A store that is not to be written to.
struct ReadingOnly(Arc<MemoryStore>);

impl Store for ReadingOnly {
    fn run_write(&self, _: &mut Work<'_>) -> Result<(), Error> {
        panic!("there is nothing to write")
    }

    fn run_read(&self, work: &mut Work<'_>) -> Result<(), Error> {
        self.0.run_read(work)
    }

    fn ping(&self) -> Result<(), Error> {
        self.0.ping()
    }
}

#[test]
fn of_two_licenses_of_one_plan_under_old_addresses_one_takes_the_new_address() {
    let world = World::new();
    let plan = world.plan(2);
    world.activate(plan, "first@example.com", 7);
    world.activate(plan, "second@example.com", 8);
    let second = world.license_of(plan, "second@example.com").with_lms_user_id(Some(LmsUserId(7)), beginning());
    world
        .store
        .write(|unit| unit.licenses().save(std::slice::from_ref(&second), &admin().change(beginning())))
        .unwrap();
    let seen = view(&world, &person("new@example.com", 7), LIVE);
    assert_eq!(seen.licenses.len(), 2);
    let holders = seen.licenses.iter().filter_map(|found| found.license.holder_email());
    assert_eq!(holders.filter(|holder| **holder == email("new@example.com")).count(), 1);
}

#[test]
fn of_several_licenses_of_a_plan_an_activated_one_takes_the_new_address() {
    for first_is_used in [true, false] {
        let world = World::new();
        let plan = world.plan(2);
        let names = ["first@example.com", "second@example.com"];
        world.assign(plan, &learners(names)).unwrap();
        let [first, second] = names.map(|name| world.license_of(plan, name));
        assert!(first.id < second.id);
        let (used, other) = if first_is_used { (first, second) } else { (second, first) };
        let noted = |license: License| license.with_lms_user_id(Some(LmsUserId(7)), beginning());
        let (used, other) = (noted(used).activate(None, beginning()).unwrap(), noted(other));
        let change = admin().change(beginning());
        world.store.write(|unit| unit.licenses().save(&[used.clone(), other.clone()], &change)).unwrap();
        view(&world, &person("new@example.com", 7), LIVE);
        assert_eq!(world.license_of(plan, "new@example.com").id, used.id, "the first is used: {first_is_used}");
        assert_eq!(world.license_of(plan, other.holder_email().unwrap().as_str()).id, other.id);
    }
}

#[test]
fn live_licenses_of_a_plan_are_found_by_address_and_lms_id() {
    let world = World::new();
    let [plan, other] = [3, 4].map(|seats| world.plan(seats));
    world.activate(plan, "old@example.com", 7);
    world.activate(other, "old@example.com", 7);
    world.assign(plan, &learners(["new@example.com", "bob@example.com"])).unwrap();
    let own = |person: &Person| {
        let licenses = world.manager.own_licenses_of_plan(plan, person).unwrap();
        licenses.iter().filter_map(|license| license.holder_email().cloned()).collect::<Vec<_>>()
    };
    let mut both = own(&person("new@example.com", 7));
    both.sort();
    assert_eq!(both, [email("new@example.com"), email("old@example.com")]);
    assert_eq!(own(&known_by_id(7)), [email("old@example.com")]);
    world.revoke(plan, &["old@example.com", "new@example.com"]).unwrap();
    assert_eq!(own(&person("new@example.com", 7)), []);
}

fn known_by_id(user: i64) -> Person {
    Person { email: None, lms_user_id: Some(LmsUserId(user)) }
}

#[test]
fn a_person_without_an_address_is_known_by_the_lms_id() {
    let world = World::new();
    let plan = world.plan(2);
    world.activate(plan, "amy@example.com", 7);
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    let before = world.footprint(plan);
    let seen = view(&world, &known_by_id(7), LIVE);
    assert_eq!(seen.licenses.len(), 1);
    assert_eq!(seen.licenses[0].license.holder_email(), Some(&email("amy@example.com")), "it keeps its address");
    assert_eq!(view(&world, &known_by_id(8), LIVE).licenses, []);
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn a_customer_without_an_agreement_has_nothing_to_show() {
    let world = World::new();
    let nobody = CustomerId(uuid::Uuid::nil());
    let seen =
        world.manager.learner_licenses(&Actor::user("amy"), nobody, &person("amy@example.com", 7), LIVE).unwrap();
    assert!(seen.agreement.is_none() && seen.licenses.is_empty());
}
