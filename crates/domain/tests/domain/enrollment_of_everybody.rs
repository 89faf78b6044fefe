//! Everybody who holds a license of a plan is enrolled, a part at a time.

use std::collections::BTreeSet;

use crate::support::upstreams::*;
use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::{Enrollees, EnrollmentNumbers};
use license_manager_domain::queue::Queue;
use license_manager_domain::*;

fn town(holders: usize) -> (Town, PlanId) {
    let town = Town::new();
    let plan = town.world.plan(holders as i32 + 10);
    town.world.assign(plan, &crowd(holders)).unwrap();
    (town, plan)
}

fn everybody(town: &Town, plan: PlanId, courses: usize) -> EnrollmentJobId {
    let course_run_keys = (0..courses).map(|number| format!("course-{number}")).collect();
    let enrollment = BulkEnrollment { learners: Enrollees::Holders, plan: Some(plan), course_run_keys, notify: false };
    town.world.manager.request_enrollment(customer(), Some(LmsUserId(1)), enrollment).unwrap()
}

fn enrolled(town: &Town) -> usize {
    town.upstreams.told(|told| std::mem::take(&mut told.enrollments).len())
}

fn until(town: &Town, job: EnrollmentJobId) -> Option<LicenseId> {
    let job = town.world.manager.enrollment_job(customer(), job).unwrap();
    assert!(!job.is_done());
    job.stage.until()
}

/// The learners of the results, each of whom is in them once.
fn named(town: &Town, job: EnrollmentJobId) -> BTreeSet<String> {
    let results = town.world.manager.enrollment_results(customer(), job).unwrap().expect("it is done");
    let (header, lines) = results.split_once('\n').unwrap();
    assert_eq!(header, "email,course_run_key,result,detail");
    let learners: Vec<_> = lines.lines().map(|line| line.split(',').next().unwrap().to_owned()).collect();
    let different: BTreeSet<String> = learners.iter().cloned().collect();
    assert_eq!(learners.len(), different.len());
    different
}

#[test]
fn a_thousand_licenses_are_one_part() {
    let (town, plan) = town(2_500);
    let job = everybody(&town, plan, 1);
    let mut begun = BTreeSet::new();
    for part in [1_000, 1_000, 500] {
        assert!(begun.insert(until(&town, job)), "the part before is noted");
        assert!(town.deliver_one(Queue::Enrollment));
        assert_eq!(enrolled(&town), part);
    }
    assert!(!town.deliver_one(Queue::Enrollment));
    assert_eq!(named(&town, job).len(), 2_500);
    let numbers = town.world.manager.enrollment_job(customer(), job).unwrap().numbers;
    assert_eq!(numbers, EnrollmentNumbers { successes: 2_500, ..EnrollmentNumbers::default() });
    let mail = town.world.owed(license_manager_domain::outbox::Topic::EnrollmentResultsMail);
    assert_eq!((mail.len(), &mail[0]["successes"]), (1, &2_500.into()));
}

#[test]
fn parts_are_smaller_where_there_are_many_courses() {
    let (town, plan) = town(60);
    let job = everybody(&town, plan, 500);
    for part in [50, 10] {
        assert!(town.deliver_one(Queue::Enrollment));
        assert_eq!(enrolled(&town), part * 500);
    }
    assert!(town.world.manager.enrollment_job(customer(), job).unwrap().is_done());
}

#[test]
fn what_ends_with_a_full_part_is_done_with_the_next() {
    let (town, plan) = town(1_000);
    let job = everybody(&town, plan, 1);
    town.deliver_queue(Queue::Enrollment);
    assert_eq!(named(&town, job).len(), 1_000);
}

#[test]
fn a_crash_repeats_one_part() {
    let (town, plan) = town(2_500);
    let job = everybody(&town, plan, 1);
    assert!(town.deliver_one(Queue::Enrollment));
    let batch = town.deliveries.claim(Queue::Enrollment).unwrap();
    at_once(town.deliveries.deliver(&batch));
    // Whoever delivered it dies here.
    town.world.clock.advance(town.deliveries.lease() + Duration::seconds(1));
    town.deliver_queue(Queue::Enrollment);
    assert_eq!(enrolled(&town), 3_500);
    assert_eq!(named(&town, job).len(), 2_500);
}

#[test]
fn each_part_has_all_its_tries() {
    let (town, plan) = town(2_500);
    let job = everybody(&town, plan, 1);
    for _ in 0..3 {
        for _ in 0..4 {
            town.upstreams.fail([away()]);
            assert!(town.deliver_one(Queue::Enrollment));
            town.world.clock.advance(Duration::minutes(30));
        }
        assert!(town.deliver_one(Queue::Enrollment));
    }
    assert_eq!(town.dead_lettered(), []);
    assert_eq!(named(&town, job).len(), 2_500);
}

#[test]
fn who_is_retired_between_call_and_note_is_not_in_the_results() {
    let (town, plan) = town(30);
    town.world.activate(plan, "amy@example.com", 7);
    let job = everybody(&town, plan, 1);
    let batch = town.deliveries.claim(Queue::Enrollment).unwrap();
    let outcome = at_once(town.deliveries.deliver(&batch));
    town.world.manager.retire(&Actor::service(), LmsUserId(7), "amy").unwrap();
    town.deliveries.settle(&batch, &outcome).unwrap();
    town.deliver_queue(Queue::Enrollment);
    let named = named(&town, job);
    assert_eq!((named.len(), named.contains("amy@example.com")), (30, false));
}

#[test]
fn who_is_retired_between_two_parts_leaves_the_results() {
    let (town, plan) = town(1_200);
    let job = everybody(&town, plan, 1);
    assert!(town.deliver_one(Queue::Enrollment));
    let first = town.upstreams.told(|told| told.enrollments[0].clone());
    let license = town.world.license_of(plan, first.email.as_str());
    let person = person(first.email.as_str(), 7);
    let key = license.activation_key().unwrap();
    town.world.manager.activate(&Actor::user("somebody"), key, &person).unwrap();
    town.world.manager.retire(&Actor::service(), LmsUserId(7), "somebody").unwrap();
    town.deliver_queue(Queue::Enrollment);
    let named = named(&town, job);
    assert_eq!((named.len(), named.contains(first.email.as_str())), (1_199, false));
}
