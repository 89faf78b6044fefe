//! What was promised goes to the upstreams, in order and at least once.

use crate::support::upstreams::*;
use crate::support::*;
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
    town.world.manager.remind(&admin(), plan, &amy, &ReminderMail::default()).unwrap();
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
    town.world.manager.remind(&admin(), renewed, &amy, &ReminderMail::default()).unwrap();
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
    town.world.manager.remind(&admin(), plan, &everybody, &ReminderMail::default()).unwrap();
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
    town.world.manager.remind(&admin(), plan, &amy, &ReminderMail::default()).unwrap();
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
