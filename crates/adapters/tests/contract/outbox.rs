//! Adding messages to the outbox.

use license_manager_domain::outbox::{Message, Payload, Topic};
use license_manager_domain::ports::StoreExt;
use license_manager_domain::{Entity, Error, MessageId};
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
    assert_eq!(store.read(|unit| unit.outbox().count()), Ok(100));
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

pub fn a_payload_waits_letter_by_letter(db: &dyn Database) {
    let payload = r#"{ "greeting": "Grüß \"dich\"\n\\ 'so' $1 ?1 %s 🎓", "b": 1.0, "a": null }"#;
    db.store().write(|unit| unit.outbox().add(&[message(1, Topic::Assignment, payload)])).unwrap();
    assert_eq!(db.outbox()[0].payload, payload);
}

pub fn messages_of_work_that_failed_do_not_wait(db: &dyn Database) {
    let store = db.store();
    let failed: Result<(), Error> = store.write(|unit| {
        unit.outbox().add(&[message(1, Topic::LicenseEvent, "{}")])?;
        Err(Error::NotFound(Entity::License))
    });
    assert_eq!(failed, Err(Error::NotFound(Entity::License)));
    assert_eq!(store.read(|unit| unit.outbox().count()), Ok(0));
}

pub fn a_message_need_not_be_about_a_plan(db: &dyn Database) {
    let message = Message { plan: None, ..message(1, Topic::BulkEnrollment, "{}") };
    db.store().write(|unit| unit.outbox().add(std::slice::from_ref(&message))).unwrap();
    assert_eq!(db.outbox()[0].topic, "bulk_enrollment");
}
