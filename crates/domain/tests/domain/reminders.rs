//! An admin reminds learners who have yet to activate.

use std::collections::BTreeSet;

use crate::support::*;
use license_manager_domain::outbox::Topic;
use license_manager_domain::ports::LicenseFilter;
use license_manager_domain::*;

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
    world.manager.remind(plan, whose, &ReminderMail::default())
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
    assert_eq!(world.manager.remind(plan, &those(&["bob@example.com"]), &mail), Ok(1));
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
    assert_eq!(world.manager.remind_all(plan, &mail), Err(Refusal::NobodyToRemind.into()));
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    assert_eq!(world.manager.remind_all(plan, &mail), Ok(1));
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
        let owed = world.newly_owed(|| assert_eq!(world.manager.remind(plan, &EVERYBODY, &mail), Ok(learners)));
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
