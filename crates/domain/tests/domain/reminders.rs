//! An admin reminds learners who have yet to activate.

use std::collections::BTreeSet;

use chrono::Duration;
use license_manager_domain::model::JobKind;
use license_manager_domain::outbox::Topic;
use license_manager_domain::ports::{LicenseFilter, StoreExt};
use license_manager_domain::queue::Queue;
use license_manager_domain::use_cases::JOB_LEASE;
use license_manager_domain::*;

use crate::support::*;

const EVERYBODY: LicenseSelection = LicenseSelection::Matching(LicenseFilter {
    statuses: None,
    email_words: Vec::new(),
    assigned_until: None,
    hide_retired: false,
    modified_since: None,
});

fn those(addresses: &[&str]) -> LicenseSelection {
    LicenseSelection::Emails(addresses.iter().map(|address| email(address)).collect())
}

fn remind(world: &World, plan: PlanId, whose: &LicenseSelection) -> Result<usize, Error> {
    world.manager.remind(&admin(), plan, whose, &ReminderMail::default())
}

/// Amy uses hers, bob and eve have yet to.
fn plan(world: &World) -> PlanId {
    let plan = world.plan(4);
    world.activate(plan, "amy@example.com", 1);
    world.assign(plan, &learners(["bob@example.com", "eve@example.com"])).unwrap();
    plan
}

fn reminded(world: &World) -> Vec<String> {
    let mails = world.owed(Topic::Reminder);
    mails.iter().map(|mail| mail["email"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_reminder_carries_the_key_and_the_admin_s_words() {
    let world = World::new();
    let plan = plan(&world);
    let mail = ReminderMail { greeting: "Hello".to_owned(), closing: "Thanks".to_owned() };
    assert_eq!(world.manager.remind(&admin(), plan, &those(&["bob@example.com"]), &mail), Ok(1));
    let license = world.license_of(plan, "bob@example.com");
    let key = license.activation_key().unwrap().to_string();
    let reminder = world.owed(Topic::Reminder).remove(0);
    let expected = serde_json::json!({ "email": "bob@example.com", "activation_key": key });
    assert_eq!(reminder, expected, "words are not stored with each message");
    let message = world.store.outbox().pop().unwrap();
    let words = message.payload.words().unwrap();
    assert_eq!((words.greeting.as_str(), words.closing.as_str()), ("Hello", "Thanks"));
    assert_eq!((message.license, message.plan, message.customer), (Some(license.id), Some(plan), customer()));
}

#[test]
fn a_license_stays_as_it_is_until_the_mail_has_gone_out() {
    let world = World::new();
    let plan = plan(&world);
    let (history, _, licenses, details) = world.footprint(plan);
    remind(&world, plan, &EVERYBODY).unwrap();
    let after = world.footprint(plan);
    assert_eq!((after.0, after.2, after.3), (history, licenses, details));
}

#[test]
fn who_uses_a_license_or_lost_it_is_not_reminded() {
    let world = World::new();
    let plan = plan(&world);
    world.revoke(plan, &["eve@example.com"]).unwrap();
    assert_eq!(remind(&world, plan, &EVERYBODY), Ok(1));
    assert_eq!(remind(&world, plan, &those(&["amy@example.com", "bob@example.com", "eve@example.com"])), Ok(1));
    assert_eq!(reminded(&world), ["bob@example.com", "bob@example.com"]);
    let nobody = Err(Refusal::NobodyToRemind.into());
    assert_eq!(remind(&world, plan, &those(&["amy@example.com", "eve@example.com"])), nobody);
}

#[test]
fn filters_may_match_nobody_and_a_whole_plan_may_not() {
    let world = World::new();
    let plan = world.plan(3);
    assert_eq!(remind(&world, plan, &EVERYBODY), Ok(0));
    let mail = ReminderMail::default();
    assert_eq!(world.manager.remind_all(&admin(), plan, &mail), Err(Refusal::NobodyToRemind.into()));
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    assert_eq!(world.manager.remind_all(&admin(), plan, &mail), Ok(1));
    assert_eq!(reminded(&world), ["bob@example.com"]);
}

#[test]
fn filters_choose_among_those_who_wait() {
    let world = World::new();
    let plan = plan(&world);
    let chosen = |statuses: Option<Vec<LicenseStatus>>, words: &[&str]| {
        let email_words = words.iter().map(|&word| word.to_owned()).collect();
        remind(
            &world,
            plan,
            &LicenseSelection::Matching(LicenseFilter { statuses, email_words, ..LicenseFilter::default() }),
        )
    };
    assert_eq!(chosen(None, &["eve"]), Ok(1));
    assert_eq!(reminded(&world), ["eve@example.com"]);
    assert_eq!(chosen(Some(LicenseStatus::ALL.to_vec()), &[]), Ok(2));
    assert_eq!(chosen(Some(vec![LicenseStatus::Activated, LicenseStatus::Revoked]), &[]), Ok(0));
    assert_eq!(chosen(None, &["amy"]), Ok(0));
}

#[test]
fn a_large_plan_is_gone_through_in_parts() {
    for learners in [5, 6, 7] {
        let world = World::with(Settings { batch_size: batches_of(3), ..Settings::default() });
        let plan = world.plan(10);
        world.assign(plan, &crowd(learners)).unwrap();
        assert_eq!(remind(&world, plan, &EVERYBODY), Ok(learners));
        let mut reminded = reminded(&world);
        reminded.sort();
        reminded.dedup();
        assert_eq!(reminded.len(), learners, "each once");

        let mail = ReminderMail { greeting: "Hello".to_owned(), ..ReminderMail::default() };
        let owed =
            world.newly_owed(|| assert_eq!(world.manager.remind(&admin(), plan, &EVERYBODY, &mail), Ok(learners)));
        let words: BTreeSet<_> = owed.iter().map(|message| message.payload.words().unwrap().id).collect();
        assert_eq!(words.len(), 1, "all share the admin's words");
    }
}

#[test]
fn mails_about_onboarding_can_be_off_and_reminders_still_go_out() {
    let world = World::new();
    let plan = plan(&world);
    world.rewrite_agreement(|agreement| agreement.disable_onboarding_notifications = true);
    assert_eq!(remind(&world, plan, &EVERYBODY), Ok(2));
}

/// A plan with this many learners, whose reminders are the work of a job.
fn large_plan(learners: usize) -> (World, PlanId) {
    let world = World::with(Settings { inline_limit: 2, batch_size: batches_of(2), ..Settings::default() });
    let plan = world.plan(9);
    while world.manager.run_next_job().unwrap() {}
    world.assign(plan, &crowd(learners)).unwrap();
    (world, plan)
}

/// Runs the jobs. Returns who was reminded by all of them, sorted.
fn reminded_by_jobs(world: &World) -> Vec<String> {
    let mut before = reminded(world).len();
    let first = before;
    while world.manager.run_next_job().unwrap() {
        let now = reminded(world).len();
        assert!(now - before <= 2, "a batch is bounded");
        before = now;
    }
    let mut people = reminded(world).split_off(first);
    people.sort();
    people
}

/// The first ones of a crowd.
fn first_of_crowd(number: usize) -> Vec<String> {
    (0..number).map(|number| format!("learner{number}@example.com")).collect()
}

#[test]
fn very_many_are_reminded_by_a_job_each_once() {
    for learners in [3, 4, 5] {
        let (world, plan) = large_plan(learners);
        let mail = ReminderMail { greeting: "Hello".to_owned(), closing: "Thanks".to_owned() };
        assert_eq!(world.manager.remind_all(&Actor::user("boss"), plan, &mail), Ok(learners));
        assert!(reminded(&world).is_empty(), "the job has yet to begin");
        let job = world.store.read(|unit| unit.jobs().find(plan, JobKind::Remind)).unwrap().unwrap();
        assert_eq!(job.requested_by.as_deref(), Some("boss"));
        assert_eq!(reminded_by_jobs(&world), first_of_crowd(learners));
        let mails = world.store.outbox();
        let reminders = mails.iter().filter(|message| message.payload.topic() == Topic::Reminder);
        let words = reminders.map(|message| message.payload.words().unwrap());
        assert!(words.clone().all(|words| (words.greeting.as_str(), words.closing.as_str()) == ("Hello", "Thanks")));
        assert_eq!(words.count(), learners);
    }
}

#[test]
fn a_job_leaves_out_who_gets_or_activates_a_license_after_the_request() {
    let (world, plan) = large_plan(4);
    assert_eq!(world.manager.remind_all(&admin(), plan, &ReminderMail::default()), Ok(4));
    world.clock.advance(Duration::seconds(1));
    world.assign(plan, &learners(["late@example.com"])).unwrap();
    world.activate(plan, "learner3@example.com", 1);
    assert_eq!(reminded_by_jobs(&world), first_of_crowd(3));
}

#[test]
fn a_job_reminds_whom_the_filter_matches() {
    let (world, plan) = large_plan(4);
    let until = world.manager.now();
    world.clock.advance(Duration::seconds(1));
    world.assign(plan, &learners(["later@example.com", "learned@example.com"])).unwrap();
    let chosen = |words: &[&str], assigned_until| {
        let email_words = words.iter().map(|&word| word.to_owned()).collect();
        LicenseSelection::Matching(LicenseFilter { email_words, assigned_until, ..LicenseFilter::default() })
    };
    assert_eq!(remind(&world, plan, &chosen(&["later"], None)), Ok(1), "few are reminded at once");
    assert_eq!(reminded(&world), ["later@example.com"]);
    assert_eq!(remind(&world, plan, &chosen(&["learn"], None)), Ok(5));
    assert_eq!(reminded_by_jobs(&world).len(), 5);
    assert_eq!(remind(&world, plan, &chosen(&["learn"], Some(until))), Ok(4));
    assert_eq!(reminded_by_jobs(&world), first_of_crowd(4));
    let activated = LicenseFilter { statuses: Some(vec![LicenseStatus::Activated]), ..LicenseFilter::default() };
    assert_eq!(remind(&world, plan, &LicenseSelection::Matching(activated)), Ok(0));
}

#[test]
fn a_plan_has_one_job_that_reminds() {
    let (world, plan) = large_plan(5);
    let all = |greeting: &str| {
        let mail = ReminderMail { greeting: greeting.to_owned(), ..ReminderMail::default() };
        world.manager.remind_all(&admin(), plan, &mail)
    };
    assert_eq!(all("Hello"), Ok(5));
    assert_eq!(world.manager.run_next_job(), Ok(true));
    assert_eq!(all("Hello"), Ok(5), "the same job continues");
    assert_eq!(all("Hi"), Err(Refusal::AlreadyReminding.into()));
    assert_eq!(remind(&world, plan, &those(&["learner0@example.com"])), Ok(1), "few are reminded at once");
    assert_eq!(world.manager.request_jobs(&admin(), JobKind::Remind, &[plan]), Ok(Vec::new()));
    assert_eq!(reminded_by_jobs(&world).len(), 3);
    assert_eq!(reminded(&world).len(), 6);
    assert_eq!(all("Hi"), Ok(5), "the job is done");
    assert_eq!(world.manager.cancel_jobs(&admin(), JobKind::Remind, &[plan]), Ok(1));
    assert_eq!(all("Hello again"), Ok(5), "the job is canceled");
}

#[test]
fn a_job_that_is_taken_over_reminds_nobody_twice() {
    let (world, plan) = large_plan(5);
    assert_eq!(world.manager.remind_all(&admin(), plan, &ReminderMail::default()), Ok(5));
    let claim = || world.manager.claim_job(Queue::PlanJobs(JobKind::Remind)).unwrap().unwrap();
    let late = claim();
    world.clock.advance(JOB_LEASE);
    let next = claim();
    assert!(matches!(world.manager.run_job(&late), Err(Error::Internal(_))));
    assert!(reminded(&world).is_empty());
    assert_eq!(world.manager.run_job(&next), Ok(2));
    assert_eq!(reminded_by_jobs(&world).len(), 3);
    let mut people = reminded(&world);
    people.sort();
    assert_eq!(people, first_of_crowd(5));
}
