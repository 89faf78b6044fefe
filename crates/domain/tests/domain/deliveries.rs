//! What was promised goes to the upstreams: in order, at least once, and when it fails, again.

use std::sync::Arc;

use crate::support::upstreams::*;
use crate::support::*;
use async_trait::async_trait;
use chrono::Duration;
use license_manager_domain::outbox::{OutboxSelection, Payload, Topic};
use license_manager_domain::ports::*;
use license_manager_domain::queue::Queue;
use license_manager_domain::use_cases::LicenseEdit;
use license_manager_domain::*;

#[test]
fn an_assigned_learner_is_linked_and_then_mailed() {
    let town = Town::new();
    let plan = town.world.plan(2);
    let mail = AssignmentMail { notify: true, greeting: "Hello".to_owned(), closing: "Bye".to_owned() };
    town.world.manager.assign(&admin(), plan, &learners(["amy@example.com"]), &mail).unwrap();
    town.deliver();
    assert_eq!(town.upstreams.calls(), ["link amy", "track assigned", "assignment amy"]);
    assert_eq!(town.waiting(), []);

    let key = town.world.license_of(plan, "amy@example.com").activation_key().unwrap();
    let mail = town.upstreams.told(|told| told.mails.remove(0));
    let expected = serde_json::json!({
        "greeting": "Hello",
        "closing": "Bye",
        "TEMPLATE_GREETING": "Hello",
        "TEMPLATE_CLOSING": "Bye",
        "license_activation_key": key.to_string(),
        "license_activation_link": format!("https://learn.example.com/acme/licenses/{key}/activate"),
        "enterprise_customer_slug": "acme",
        "enterprise_customer_name": "Acme",
        "enterprise_sender_alias": "",
        "enterprise_contact_email": "",
        "enterprise_reply_to": "",
    });
    assert_eq!(serde_json::Value::from(mail.properties), expected);
    let event = town.upstreams.told(|told| told.events.remove(0));
    assert_eq!(event.email, Some(email("amy@example.com")));
    assert_eq!(event.properties["license_activation_key"], key.to_string());
    assert_eq!(mail.attributes, event.properties, "the profile learns what the event says");
}

#[test]
fn a_mail_without_words_of_an_admin_has_empty_ones() {
    let town = Town::new();
    let plan = town.world.plan(1);
    town.world.assign(plan, &learners(["amy@example.com"])).unwrap();
    let amy = LicenseSelection::Emails(vec![email("amy@example.com")]);
    town.world.manager.remind(plan, &amy, &ReminderMail::default()).unwrap();
    town.deliver();
    let mails = town.upstreams.told(|told| std::mem::take(&mut told.mails));
    assert_eq!(mails.iter().map(|mail| mail.kind).collect::<Vec<_>>(), [MailKind::Assignment, MailKind::Reminder]);
    for mail in mails {
        assert_eq!(
            (&mail.properties["TEMPLATE_GREETING"], &mail.properties["TEMPLATE_CLOSING"]),
            (&"".into(), &"".into())
        );
        assert_eq!(mail.attributes["assigned_email"], "amy@example.com");
    }
}

#[test]
fn a_profile_learns_which_license_a_renewed_one_continues() {
    let town = Town::new();
    let prior = town.world.plan(1);
    town.world.assign(prior, &learners(["amy@example.com"])).unwrap();
    town.deliver();
    let original = town.world.license_of(prior, "amy@example.com").id;
    let renewed = town.world.renew(town.world.schedule(&town.world.terms(prior, 1))).unwrap();
    town.world.clock.advance(Duration::days(100));
    let amy = LicenseSelection::Emails(vec![email("amy@example.com")]);
    town.world.manager.remind(renewed, &amy, &ReminderMail::default()).unwrap();
    town.upstreams.told(|told| told.mails.clear());
    town.deliver();
    let reminder = town.upstreams.told(|told| told.mails.remove(0));
    let copy = town.world.license_of(renewed, "amy@example.com").id;
    assert_eq!(reminder.attributes["license_uuid"], copy.to_string());
    assert_eq!(reminder.attributes["previous_license_uuid"], original.to_string());
}

#[test]
fn an_invitation_of_an_earlier_version_is_still_mailed() {
    let town = Town::new();
    let plan = town.world.plan(1);
    town.world.assign(plan, &learners(["amy@example.com"])).unwrap();
    let mut message = town.world.store.outbox().remove(1);
    town.world.manager.discard_messages(&Actor::service(), &OutboxSelection::Messages(vec![message.id])).unwrap();
    let mut payload: serde_json::Value = serde_json::from_str(&message.payload.to_text()).unwrap();
    let described = &town.world.owed(Topic::LicenseEvent)[0]["properties"];
    payload["properties"] = described.clone();
    payload["properties"]["enterprise_customer_name"] = "As it was".into();
    message.payload = Payload::read(Topic::Assignment, payload.to_string());
    town.world.store.write(|unit| unit.outbox().add(std::slice::from_ref(&message))).unwrap();
    town.deliver();
    let mail = town.upstreams.told(|told| told.mails.remove(0));
    assert_eq!(
        (mail.to, &mail.attributes["enterprise_customer_name"]),
        (email("amy@example.com"), &"As it was".into())
    );
    assert_eq!(mail.properties["TEMPLATE_GREETING"], "");
}

#[test]
fn events_and_profiles_name_the_customer_as_the_agreement_and_mails_as_the_lms() {
    let town = Town::with(|manager| manager.with_directory(Arc::new(OnceDirectory(0.into()))));
    let plan = town.world.plan(1);
    town.world.assign(plan, &learners(["amy@example.com"])).unwrap();
    town.world.rewrite_agreement(|agreement| agreement.customer_name = Some("Renamed later".to_owned()));
    town.deliver();
    let mail = town.upstreams.told(|told| told.mails.remove(0));
    let event = town.upstreams.told(|told| told.events.remove(0));
    for (told, name, when) in
        [(&event.properties, "Acme", "when it happened"), (&mail.attributes, "Renamed later", "when it is delivered")]
    {
        let names = (&told["enterprise_customer_slug"], &told["enterprise_customer_name"]);
        assert_eq!(names, (&"acme".into(), &name.into()), "{when}");
    }
    let names = (&mail.properties["enterprise_customer_slug"], &mail.properties["enterprise_customer_name"]);
    assert_eq!(names, (&"acme-in-lms".into(), &"Acme in the LMS".into()));
}

#[test]
fn learners_are_linked_even_where_no_mail_is_wanted() {
    let town = Town::new();
    let quiet = AssignmentMail { notify: false, ..AssignmentMail::default() };
    town.world.manager.assign(&admin(), town.world.plan(1), &learners(["amy@example.com"]), &quiet).unwrap();
    town.deliver();
    assert_eq!(town.upstreams.calls(), ["link amy", "track assigned"]);
    assert_eq!(town.waiting(), []);
}

#[test]
fn a_learner_s_life_is_told_in_its_order() {
    let town = Town::new();
    let plan = town.world.plan(1);
    town.world.activate(plan, "amy@example.com", 7);
    town.deliver_queue(Queue::Mail);
    assert_eq!(town.upstreams.calls(), [""; 0], "the mail of the assignment comes after the learner is linked");
    town.deliver_queue(Queue::Lms);
    town.deliver_queue(Queue::Mail);
    assert_eq!(town.upstreams.calls(), ["link amy", "identify amy", "post_activation amy"]);
    town.world.revoke(plan, &["amy@example.com"]).unwrap();
    town.deliver_queue(Queue::Events);
    assert_eq!(town.upstreams.calls(), ["track activated", "track revoked"]);
    town.deliver_queue(Queue::Addresses);
    assert_eq!(town.upstreams.calls(), ["track assigned"], "she had no account yet: another service is told");
    town.deliver();
    assert_eq!(town.upstreams.calls(), ["end 7"]);
    assert_eq!(town.waiting(), []);
}

#[test]
fn what_goes_to_one_upstream_goes_together() {
    let town = Town::new();
    town.world.assign(town.world.plan(120), &crowd(120)).unwrap();
    town.deliver();
    let calls = town.upstreams.calls();
    let number = |kind: &str| calls.iter().filter(|call| call.starts_with(kind)).count();
    assert_eq!((number("link"), number("track"), number("assignment")), (3, 2, 3));
    let mut mailed: Vec<_> = town.upstreams.told(|told| told.mails.iter().map(|mail| mail.to.clone()).collect());
    mailed.sort();
    mailed.dedup();
    assert_eq!(mailed.len(), 120);
}

#[test]
fn who_is_reminded_is_noted_when_the_mail_has_gone_out() {
    let town = Town::new();
    let plan = town.world.plan(2);
    town.world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap();
    town.deliver();
    let everybody = LicenseSelection::Emails(vec![email("amy@example.com"), email("bob@example.com")]);
    town.world.clock.advance(Duration::days(1));
    town.world.manager.remind(plan, &everybody, &ReminderMail::default()).unwrap();
    let reminded = |address| town.world.license_of(plan, address).last_remind_date().unwrap();
    let assigned = beginning();

    town.upstreams.fail([away()]);
    town.deliver();
    assert_eq!((reminded("amy@example.com"), reminded("bob@example.com")), (assigned, assigned));

    // Bob begins to use his license before the mail goes out.
    let key = town.world.license_of(plan, "bob@example.com").activation_key().unwrap();
    town.world.manager.activate(&Actor::user("bob"), key, &person("bob@example.com", 8)).unwrap();
    town.world.clock.advance(Duration::minutes(2));
    town.deliver();
    assert_eq!(reminded("amy@example.com"), town.world.manager.now());
    assert_eq!(reminded("bob@example.com"), assigned, "his license does not wait for him any more");
    assert_eq!(town.waiting(), []);
}

#[test]
fn a_license_that_changes_hands_while_its_mail_goes_out_was_not_reminded() {
    let town = Town::new();
    let plan = town.world.plan(1);
    town.world.assign(plan, &learners(["amy@example.com"])).unwrap();
    town.deliver();
    town.world.clock.advance(Duration::days(1));
    let amy = LicenseSelection::Emails(vec![email("amy@example.com")]);
    town.world.manager.remind(plan, &amy, &ReminderMail::default()).unwrap();
    let queue = town.due().unwrap().remove(0);
    let batch = town.deliveries.claim(queue).unwrap();
    let outcome = at_once(town.deliveries.deliver(&batch));
    let license = town.world.license_of(plan, "amy@example.com").id;
    let edit = LicenseEdit { user_email: Some(email("bob@example.com")), ..LicenseEdit::default() };
    town.world.manager.edit_license(&admin(), license, edit).unwrap();
    town.deliveries.settle(&batch, &outcome).unwrap();
    assert_eq!(town.waiting(), []);
    assert_eq!(town.world.license_of(plan, "bob@example.com").last_remind_date(), Some(beginning()));
}

#[test]
fn what_fails_is_tried_five_times_and_then_parked() {
    let town = Town::new();
    let quiet = AssignmentMail { notify: false, ..AssignmentMail::default() };
    town.world.manager.assign(&admin(), town.world.plan(1), &learners(["amy@example.com"]), &quiet).unwrap();
    town.deliver_queue(Queue::Addresses);
    town.upstreams.calls();
    town.upstreams.fail((0..5).map(|_| away()));
    let mut pauses = Vec::new();
    for attempt in 1..=4 {
        town.deliver();
        let [waiting] = &town.waiting()[..] else { panic!("one message waits") };
        assert_eq!((waiting.attempts, waiting.dead_lettered_at), (attempt, None));
        assert_eq!(waiting.last_error.as_deref(), Some("answered 502 Bad Gateway"));
        pauses.push((waiting.not_before - town.world.manager.now()).num_seconds());
        town.world.clock.advance(waiting.not_before - town.world.manager.now() - Duration::seconds(1));
        assert_eq!(town.due(), Ok(vec![]), "not before its time");
        town.world.clock.advance(Duration::seconds(1));
    }
    for (pause, around) in pauses.iter().zip([60, 120, 240, 480]) {
        assert!((around * 3 / 4..=around * 5 / 4).contains(pause), "{pauses:?}");
    }
    town.deliver();
    assert_eq!(town.upstreams.calls().len(), 5);
    assert_eq!(town.dead_lettered()[0].attempts, 5);
    town.world.clock.advance(Duration::days(10));
    town.deliver();
    assert_eq!(town.upstreams.calls(), [""; 0], "nobody tries any more");

    assert_eq!(town.world.manager.retry_messages(&Actor::service(), &OutboxSelection::DeadLettered(None)), Ok(1));
    town.deliver();
    assert_eq!(town.upstreams.calls(), ["link amy"]);
    assert_eq!(town.waiting(), []);
}

#[test]
fn one_who_is_refused_keeps_nobody_else_waiting() {
    let town = Town::new();
    town.world.assign(town.world.plan(50), &crowd(50)).unwrap();
    town.upstreams.told(|told| told.refused = vec!["learner7@example.com".to_owned()]);
    town.deliver_queue(Queue::Lms);
    let calls = town.upstreams.calls();
    assert!((7..=13).contains(&calls.len()), "halves of halves: {calls:?}");
    let [parked] = &town.dead_lettered()[..] else { panic!("one message is parked") };
    assert_eq!(parked.last_error.as_deref(), Some("answered 400 Bad Request"));
    assert_eq!(town.due(), Ok(vec![Queue::Mail, Queue::Addresses]));
    town.upstreams.told(|told| told.refused.clear());
    town.deliver();
    assert_eq!(town.upstreams.told(|told| told.mails.len()), 49);
    assert_eq!(town.waiting().len(), 1);
}

#[test]
fn a_mail_that_fails_alone_keeps_its_reason_and_stops_no_other() {
    let town = Town::new();
    town.world.assign(town.world.plan(4), &crowd(4)).unwrap();
    let address = |number: usize| format!("learner{number}@example.com");
    town.upstreams.told(|told| {
        let later = Undelivered::Unavailable("answered 451".to_owned());
        let never = Undelivered::Refused("answered 550".to_owned());
        told.bouncing = vec![(address(1), later), (address(2), never)];
    });
    town.deliver();
    let mailed =
        || town.upstreams.told(|told| told.mails.iter().map(|mail| mail.to.as_str().to_owned()).collect::<Vec<_>>());
    assert_eq!(mailed(), [address(0), address(3)]);
    let reasons: Vec<_> = town.waiting().into_iter().map(|waiting| (waiting.last_error, waiting.attempts)).collect();
    assert_eq!(reasons, [(Some("answered 451".to_owned()), 1), (Some("answered 550".to_owned()), 1)]);
    assert_eq!(town.dead_lettered().len(), 1);
    town.upstreams.told(|told| told.bouncing.clear());
    town.world.clock.advance(Duration::minutes(2));
    town.deliver();
    assert_eq!(mailed(), [address(0), address(3), address(1)], "nobody is mailed twice");
}

#[test]
fn a_mail_that_was_not_tried_waits_and_loses_no_attempt() {
    let town = Town::new();
    town.world.assign(town.world.plan(2), &crowd(2)).unwrap();
    let address = |number: usize| format!("learner{number}@example.com");
    let reasons = ["answered 421", "was not asked again after others failed: answered 421"];
    town.upstreams.told(|told| {
        let failed = Undelivered::Unavailable(reasons[0].to_owned());
        told.bouncing = vec![(address(0), failed), (address(1), Undelivered::Untried(reasons[1].to_owned()))];
    });
    for attempts in 1..=4 {
        town.deliver();
        let waiting: Vec<_> =
            town.waiting().into_iter().map(|waiting| (waiting.last_error.unwrap(), waiting.attempts)).collect();
        assert_eq!(waiting, [(reasons[0].to_owned(), attempts), (reasons[1].to_owned(), 0)]);
        assert!(
            town.waiting().iter().all(|waiting| waiting.not_before > town.world.manager.now()),
            "none is tried at once"
        );
        town.world.clock.advance(Duration::hours(1));
    }
    town.upstreams.told(|told| told.bouncing.clear());
    town.deliver();
    assert_eq!(town.waiting(), []);
}

#[test]
fn a_upstream_that_is_busy_is_left_alone_and_costs_no_try() {
    let town = Town::new();
    town.world.assign(town.world.plan(60), &crowd(60)).unwrap();
    let until = town.world.manager.now() + Duration::seconds(30);
    town.upstreams.fail([Undelivered::Busy(until)]);
    let batch = town.deliveries.claim(Queue::Lms).unwrap();
    let outcome = at_once(town.deliveries.deliver(&batch));
    assert_eq!(outcome.rest_until(), Some(until));
    town.deliveries.settle(&batch, &outcome).unwrap();
    assert_eq!(town.upstreams.calls().len(), 1);
    let postponed: Vec<_> = town.waiting().into_iter().filter(|waiting| waiting.not_before == until).collect();
    assert_eq!(postponed.len(), 50);
    assert!(postponed.iter().all(|waiting| waiting.attempts == 0 && waiting.last_error.is_none()));
    town.deliver_queue(Queue::Lms);
    town.world.clock.advance(Duration::seconds(30));
    town.deliver();
    assert_eq!(town.waiting(), []);
}

#[test]
fn a_upstream_cannot_ask_to_be_left_alone_for_ever() {
    for (wanted, granted) in [(Duration::days(9), Duration::minutes(10)), (Duration::days(-9), Duration::seconds(1))] {
        let town = Town::new();
        town.world.assign(town.world.plan(1), &crowd(1)).unwrap();
        let now = town.world.manager.now();
        town.upstreams.fail([Undelivered::Busy(now + wanted)]);
        let batch = town.deliveries.claim(Queue::Lms).unwrap();
        let outcome = at_once(town.deliveries.deliver(&batch));
        assert_eq!(outcome.rest_until(), Some(now + granted));
    }
}

#[test]
fn a_lane_whose_upstream_is_away_holds_up_no_other() {
    let town = Town::new();
    let plan = town.world.plan(2);
    town.world.activate(plan, "amy@example.com", 7);
    town.deliver();
    town.upstreams.calls();
    town.world.assign(plan, &learners(["bob@example.com"])).unwrap();
    town.upstreams.fail([away()]);
    town.deliver_queue(Queue::Lms);
    town.deliver();
    assert_eq!(town.upstreams.calls(), ["link bob", "track assigned"]);
}

#[test]
fn a_claim_that_ended_settles_nothing() {
    let town = Town::new();
    town.world.assign(town.world.plan(1), &crowd(1)).unwrap();
    let slow = town.deliveries.claim(Queue::Addresses).unwrap();
    let outcome = at_once(town.deliveries.deliver(&slow));
    assert!(!town.deliver_one(Queue::Addresses), "it is claimed");
    town.world.clock.advance(Duration::seconds(119));
    town.deliveries.prolong(&slow).unwrap();
    town.world.clock.advance(Duration::seconds(119));
    assert!(!town.deliver_one(Queue::Addresses), "and prolonged");
    town.world.clock.advance(Duration::seconds(1));
    let other = town.deliveries.claim(Queue::Addresses).unwrap();
    assert_eq!(other.len(), 1);
    town.deliveries.settle(&slow, &outcome).unwrap();
    let waiting = |town: &Town| town.waiting().iter().filter(|waiting| waiting.queue == "addresses").count();
    assert_eq!(waiting(&town), 1, "somebody else delivers it now");
    town.deliveries
        .settle(&other, &town.deliveries.panicked_outcome(&other, "its delivery ended unexpectedly"))
        .unwrap();
    assert_eq!(waiting(&town), 1);
}

#[test]
fn without_upstreams_nothing_stays() {
    let world = World::new();
    let plan = world.plan(3);
    world.activate(plan, "amy@example.com", 7);
    world.revoke(plan, &["amy@example.com"]).unwrap();
    let upstreams = Upstreams::default();
    let town = Town { deliveries: Town::deliveries_of(&world.manager), world, upstreams };
    town.deliver();
    assert_eq!(town.waiting(), []);
}

#[test]
fn a_message_of_another_version_is_parked_in_time() {
    let town = Town::new();
    let mut message = {
        town.world.assign(town.world.plan(1), &crowd(1)).unwrap();
        town.world.store.outbox().remove(0)
    };
    message.id = MessageId(uuid::Uuid::from_u128(77));
    message.payload = Payload::read(Topic::Unknown, message.payload.to_text());
    message.license = None;
    town.world.store.write(|unit| unit.outbox().add(std::slice::from_ref(&message))).unwrap();
    for _ in 0..5 {
        town.deliver();
        town.world.clock.advance(Duration::minutes(15));
    }
    let [parked] = &town.dead_lettered()[..] else { panic!("one message is parked") };
    assert_eq!(parked.id, message.id);
}

#[test]
fn a_payload_that_cannot_be_read_is_dead_lettered_at_once() {
    let town = Town::new();
    town.world.assign(town.world.plan(1), &crowd(1)).unwrap();
    let mut message = town.world.store.outbox().remove(0);
    message.id = MessageId(uuid::Uuid::from_u128(77));
    message.payload = Payload::read(Topic::Assignment, "{\"secret@example.com\"".to_owned());
    town.world.store.write(|unit| unit.outbox().add(std::slice::from_ref(&message))).unwrap();
    town.deliver();
    let [parked] = &town.dead_lettered()[..] else { panic!("one message is parked") };
    assert_eq!((parked.id, parked.last_error.as_deref()), (message.id, Some("its payload cannot be read")));
}

/// A directory that answers once and is away from then on.
struct OnceDirectory(std::sync::atomic::AtomicUsize);

#[async_trait]
impl EnterpriseDirectory for OnceDirectory {
    async fn customer(&self, customer: CustomerId) -> Result<EnterpriseCustomer, Error> {
        match self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Ok(EnterpriseCustomer {
                contact_email: Some("help@acme.example.com".to_owned()),
                sender_alias: Some("Acme Learning".to_owned()),
                has_identity_provider: true,
                ..EnterpriseCustomer::new(customer, "acme-in-lms", "Acme in the LMS")
            }),
            _ => Err(Error::Upstream { upstream: Upstream::Lms, problem: "did not answer in time".to_owned() }),
        }
    }
}

#[test]
fn a_customer_is_asked_for_once_in_five_minutes_and_remembered_while_the_lms_is_away() {
    let directory = Arc::new(OnceDirectory(0.into()));
    let asked = || directory.0.load(std::sync::atomic::Ordering::Relaxed);
    let town = Town::with(|manager| manager.with_directory(directory.clone()));
    let plan = town.world.plan(4);
    for (address, minutes, times) in
        [("amy@example.com", 0, 1), ("bob@example.com", 4, 1), ("eve@example.com", 1, 2), ("joe@example.com", 0, 3)]
    {
        town.world.clock.advance(Duration::minutes(minutes));
        town.world.assign(plan, &learners([address])).unwrap();
        town.deliver();
        assert_eq!(asked(), times, "{address}");
    }
    let mails = town.upstreams.told(|told| std::mem::take(&mut told.mails));
    assert_eq!(mails.len(), 4);
    for mail in mails {
        assert_eq!(mail.properties["enterprise_sender_alias"], "Acme Learning");
        assert_eq!(mail.properties["enterprise_contact_email"], "help@acme.example.com");
        assert!(mail.properties["license_activation_link"].as_str().unwrap().contains("/acme-in-lms/licenses/"));
    }
}

#[test]
fn an_lms_that_never_answered_keeps_mails_waiting() {
    let town = Town::with(|manager| manager.with_directory(Arc::new(OnceDirectory(1.into()))));
    town.world.assign(town.world.plan(1), &crowd(1)).unwrap();
    town.deliver();
    assert_eq!(town.upstreams.calls(), ["link learner0", "track assigned"]);
    let waiting = town.waiting();
    assert_eq!(waiting[0].last_error.as_deref(), Some("The LMS did not answer in time."));
}

/// A directory that lets everybody wait for ten seconds, and then has nothing to say.
#[derive(Default)]
struct HangingDirectory {
    clock: std::sync::OnceLock<Arc<FixedClock>>,
    asked: std::sync::atomic::AtomicUsize,
}

#[async_trait]
impl EnterpriseDirectory for HangingDirectory {
    async fn customer(&self, _: CustomerId) -> Result<EnterpriseCustomer, Error> {
        self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.clock.get().unwrap().advance(Duration::seconds(10));
        Err(Error::Upstream { upstream: Upstream::Lms, problem: "did not answer in time".to_owned() })
    }
}

#[test]
fn an_lms_that_hangs_is_not_asked_again_for_half_a_minute() {
    let directory = Arc::new(HangingDirectory::default());
    let asked = || directory.asked.load(std::sync::atomic::Ordering::Relaxed);
    let town = Town::with(|manager| manager.with_directory(directory.clone()));
    let _ = directory.clock.set(town.world.clock.clone());
    town.world.assign(town.world.plan(30), &crowd(30)).unwrap();
    town.deliver();
    assert_eq!((asked(), town.waiting().len()), (1, 30), "one question for all of them");
    town.world.clock.advance(Duration::minutes(2));
    town.deliver();
    assert_eq!(asked(), 2);
}
