//! A person is forgotten.

use crate::support::*;
use license_manager_domain::model::{Enrollees, EnrollmentJob, EnrollmentStage, StaffActionKind};
use license_manager_domain::ports::{StaffActionFilter, StoreExt};
use license_manager_domain::use_cases::{LicenseEdit, Retirement};
use license_manager_domain::*;

const WORKER: &str = "retirement_worker";

fn remember(world: &World, username: &str, address: &str) {
    world.store.write(|unit| unit.users().remember(username, Some(address), false, beginning())).unwrap();
}

fn retire(world: &World, user: i64, username: &str) -> Retirement {
    world.manager.retire(&Actor::user(WORKER), LmsUserId(user), username).unwrap()
}

/// Everything the store keeps, as a text to search people in.
fn everything(world: &World, plans: &[PlanId]) -> String {
    let licenses: Vec<_> = plans.iter().flat_map(|&plan| world.licenses(plan)).collect();
    let texts: Vec<_> = licenses.iter().map(|license| license.columns()).filter_map(|row| row.user_email).collect();
    let told: Vec<_> = world.store.history().into_iter().filter_map(|entry| entry.license?.user_email).collect();
    let names: Vec<_> = world.store.history().into_iter().filter_map(|entry| entry.change.by).collect();
    let owed: Vec<_> = world.store.outbox().into_iter().map(|message| message.payload.to_text()).collect();
    let emails: Vec<_> = texts.iter().chain(&told).map(Email::as_str).collect();
    [emails.join(" "), names.join(" "), owed.join(" ")].join(" ")
}

#[test]
fn a_person_is_forgotten_everywhere() {
    let world = World::new();
    let [used, lost, waiting] = [2, 3, 4].map(|seats| world.plan(seats));
    // In these stories, people act under their address as user name.
    remember(&world, "amy@example.com", "Amy@Example.com");
    for plan in [used, lost] {
        world.activate(plan, "amy@example.com", 7);
    }
    world.revoke(lost, &["amy@example.com"]).unwrap();
    let sold = [(email("amy@example.com"), Some("006000000000000001".to_owned()))].into_iter().collect();
    world.assign(waiting, &sold).unwrap();
    world.activate(used, "bob@example.com", 8);
    let plans = [used, lost, waiting];
    let counts = plans.map(|plan| world.counts(plan));
    let before = world.license_of(lost, "amy@example.com").columns();
    assert!(everything(&world, &plans).contains("amy"));

    assert_eq!(retire(&world, 7, "amy@example.com"), Retirement { licenses: 3, user_was_known: true });
    let left = everything(&world, &plans);
    assert!(!left.contains("amy"), "{left}");
    assert!(left.contains("bob@example.com"));
    assert!(world.store.sources().is_empty());
    assert_eq!(world.store.read(|unit| unit.users().find("amy@example.com")), Ok(None));

    let free = |counts: LicenseCounts| (counts.unassigned, counts.revoked, counts.total());
    assert_eq!(free(world.counts(used)), (1, 0, counts[0].total()));
    assert_eq!(free(world.counts(lost)), (3, 1, counts[1].total()));
    assert_eq!(free(world.counts(waiting)), (4, 0, counts[2].total()));
    let revoked = world.licenses(lost).into_iter().find(|license| license.status() == LicenseStatus::Revoked).unwrap();
    assert_eq!(revoked.columns(), LicenseColumns { user_email: None, lms_user_id: None, ..before });
    let entries = world.store.history().into_iter().filter(|entry| entry.id == revoked.id.to_string());
    let keys: Vec<bool> = entries.map(|entry| entry.row.uuid("activation_key").is_some()).collect();
    assert_eq!(keys, [false, true, true, true, true], "the history keeps what the license keeps");
    assert!(world.store.history().iter().any(|entry| entry.change.by.as_deref() == Some(WORKER)));
}

#[test]
fn an_address_that_an_older_version_stored_is_forgotten_too() {
    for (of_user, of_license) in [
        ("Bob@exa_mple.com", "bob@exa_mple.com"),
        ("tw@m\u{fc}nchen.de", "tw@xn--mnchen-3ya.de"),
        ("tw@xn--mnchen-3ya.de", "tw@m\u{fc}nchen.de"),
    ] {
        let world = World::new();
        let plan = world.plan(1);
        remember(&world, "user", of_user);
        let stored = [(Email::from_storage(of_license.to_owned()), None)].into_iter().collect();
        world.assign(plan, &stored).unwrap();
        assert!(everything(&world, &[plan]).contains(of_license));
        assert_eq!(retire(&world, 7, "user"), Retirement { licenses: 1, user_was_known: true });
        let left = everything(&world, &[plan]);
        assert!(!left.contains(of_license), "{left}");
    }
}

#[test]
fn a_person_is_found_by_their_id_where_the_user_name_is_unknown() {
    let world = World::new();
    let plan = world.plan(3);
    world.activate(plan, "amy@example.com", 7);
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    assert_eq!(retire(&world, 7, "nobody"), Retirement { licenses: 1, user_was_known: false });
    let told: Vec<_> = world.store.history().into_iter().filter_map(|entry| entry.license?.user_email).collect();
    assert!(!told.contains(&email("amy@example.com")));
    assert!(world.store.outbox().iter().all(|message| !message.payload.to_text().contains("amy@example.com")));
    assert_eq!(world.license_of(plan, "bob@example.com").status(), LicenseStatus::Assigned);
}

#[test]
fn who_has_no_account_is_forgotten_by_their_address() {
    let world = World::new();
    let [plan, lost, used] = [3, 2, 1].map(|seats| world.plan(seats));
    world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    world.assign(lost, &learners(["amy@example.com"])).unwrap();
    world.revoke(lost, &["amy@example.com"]).unwrap();
    world.assign(used, &learners(["cleo@example.com"])).unwrap();
    let plans = [plan, lost, used];
    assert!(everything(&world, &plans).contains("amy@example.com"));

    let retire = || world.manager.retire_address(&Actor::user(WORKER), &email("amy@example.com")).unwrap();
    assert_eq!(retire(), Retirement { licenses: 2, user_was_known: false });
    let left = everything(&world, &plans);
    assert!(!left.contains("amy"), "{left}");
    assert!(left.contains("bob@example.com") && left.contains("cleo@example.com"));
    assert_eq!((world.counts(plan).assigned, world.counts(plan).unassigned), (1, 2));
    assert_eq!(world.counts(lost).revoked, 1, "a revoked license stays revoked");
    assert_eq!(retire(), Retirement { licenses: 0, user_was_known: false }, "again, it changes nothing more");
    let filter = StaffActionFilter { by: None, kind: Some(StaffActionKind::PersonRetired) };
    let recorded = world.store.read(|unit| unit.staff_actions().list(&filter, ALL)).unwrap();
    assert_eq!(recorded.len(), 1);
}

#[test]
fn licenses_without_an_account_are_not_those_of_another_address() {
    let world = World::new();
    let plan = world.plan(3);
    world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    let nobody = world.manager.retire_address(&Actor::user(WORKER), &email("eve@example.com")).unwrap();
    assert_eq!(nobody, Retirement { licenses: 0, user_was_known: false });
    assert_eq!(world.counts(plan).assigned, 2);
}

#[test]
fn a_person_is_forgotten_by_licenses_that_were_deleted() {
    let world = World::new();
    let plan = world.plan(3);
    world.assign(plan, &learners(["old@example.com", "bob@example.com"])).unwrap();
    let mut license = world.license_of(plan, "old@example.com");
    license =
        license.activate(Some(LmsUserId(7)), beginning()).unwrap().with_email(email("amy@example.com"), beginning());
    let change = admin().change(beginning());
    world.store.write(|unit| unit.licenses().save(std::slice::from_ref(&license), &change)).unwrap();
    world.revoke(plan, &["amy@example.com", "bob@example.com"]).unwrap();
    assert_eq!(world.manager.delete_revoked(&admin(), plan).unwrap().deleted, 2);

    // Nothing but the id leads there: the address is known from the license alone.
    assert_eq!(retire(&world, 7, "nobody"), Retirement { licenses: 0, user_was_known: false });
    let left = everything(&world, &[plan]);
    assert!(!left.contains("amy@example.com") && !left.contains("old@example.com"), "{left}");
    assert!(left.contains("bob@example.com"));
}

#[test]
fn licenses_without_an_lms_id_are_nobody_s_by_id() {
    let world = World::new();
    let plan = world.plan(4);
    world.assign(plan, &learners(["bob@example.com", "eve@example.com"])).unwrap();
    let before = world.footprint(plan);
    assert_eq!(retire(&world, 7, "amy"), Retirement { licenses: 0, user_was_known: false });
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn a_user_whose_address_is_no_address_is_found_by_id_alone() {
    let world = World::new();
    let plan = world.plan(2);
    world.activate(plan, "amy@example.com", 7);
    remember(&world, "amy", "not an address");
    assert_eq!(retire(&world, 7, "amy"), Retirement { licenses: 1, user_was_known: true });
}

#[test]
fn retiring_again_changes_nothing_more() {
    let world = World::new();
    let plan = world.plan(3);
    remember(&world, "amy", "amy@example.com");
    world.activate(plan, "amy@example.com", 7);
    retire(&world, 7, "amy");
    let before = world.footprint(plan);
    assert_eq!(retire(&world, 7, "amy"), Retirement { licenses: 0, user_was_known: false });
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn who_retired_somebody_is_recorded_without_the_person_if_there_was_something_to_forget() {
    let world = World::new();
    for plan in [world.plan(2), world.plan(3)] {
        world.activate(plan, "amy@example.com", 7);
    }
    remember(&world, "bob", "bob@example.com");
    assert_eq!(retire(&world, 7, "nobody"), Retirement { licenses: 2, user_was_known: false });
    assert_eq!(retire(&world, 8, "bob"), Retirement { licenses: 0, user_was_known: true });
    assert_eq!(retire(&world, 9, "eve"), Retirement { licenses: 0, user_was_known: false });
    let actions = world.store.read(|unit| unit.staff_actions().list(&StaffActionFilter::default(), ALL)).unwrap();
    assert!(actions.iter().all(|action| action.kind == StaffActionKind::PersonRetired));
    let mut told: Vec<_> =
        actions.iter().map(|action| (action.number, action.by.as_deref(), &action.subject, &action.user)).collect();
    told.sort_unstable();
    assert_eq!(told, [(0, Some(WORKER), &None, &None), (2, Some(WORKER), &None, &None)]);
}

#[test]
fn the_event_of_a_retiree_who_got_no_license_is_dropped_too() {
    let world = World::new();
    let mut new = world.new_plan("Empty", 0);
    new.changes.should_auto_apply_licenses = Edit::Set(true);
    world.create(new).unwrap();
    remember(&world, "amy", "amy@example.com");
    let refused = world.manager.auto_apply(&Actor::user("amy"), world.agreement, &person("amy@example.com", 7));
    assert_eq!(refused.map(drop), Err(Refusal::NoLicenseLeft.into()));
    assert_eq!(world.store.outbox().len(), 1);
    retire(&world, 7, "amy");
    assert_eq!(world.store.outbox(), []);
}

#[test]
fn a_freed_license_goes_to_the_next_learner() {
    let world = World::new();
    let plan = world.plan(1);
    world.activate(plan, "amy@example.com", 7);
    retire(&world, 7, "amy");
    world.activate(plan, "bob@example.com", 8);
    assert_eq!(world.license_of(plan, "bob@example.com").status(), LicenseStatus::Activated);
}

/// Asks for a bulk enrollment of these learners in one course.
fn enroll(world: &World, by: Option<i64>, names: &[&str]) -> EnrollmentJobId {
    let enrollment = BulkEnrollment {
        learners: Enrollees::Emails(names.iter().map(|name| email(name)).collect()),
        plan: None,
        course_run_keys: vec!["course-v1:edX+DemoX+T1".to_owned()],
        notify: false,
    };
    world.manager.request_enrollment(customer(), by.map(LmsUserId), enrollment).unwrap()
}

#[test]
fn who_asked_for_an_enrollment_is_forgotten() {
    let world = World::new();
    let [own, another] = [7, 8].map(|user| enroll(&world, Some(user), &["bob@example.com"]));
    retire(&world, 7, "amy");
    let asked = |id| world.manager.enrollment_job(customer(), id).unwrap().lms_user_id;
    assert_eq!((asked(own), asked(another)), (None, Some(LmsUserId(8))));
}

#[test]
fn the_addresses_of_deleted_licenses_are_forgotten_elsewhere_too() {
    let world = World::new();
    let plan = world.plan(2);
    world.activate(plan, "old@example.com", 7);
    world.revoke(plan, &["old@example.com"]).unwrap();
    world.manager.delete_revoked(&admin(), plan).unwrap();
    let id = enroll(&world, None, &["old@example.com", "bob@example.com"]);
    retire(&world, 7, "nobody");
    let left = world.manager.enrollment_job(customer(), id).unwrap().enrollment.learners;
    assert_eq!(left, Enrollees::Emails(vec![email("bob@example.com")]));
}

#[test]
fn somebody_else_with_the_address_of_their_license_is_remembered() {
    let world = World::new();
    let [plan, other] = [1, 2].map(|seats| world.plan(seats));
    world.activate(plan, "old@example.com", 7);
    // Staff gave the license an address that is not theirs.
    let corrected = LicenseEdit { user_email: Some(email("amy@example.com")), ..LicenseEdit::default() };
    world.manager.edit_license(&Actor::user("staff"), world.license_of(plan, "old@example.com").id, corrected).unwrap();
    world.activate(other, "amy@example.com", 8);
    let amys = world.license_of(other, "amy@example.com");
    let of_amy = || {
        let history = world.store.history().into_iter().filter(|entry| entry.id == amys.id.to_string());
        let owed = world.store.outbox().into_iter().filter(|message| message.license == Some(amys.id));
        (history.map(|entry| entry.row.uuid("activation_key")).collect::<Vec<_>>(), owed.count())
    };
    let before = of_amy();

    assert_eq!(retire(&world, 7, "old@example.com"), Retirement { licenses: 1, user_was_known: false });
    assert_eq!(world.license_of(other, "amy@example.com"), amys);
    assert_eq!(of_amy(), before);
    assert_eq!(world.licenses(plan)[0].status(), LicenseStatus::Unassigned);
    assert!(!everything(&world, &[plan, other]).contains("old@example.com"));
}

#[test]
fn bulk_enrollments_lose_the_person_and_keep_everybody_else() {
    let world = World::new();
    let plan = world.plan(2);
    remember(&world, "amy", "amy@example.com");
    world.activate(plan, "amy@example.com", 7);
    let id = enroll(&world, None, &["amy@example.com", "bob@example.com"]);
    let asked_for = world.manager.enrollment_job(customer(), id).unwrap();
    let results = "email,result\namy@example.com,enrolled\nbob@example.com,enrolled\n";
    let done = EnrollmentJob { stage: EnrollmentStage::Done, ..asked_for };
    world.store.write(|unit| unit.enrollment_jobs().advance(&done, results)).unwrap();

    retire(&world, 7, "amy");
    let left = world.manager.enrollment_job(customer(), id).unwrap();
    assert_eq!(left.enrollment.learners, Enrollees::Emails(vec![email("bob@example.com")]));
    let results = world.manager.enrollment_results(customer(), id).unwrap();
    assert_eq!(results.as_deref(), Some("email,result\nbob@example.com,enrolled\n"));
    assert_eq!(left.enrollment.course_run_keys, done.enrollment.course_run_keys);
}
