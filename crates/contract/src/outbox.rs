//! Adding messages to the outbox.

use std::sync::Arc;

use license_manager_domain::outbox::{Invitation, MailWords, Message, OutboxSelection, Payload, Topic};
use license_manager_domain::ports::{Store, StoreExt};
use license_manager_domain::queue::{Claim, Lease, Queue, Settlement};
use license_manager_domain::{Entity, Error, MailWordsId, MessageId};
use uuid::Uuid;

use super::fixtures::*;
use super::{Database, Waiting};

fn message(number: u128, topic: Topic, payload: &str) -> Message {
    Message {
        // Ids sort in the opposite order of creation.
        id: MessageId(Uuid::from_u128(u128::MAX - number)),
        license: number.is_multiple_of(2).then_some(license_id(1)),
        plan: Some(plan_id(1)),
        customer: customer(1),
        payload: Payload::read(topic, payload.to_owned()),
        created: day(1),
    }
}

/// The messages of a license are read in their order.
pub fn messages_wait_in_the_order_of_promising(db: &dyn Database) {
    let store = db.store();
    let messages: Vec<Message> = (0..100)
        .map(|number| {
            let topic = if number < 50 { Topic::Assignment } else { Topic::RevocationCapMail };
            message(number, topic, &format!(r#"{{"number":{number}}}"#))
        })
        .collect();
    store.write(|unit| unit.outbox().add(&messages[..70])).unwrap();
    store
        .write(|unit| {
            unit.outbox().add(&messages[70..80])?;
            unit.outbox().add(&messages[80..])
        })
        .unwrap();
    let expected: Vec<Waiting> = messages
        .into_iter()
        .map(|message| Waiting {
            topic: message.payload.topic().as_str().to_owned(),
            license: message.license,
            payload: message.payload.to_text(),
        })
        .collect();
    assert_eq!(db.outbox(), expected);
}

/// Operators see how much waits.
pub fn messages_that_wait_are_counted(db: &dyn Database) {
    let store = db.store();
    assert_eq!(store.read(|unit| unit.outbox().count()), Ok(0));
    let messages: Vec<Message> = (0..3).map(|number| message(number, Topic::Assignment, "{}")).collect();
    store.write(|unit| unit.outbox().add(&messages)).unwrap();
    assert_eq!(store.read(|unit| unit.outbox().count()), Ok(3));
}

/// The delivered message is the one that was written.
pub fn a_payload_waits_letter_by_letter(db: &dyn Database) {
    let payload = r#"{ "greeting": "Grüß \"dich\"\n\\ 'so' $1 ?1 %s 🎓", "b": 1.0, "a": null }"#;
    db.store().write(|unit| unit.outbox().add(&[message(1, Topic::Assignment, payload)])).unwrap();
    assert_eq!(db.outbox()[0].payload, payload);
}

/// Nobody is told of something that did not happen.
pub fn messages_of_work_that_failed_do_not_wait(db: &dyn Database) {
    let store = db.store();
    let failed: Result<(), Error> = store.write(|unit| {
        unit.outbox().add(&[message(1, Topic::LicenseEvent, "{}")])?;
        Err(Error::NotFound(Entity::License))
    });
    assert_eq!(failed, Err(Error::NotFound(Entity::License)));
    assert_eq!(db.outbox(), []);
}

/// Messages about a customer are kept as well.
pub fn a_message_need_not_be_about_a_plan(db: &dyn Database) {
    let message = Message { plan: None, ..message(1, Topic::BulkEnrollment, "{}") };
    db.store().write(|unit| unit.outbox().add(std::slice::from_ref(&message))).unwrap();
    assert_eq!(db.outbox()[0].topic, "bulk_enrollment");
}

fn words(number: u128) -> Arc<MailWords> {
    let id = MailWordsId(Uuid::from_u128(number));
    Arc::new(MailWords { id, greeting: format!("Grüß \"dich\" {number}\n\\ '🎓'"), closing: String::new() })
}

/// A reminder with words. Odd numbers are about no license.
fn reminder(number: u128, words: Option<&Arc<MailWords>>) -> Message {
    let invitation = Invitation {
        email: email(&format!("learner-{number}@example.com")),
        activation_key: key(number),
        mail: None,
        words: words.cloned(),
        properties: None,
    };
    Message { payload: Payload::Reminder(invitation), ..message(number, Topic::Reminder, "{}") }
}

const LEASE: Lease = Lease { id: Uuid::from_u128(1), queue: Queue::Mail };

fn claimed(store: &dyn Store) -> Vec<Message> {
    let claim = Claim { lease: LEASE, now: day(1), until: day(2), limit: 100 };
    let claimed = store.write(|unit| unit.queue().claim(&claim)).unwrap();
    claimed.into_iter().map(|claimed| claimed.message).collect()
}

/// A mail to a million learners is stored once.
pub fn words_are_stored_once_for_all_messages_that_have_them(db: &dyn Database) {
    let store = db.store();
    let (one, other) = (words(1), words(2));
    let messages = [Some(&one), Some(&one), Some(&other), None, Some(&one)];
    let messages: Vec<Message> =
        (0..).step_by(2).zip(messages).map(|(number, words)| reminder(number + 1, words)).collect();
    store
        .write(|unit| {
            unit.outbox().add(&messages[..2])?;
            unit.outbox().add(&messages[2..])
        })
        .unwrap();
    assert_eq!(db.words(), 2);
    assert!(db.outbox().iter().all(|waiting| !waiting.payload.contains("dich")), "{:?}", db.outbox());
    assert_eq!(claimed(&*store), messages, "each comes back with its words");
}

/// Words of delivered mails do not pile up.
pub fn words_go_with_their_last_message(db: &dyn Database) {
    let store = db.store();
    let shared = words(1);
    let messages = [1, 3, 5].map(|number| reminder(number, Some(&shared)));
    let add = |messages: &[Message]| store.write(|unit| unit.outbox().add(messages)).unwrap();
    add(&messages);
    assert_eq!(claimed(&*store).len(), 3);
    let settle = |messages: &[Message]| {
        let done: Vec<_> = messages.iter().map(|message| Settlement::completed(message.id.0, day(1))).collect();
        store.write(|unit| unit.queue().settle(LEASE, &done)).unwrap();
    };
    settle(&messages[..2]);
    assert_eq!(db.words(), 1, "one still has them");
    settle(&messages[2..]);
    assert_eq!(db.words(), 0, "delivered");

    add(&messages);
    let all = OutboxSelection::Messages(messages.iter().map(|message| message.id).collect());
    assert_eq!(store.write(|unit| unit.outbox().discard(&all, day(1))), Ok(3));
    assert_eq!(db.words(), 0, "dropped");

    let about_a_license = reminder(2, Some(&shared));
    add(std::slice::from_ref(&about_a_license));
    assert_eq!(db.words(), 1);
    store.write(|unit| unit.retirement().erase_messages(&[license_id(1)], &[])).unwrap();
    assert_eq!(db.words(), 0, "erased with the person");
}

/// Messages that wait survive an upgrade.
pub fn words_of_an_earlier_version_stay_in_the_payload(db: &dyn Database) {
    let store = db.store();
    let key = key(1);
    let payload =
        format!(r#"{{"email":"amy@example.com","activation_key":"{key}","greeting":"Hello","closing":"Bye"}}"#);
    let message = message(1, Topic::Reminder, &payload);
    store.write(|unit| unit.outbox().add(std::slice::from_ref(&message))).unwrap();
    assert_eq!((db.words(), db.outbox()[0].payload.as_str()), (0, payload.as_str()));
    assert_eq!(claimed(&*store), [message]);
}
