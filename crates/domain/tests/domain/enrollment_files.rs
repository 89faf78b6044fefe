//! The results of bulk enrollments are put into files.

use std::sync::Arc;

use crate::support::mocks::*;
use crate::support::upstreams::*;
use crate::support::*;
use chrono::Duration;
use license_manager_domain::delivery::Deliveries;
use license_manager_domain::model::{Enrollees, EnrollmentJob, EnrollmentStage};
use license_manager_domain::outbox::Topic;
use license_manager_domain::queue::Queue;
use license_manager_domain::*;
use mockall::Sequence;

const COURSE: &str = "course-v1:edX+Demo+T1";
const HEADER: &str = "email,course_run_key,result,detail\n";

fn line(name: &str) -> String {
    format!("{name}@example.com,{COURSE},success,\n")
}

fn results_of(names: &[&str]) -> String {
    names.iter().fold(HEADER.to_owned(), |results, name| results + &line(name))
}

fn town(files: MockResultFiles, lms: MockLearnerRegistry) -> Town {
    town_and_deliveries_without_files(files, lms).0
}

/// A town with these files and LMS, in which Amy and Bob hold licenses; and its deliveries as they are once no files
/// are kept any more.
fn town_and_deliveries_without_files(files: MockResultFiles, lms: MockLearnerRegistry) -> (Town, Deliveries) {
    let mut without_files = None;
    let town = Town::with(|manager| {
        let manager = manager.with_learner_registry(Arc::new(lms));
        without_files = Some(Town::deliveries_of(&manager));
        manager.with_result_files(Arc::new(files))
    });
    let plan = town.world.plan(5);
    town.world.activate(plan, "amy@example.com", 7);
    town.world.activate(plan, "bob@example.com", 8);
    town.deliver();
    town.upstreams.calls();
    (town, without_files.expect("the town has a manager"))
}

/// An LMS that is asked to enroll so often.
fn enrolls(times: usize) -> MockLearnerRegistry {
    let mut lms = MockLearnerRegistry::new();
    lms.expect_link().returning(|_| Ok(()));
    lms.expect_enroll().times(times).returning(|_, enrollments, _| Ok(all_enrolled(enrollments)));
    lms.expect_admins().returning(|_| Ok(vec![admin_account(11, 1, "ann@example.com")]));
    lms
}

/// Files that get these contents, one after the other.
fn take(contents: Vec<String>) -> MockResultFiles {
    let mut files = MockResultFiles::new();
    let mut order = Sequence::new();
    for content in contents {
        files
            .expect_put()
            .withf(move |_, csv| *csv == content)
            .times(1)
            .in_sequence(&mut order)
            .returning(|_, _| Ok(()));
    }
    files.expect_address().returning(|job| Some(format!("https://files.example.com/{}", job.id)));
    files
}

fn ask(town: &Town) -> EnrollmentJobId {
    let learners = Enrollees::Emails(vec![email("amy@example.com"), email("bob@example.com")]);
    let course_run_keys = vec![COURSE.to_owned()];
    let enrollment = BulkEnrollment { learners, plan: None, course_run_keys, notify: true };
    town.world.manager.request_enrollment(customer(), Some(LmsUserId(1)), enrollment).unwrap()
}

fn job(town: &Town, id: EnrollmentJobId) -> EnrollmentJob {
    town.world.manager.enrollment_job(customer(), id).unwrap()
}

/// Amy has account 7, Bob 8.
fn retire(town: &Town, account: i64) {
    town.world.manager.retire(&Actor::service(), LmsUserId(account), "whoever").unwrap();
}

#[test]
fn results_are_in_their_file_before_the_job_is_done() {
    let town = town(take(vec![results_of(&["amy", "bob"])]), enrolls(1));
    let id = ask(&town);
    assert!(town.deliver_one(Queue::Enrollment));
    let manager = &town.world.manager;
    assert_eq!(job(&town, id).stage, EnrollmentStage::Filing);
    assert_eq!(
        (manager.enrollment_results(customer(), id), at_once(manager.enrollment_file(&job(&town, id)))),
        (Ok(None), None)
    );
    assert!(town.world.owed(Topic::EnrollmentResultsMail).is_empty());
    assert!(town.deliver_one(Queue::Enrollment));
    assert_eq!(job(&town, id).stage, EnrollmentStage::Filed);
    assert_eq!(at_once(manager.enrollment_file(&job(&town, id))), Some(format!("https://files.example.com/{id}")));
    assert_eq!(manager.enrollment_results(customer(), id), Ok(Some(results_of(&["amy", "bob"]))), "storage keeps them");
    town.deliver();
    assert_eq!(town.upstreams.calls(), ["bulk_enrollment_result ann"]);
    let file = format!("https://admin.example.com/acme/admin/bulk-enrollment-results/{id}");
    assert_eq!(town.upstreams.told(|told| told.mails.last().unwrap().properties["download_url"].clone()), file);
}

#[test]
fn files_that_cannot_be_written_cost_no_second_enrollment() {
    let mut files = MockResultFiles::new();
    let mut order = Sequence::new();
    files.expect_put().times(2).in_sequence(&mut order).returning(|_, _| Err(away()));
    files.expect_put().times(1).in_sequence(&mut order).returning(|_, _| Ok(()));
    let town = town(files, enrolls(1));
    let id = ask(&town);
    for _ in 0..3 {
        town.deliver_queue(Queue::Enrollment);
        town.world.clock.advance(Duration::minutes(5));
    }
    assert_eq!(job(&town, id).stage, EnrollmentStage::Filed);
}

#[test]
fn who_is_retired_leaves_the_file() {
    let town = town(take(vec![results_of(&["amy", "bob"]), results_of(&["bob"])]), enrolls(1));
    let id = ask(&town);
    town.deliver();
    let owed = town.world.newly_owed(|| retire(&town, 7));
    assert_eq!(topics(&owed), [Topic::EnrollmentResultsFile]);
    assert_eq!(owed[0].payload.steps()[0].queue(), Queue::Enrollment);
    town.upstreams.calls();
    town.deliver();
    assert_eq!(town.upstreams.calls(), [""; 0], "nobody is mailed again");
    assert_eq!((job(&town, id).stage, town.waiting()), (EnrollmentStage::Filed, vec![]));
}

#[test]
fn who_is_named_by_no_file_has_none_written() {
    let town = town(take(vec![results_of(&["amy", "bob"])]), enrolls(1));
    ask(&town);
    town.deliver();
    let owed = town.world.newly_owed(|| retire(&town, 9));
    assert_eq!(owed, []);
}

#[test]
fn a_file_is_written_again_where_somebody_is_retired_under_way() {
    let town = town(take(vec![results_of(&["amy", "bob"]), results_of(&["bob"])]), enrolls(1));
    let id = ask(&town);
    town.deliver_one(Queue::Enrollment);
    let batch = town.deliveries.claim(Queue::Enrollment).unwrap();
    let outcome = at_once(town.deliveries.deliver(&batch));
    retire(&town, 7);
    town.deliveries.settle(&batch, &outcome).unwrap();
    assert_eq!(job(&town, id).stage, EnrollmentStage::Filing, "it waits to be written again");
    town.deliver();
    assert_eq!((job(&town, id).stage, town.waiting()), (EnrollmentStage::Filed, vec![]));
}

#[test]
fn of_two_who_are_retired_none_comes_back_into_the_file() {
    let contents = [&["amy", "bob"][..], &["bob"], &[], &[]];
    let town = town(take(contents.map(results_of).to_vec()), enrolls(1));
    ask(&town);
    town.deliver();
    retire(&town, 7);
    let batch = town.deliveries.claim(Queue::Enrollment).unwrap();
    let outcome = at_once(town.deliveries.deliver(&batch));
    retire(&town, 8);
    // Another worker is faster with what the second retirement promised.
    town.deliver_one(Queue::Enrollment);
    town.deliveries.settle(&batch, &outcome).unwrap();
    assert_eq!(town.waiting().len(), 1, "whoever was slow has to write it again");
    town.deliver();
    assert_eq!(town.waiting(), []);
}

#[test]
fn storage_alone_keeps_the_results_where_there_are_no_files_any_more() {
    let (town, deliveries) = town_and_deliveries_without_files(take(vec![]), enrolls(1));
    let id = ask(&town);
    town.deliver_one(Queue::Enrollment);
    let batch = deliveries.claim(Queue::Enrollment).unwrap();
    deliveries.settle(&batch, &at_once(deliveries.deliver(&batch))).unwrap();
    assert_eq!(job(&town, id).stage, EnrollmentStage::Done);
    assert_eq!(town.world.owed(Topic::EnrollmentResultsMail).len(), 1);
}

#[test]
fn a_file_that_names_a_retiree_and_cannot_be_reached_is_left_to_an_operator() {
    let files = take(vec![results_of(&["amy", "bob"])]);
    let (town, deliveries) = town_and_deliveries_without_files(files, enrolls(1));
    ask(&town);
    town.deliver();
    retire(&town, 7);
    for _ in 0..5 {
        let batch = deliveries.claim(Queue::Enrollment).unwrap();
        deliveries.settle(&batch, &at_once(deliveries.deliver(&batch))).unwrap();
        town.world.clock.advance(Duration::minutes(30));
    }
    let parked = town.dead_lettered();
    assert_eq!(parked.len(), 1);
    let problem = "the results are in a bucket, and no bucket is configured any more";
    assert_eq!(parked[0].last_error.as_deref(), Some(problem));
}
