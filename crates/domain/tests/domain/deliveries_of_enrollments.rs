//! Bulk enrollments are carried out, and whoever asked is told.

use std::sync::Arc;

use crate::support::mocks::*;
use crate::support::upstreams::*;
use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::Enrollees;
use license_manager_domain::ports::*;
use license_manager_domain::queue::Queue;
use license_manager_domain::*;
use mockall::Sequence;

const DEMO: &str = "course-v1:edX+Demo+T1";
const OTHER: &str = "course-v1:edX+Other+T1";

fn wanted(addresses: &[&str], courses: &[&str]) -> BulkEnrollment {
    BulkEnrollment {
        learners: Enrollees::Emails(addresses.iter().map(|address| email(address)).collect()),
        plan: None,
        course_run_keys: courses.iter().map(|&course| course.to_owned()).collect(),
        notify: true,
    }
}

fn request(town: &Town, enrollment: BulkEnrollment) -> EnrollmentJobId {
    town.world.manager.request_enrollment(customer(), Some(LmsUserId(1)), enrollment).unwrap()
}

fn results(town: &Town, job: EnrollmentJobId) -> Option<String> {
    town.world.manager.enrollment_results(customer(), job).unwrap()
}

fn lines(town: &Town, job: EnrollmentJobId) -> Vec<String> {
    results(town, job).expect("it is done").lines().map(str::to_owned).collect()
}

/// A town in which everything that owed something before is delivered.
fn town() -> (Town, PlanId) {
    let town = Town::new();
    let plan = town.world.plan(5);
    town.world.activate(plan, "amy@example.com", 7);
    town.world.assign(plan, &learners(["bob@example.com"])).unwrap();
    town.deliver();
    town.upstreams.calls();
    town.upstreams.told(|told| {
        told.mails.clear();
        told.admins = vec![admin_account(11, 1, "ann@example.com"), admin_account(12, 2, "ben@example.com")];
    });
    (town, plan)
}

/// A town whose LMS is this one.
fn town_with_lms(lms: MockLearnerRegistry) -> Town {
    Town::with(|manager| manager.with_learner_registry(Arc::new(lms)))
}

#[test]
fn learners_with_licenses_are_enrolled_and_the_others_listed() {
    let (town, plan) = town();
    let job = request(&town, wanted(&["amy@example.com", "bob@example.com", "eve@example.com"], &[DEMO]));
    town.deliver_queue(Queue::Enrollment);
    let enrolled = town.upstreams.told(|told| std::mem::take(&mut told.enrollments));
    let license = |address: &str| town.world.license_of(plan, address);
    let key = license("bob@example.com").activation_key().unwrap();
    let link = format!("https://learn.example.com/acme/licenses/{key}/activate");
    let expected = [("amy@example.com", None), ("bob@example.com", Some(link))].map(|(address, activation_link)| {
        let (course_run_key, license) = (DEMO.to_owned(), license(address).id);
        LicensedEnrollment { email: email(address), course_run_key, license, activation_link }
    });
    assert_eq!(enrolled, expected);
    assert_eq!(
        lines(&town, job),
        [
            "email,course_run_key,result,detail",
            "amy@example.com,course-v1:edX+Demo+T1,success,",
            "bob@example.com,course-v1:edX+Demo+T1,success,",
            "eve@example.com,course-v1:edX+Demo+T1,failed,holds no license that covers the course",
        ]
    );
}

#[test]
fn learners_are_enrolled_whose_addresses_older_versions_stored() {
    let (town, plan) = town();
    let stored = ["two@xn--mnchen-3ya.de", "jörg@exa_mple.com"].map(|text| Email::from_storage(text.to_owned()));
    let free = town.world.licenses(plan).into_iter().filter(|license| license.status() == LicenseStatus::Unassigned);
    let held: Vec<License> = free
        .zip(stored)
        .map(|(license, email)| license.assign(email, ActivationKey(uuid::Uuid::from_u128(9)), beginning()).unwrap())
        .collect();
    town.world.store.write(|unit| unit.licenses().save(&held, &admin().change(beginning()))).unwrap();
    let asked = ["two@münchen.de", "Jörg@exa_mple.com"].map(|text| Email::to_look_up(text).unwrap());
    let enrollment = BulkEnrollment { learners: Enrollees::Emails(asked.into()), ..wanted(&[], &[DEMO]) };
    let job = request(&town, enrollment);
    town.deliver_queue(Queue::Enrollment);
    let mut enrolled: Vec<LicenseId> =
        town.upstreams.told(|told| told.enrollments.iter().map(|enrolled| enrolled.license).collect());
    enrolled.sort_unstable();
    let mut expected: Vec<LicenseId> = held.iter().map(|license| license.id).collect();
    expected.sort_unstable();
    assert_eq!(enrolled, expected);
    let lines = lines(&town, job);
    assert!(lines[1..].iter().all(|line| line.ends_with("success,")), "{lines:?}");
}

#[test]
fn whoever_asked_is_told_what_came_of_it() {
    let (town, _) = town();
    let job = request(&town, wanted(&["amy@example.com", "eve@example.com"], &[DEMO]));
    town.deliver();
    let mails = town.upstreams.told(|told| std::mem::take(&mut told.mails));
    assert_eq!(mails.len(), 1);
    assert_eq!((mails[0].kind, &mails[0].to), (MailKind::BulkEnrollmentResult, &email("ann@example.com")));
    let properties = &mails[0].properties;
    assert_eq!((&properties["num_successes"], &properties["num_failures"]), (&1.into(), &1.into()));
    let file = format!("https://admin.example.com/acme/admin/bulk-enrollment-results/{job}");
    assert_eq!(properties["download_url"], file);
    assert_eq!(town.waiting(), []);
}

#[test]
fn nobody_is_told_who_administers_nothing() {
    let (town, _) = town();
    town.upstreams.told(|told| told.admins.clear());
    request(&town, wanted(&["amy@example.com"], &[DEMO]));
    town.deliver();
    assert_eq!(town.upstreams.told(|told| told.mails.len()), 0);
    assert_eq!(town.waiting(), []);
}

#[test]
fn a_license_pays_for_what_its_catalog_holds() {
    let (town, _) = town();
    town.upstreams.told(|told| told.courses = Some(vec![DEMO.to_owned()]));
    let job = request(&town, wanted(&["amy@example.com"], &[DEMO, OTHER]));
    town.deliver_queue(Queue::Enrollment);
    let lines = lines(&town, job);
    assert_eq!(lines[1], format!("amy@example.com,{DEMO},success,"));
    assert_eq!(lines[2], format!("amy@example.com,{OTHER},failed,holds no license that covers the course"));
}

#[test]
fn everybody_who_holds_a_license_of_the_plan_is_enrolled() {
    let (town, plan) = town();
    let others = town.world.plan(2);
    town.world.assign(others, &learners(["joe@example.com"])).unwrap();
    let everybody = BulkEnrollment { learners: Enrollees::Holders, plan: Some(plan), ..wanted(&[], &[DEMO]) };
    let job = request(&town, everybody);
    // Who is a holder shows when it is carried out.
    town.world.assign(plan, &learners(["eve@example.com"])).unwrap();
    town.deliver_queue(Queue::Enrollment);
    let names: Vec<_> = lines(&town, job)[1..].iter().map(|line| line.split('@').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["amy", "bob", "eve"]);
}

#[test]
fn a_plan_that_is_over_pays_for_nothing() {
    let town = town_with_lms(MockLearnerRegistry::new());
    let plan = town.world.plan(1);
    town.world.assign(plan, &learners(["amy@example.com"])).unwrap();
    town.world.clock.advance(Duration::days(400));
    let named = BulkEnrollment { plan: Some(plan), ..wanted(&["amy@example.com"], &[DEMO]) };
    for enrollment in [named, wanted(&["amy@example.com"], &[DEMO])] {
        let job = request(&town, enrollment);
        town.deliver_queue(Queue::Enrollment);
        assert!(lines(&town, job)[1].contains("holds no license"));
    }
}

#[test]
fn twenty_five_learners_in_twenty_five_courses_are_one_call() {
    let mut lms = MockLearnerRegistry::new();
    let mut order = Sequence::new();
    for number in [75, 75, 30, 250, 50] {
        lms.expect_enroll()
            .withf(move |_, enrollments, notify| enrollments.len() == number && *notify)
            .times(1)
            .in_sequence(&mut order)
            .returning(|_, enrollments, _| Ok(all_enrolled(enrollments)));
    }
    let town = town_with_lms(lms);
    town.world.assign(town.world.plan(60), &crowd(60)).unwrap();
    let crowd: Vec<String> = (0..60).map(|number| format!("learner{number}@example.com")).collect();
    let crowd: Vec<&str> = crowd.iter().map(String::as_str).collect();
    let job = request(&town, wanted(&crowd, &["a", "b", "c"]));
    let courses: Vec<String> = (0..30).map(|number| format!("course{number}")).collect();
    let courses: Vec<&str> = courses.iter().map(String::as_str).collect();
    let other = request(&town, wanted(&crowd[..10], &courses));
    town.deliver_queue(Queue::Enrollment);
    assert_eq!((lines(&town, job).len(), lines(&town, other).len()), (181, 301));
}

#[test]
fn a_learner_whom_the_lms_refuses_is_listed_and_the_others_are_enrolled() {
    let (town, _) = town();
    town.upstreams.told(|told| told.refused = vec!["bob@example.com".to_owned()]);
    let job = request(&town, wanted(&["amy@example.com", "bob@example.com"], &[DEMO]));
    town.deliver_queue(Queue::Enrollment);
    assert_eq!(
        lines(&town, job)[1..],
        [
            "amy@example.com,course-v1:edX+Demo+T1,success,",
            "bob@example.com,course-v1:edX+Demo+T1,failed,the LMS answered 400 Bad Request",
        ]
    );
}

#[test]
fn an_enrollment_that_was_interrupted_is_carried_out_again() {
    let (town, _) = town();
    let job = request(&town, wanted(&["amy@example.com"], &[DEMO]));
    town.upstreams.fail([away()]);
    town.deliver_queue(Queue::Enrollment);
    assert_eq!(results(&town, job), None);
    assert_eq!(town.waiting()[0].last_error.as_deref(), Some("answered 502 Bad Gateway"));
    town.world.clock.advance(Duration::minutes(2));
    town.deliver_queue(Queue::Enrollment);
    assert_eq!(lines(&town, job).len(), 2);
}

#[test]
fn who_is_retired_under_way_is_not_in_the_results() {
    let (town, _) = town();
    let job = request(&town, wanted(&["amy@example.com", "bob@example.com"], &[DEMO]));
    let batch = town.deliveries.claim(Queue::Enrollment).unwrap();
    let outcome = at_once(town.deliveries.deliver(&batch));
    town.world.manager.retire(&Actor::service(), LmsUserId(7), "amy").unwrap();
    town.deliveries.settle(&batch, &outcome).unwrap();
    assert_eq!(results(&town, job), None);
    town.deliver_queue(Queue::Enrollment);
    assert_eq!(lines(&town, job)[1..], ["bob@example.com,course-v1:edX+Demo+T1,success,"]);
}
