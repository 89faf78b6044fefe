//! Claiming and settling messages.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use license_manager_domain::outbox::{ClaimedMessage, Message, OutboxSelection, Payload, Topic};
use license_manager_domain::ports::{OutboxFilter, Store, StoreExt};
use license_manager_domain::queue::{Backlog, Claim, Lease, Queue, QueueKind, Settlement, Step};
use license_manager_domain::{LicenseId, MessageId};
use uuid::Uuid;

use super::Database;
use super::fixtures::*;

fn id(number: u128) -> MessageId {
    // Ids sort in the opposite order of their creation.
    MessageId(Uuid::from_u128(u128::MAX - number))
}

fn message(number: u128, topic: Topic, license: Option<u128>) -> Message {
    Message {
        id: id(number),
        license: license.map(license_id),
        plan: Some(plan_id(1)),
        customer: customer(1),
        payload: Payload::read(topic, r#"{"mail":true}"#.to_owned()),
        created: day(1),
    }
}

fn promise(store: &dyn Store, messages: &[Message]) {
    store.write(|unit| unit.outbox().add(messages)).unwrap();
}

/// Claims with this number for an hour.
fn claim_at(store: &dyn Store, number: u128, queue: Queue, now: DateTime<Utc>, limit: usize) -> Vec<ClaimedMessage> {
    let lease = Lease { id: Uuid::from_u128(number), queue };
    let claim = Claim { lease, now, until: now + Duration::hours(1), limit };
    store.write(|unit| unit.queue().claim(&claim)).unwrap()
}

fn events(number: u128) -> Lease {
    Lease { id: Uuid::from_u128(number), queue: Queue::Events }
}

fn claim(store: &dyn Store, number: u128, queue: Queue) -> Vec<ClaimedMessage> {
    claim_at(store, number, queue, day(1), 100)
}

fn ids(claimed_messages: &[ClaimedMessage]) -> Vec<MessageId> {
    claimed_messages.iter().map(|claimed_message| claimed_message.message.id).collect()
}

/// Settles what the claim of this number holds, in whichever queue that is.
fn settle(store: &dyn Store, number: u128, done: &[MessageId], others: &[Settlement]) {
    let done = done.iter().map(|message| Settlement::completed(message.0, day(1)));
    let all: Vec<Settlement> = done.chain(others.iter().cloned()).collect();
    let id = Uuid::from_u128(number);
    let mut queues = Queue::MESSAGES.into_iter();
    store.write(|unit| queues.try_for_each(|queue| unit.queue().settle(Lease { id, queue }, &all))).unwrap();
}

/// A claimed message that is dead-lettered.
fn dead_lettered(claimed: &ClaimedMessage) -> Settlement {
    Settlement {
        attempts: 5,
        error: Some("answered 502 Bad Gateway".to_owned()),
        dead_lettered_at: Some(day(2)),
        steps: claimed.steps,
        ..Settlement::due(claimed.message.id.0, day(1))
    }
}

/// A claimed message whose step is done.
fn advanced(claimed: &ClaimedMessage) -> Settlement {
    Settlement { steps: &claimed.steps[1..], ..Settlement::due(claimed.message.id.0, day(1)) }
}

/// The work that waits longest comes first.
pub fn messages_are_claimed_in_the_order_of_promising(db: &dyn Database) {
    let store = db.store();
    let events: Vec<Message> = (0..30).map(|number| message(number, Topic::LicenseEvent, Some(number))).collect();
    promise(&*store, &events);
    promise(&*store, &[message(90, Topic::Assignment, Some(90)), message(91, Topic::LicenseEvent, None)]);
    let earlier = Message { created: day(0), ..message(92, Topic::LicenseEvent, None) };
    promise(&*store, std::slice::from_ref(&earlier));

    let first = claim_at(&*store, 1, Queue::Events, day(1), 20);
    let expected: Vec<Message> = [&[earlier], &events[..19]].concat();
    let got: Vec<Message> = first.iter().map(|claimed_message| claimed_message.message.clone()).collect();
    assert_eq!(got, expected, "each as it was promised");
    assert!(first.iter().all(|claimed_message| claimed_message.attempts == 0 && claimed_message.step() == Step::Track));
    let rest: Vec<MessageId> = (19..30).map(id).chain([id(91)]).collect();
    assert_eq!(ids(&claim(&*store, 2, Queue::Events)), rest);
    assert_eq!(claim(&*store, 3, Queue::Events), []);
    assert_eq!(ids(&claim(&*store, 3, Queue::Lms)), [id(90)]);
}

/// Workers look only at queues with work.
pub fn a_lane_is_due_where_something_can_be_claimed(db: &dyn Database) {
    let store = db.store();
    let due =
        |at| store.read(|unit| unit.queue().due(QueueKind::Messages, at)).unwrap().into_iter().collect::<BTreeSet<_>>();
    assert_eq!(due(day(1)), BTreeSet::new());
    promise(
        &*store,
        &[
            message(1, Topic::Assignment, Some(1)),
            message(2, Topic::LicenseEvent, Some(1)),
            message(3, Topic::Reminder, Some(1)),
        ],
    );
    assert_eq!(due(day(1) - Duration::microseconds(1)), BTreeSet::new());
    assert_eq!(due(day(1)), [Queue::Lms, Queue::Events].into(), "the reminder waits for the assignment's mail");
    let claimed_messages = claim(&*store, 1, Queue::Lms);
    assert_eq!(due(day(1)), [Queue::Events].into());
    settle(&*store, 1, &[], &[advanced(&claimed_messages[0])]);
    assert_eq!(due(day(1)), [Queue::Events, Queue::Mail].into());
}

/// Two workers do not send one mail, and a dead one holds nothing for long.
pub fn what_is_claimed_is_nobody_else_s_until_the_claim_ends(db: &dyn Database) {
    let store = db.store();
    promise(&*store, &[message(1, Topic::LicenseEvent, None), message(2, Topic::LicenseEvent, None)]);
    let all = [id(1), id(2)];
    assert_eq!(ids(&claim(&*store, 1, Queue::Events)), all);
    let end = day(1) + Duration::hours(1);
    assert_eq!(claim_at(&*store, 2, Queue::Events, end - Duration::microseconds(1), 10), []);
    store.write(|unit| unit.queue().prolong(events(1), &[id(2).0], end + Duration::hours(1))).unwrap();
    store
        .write(|unit| unit.queue().prolong(events(7), &all.map(|message| message.0), end + Duration::hours(9)))
        .unwrap();
    assert_eq!(ids(&claim_at(&*store, 2, Queue::Events, end, 10)), [id(1)], "the other one was prolonged");
    let held = |claim| store.write(|unit| unit.queue().held(events(claim), &all.map(|message| message.0))).unwrap();
    assert_eq!((held(1), held(2)), (vec![id(2).0], vec![id(1).0]));
}

/// A revocation never overtakes the assignment before it.
pub fn messages_of_a_license_are_claimed_one_after_another(db: &dyn Database) {
    let store = db.store();
    promise(
        &*store,
        &[
            message(1, Topic::LicenseEvent, Some(1)),
            message(2, Topic::LicenseEvent, Some(2)),
            message(3, Topic::LicenseEvent, Some(1)),
            message(4, Topic::LicenseEvent, Some(1)),
        ],
    );
    for (round, expected) in [vec![id(1), id(2)], vec![id(3)], vec![id(4)], vec![]].into_iter().enumerate() {
        let round = round as u128;
        let claimed_messages = claim(&*store, round, Queue::Events);
        assert_eq!(ids(&claimed_messages), expected);
        assert_eq!(claim(&*store, 99, Queue::Events), [], "what comes next waits for what is under way");
        settle(&*store, round, &ids(&claimed_messages), &[]);
    }
    assert_eq!(db.outbox(), []);
}

/// The order of a license's messages holds across queues.
pub fn a_message_waits_for_an_earlier_one_that_has_yet_to_come_to_its_lane(db: &dyn Database) {
    let store = db.store();
    promise(&*store, &[message(1, Topic::Assignment, Some(1)), message(2, Topic::Reminder, Some(1))]);
    assert_eq!(claim(&*store, 1, Queue::Mail), [], "the mail of the assignment comes first");
    let claimed_messages = claim(&*store, 1, Queue::Lms);
    settle(&*store, 1, &[], &[advanced(&claimed_messages[0])]);
    let claimed_messages = claim(&*store, 2, Queue::Mail);
    assert_eq!(ids(&claimed_messages), [id(1)]);
    assert_eq!(claimed_messages[0].step(), Step::Mail);
    settle(&*store, 2, &[id(1)], &[]);
    assert_eq!(ids(&claim(&*store, 3, Queue::Mail)), [id(2)]);
}

/// A message that waits for one service does not hold up another.
pub fn a_message_waits_for_none_that_has_left_its_lane(db: &dyn Database) {
    let store = db.store();
    promise(&*store, &[message(1, Topic::Assignment, Some(1)), message(2, Topic::EndEnrollments, Some(1))]);
    let claimed_messages = claim(&*store, 1, Queue::Lms);
    assert_eq!(ids(&claimed_messages), [id(1)]);
    settle(&*store, 1, &[], &[advanced(&claimed_messages[0])]);
    assert_eq!(ids(&claim(&*store, 2, Queue::Lms)), [id(2)], "though the mail is still owed");
}

/// One broken message does not stop a license.
pub fn a_parked_message_is_left_alone_and_holds_up_nobody(db: &dyn Database) {
    let store = db.store();
    promise(&*store, &[message(1, Topic::LicenseEvent, Some(1)), message(2, Topic::LicenseEvent, Some(1))]);
    let claimed_messages = claim(&*store, 1, Queue::Events);
    settle(&*store, 1, &[], &[dead_lettered(&claimed_messages[0])]);
    assert_eq!(ids(&claim_at(&*store, 2, Queue::Events, day(100), 10)), [id(2)]);
}

/// A service that failed gets its pause.
pub fn what_failed_is_due_when_it_says(db: &dyn Database) {
    let store = db.store();
    promise(&*store, &[message(1, Topic::LicenseEvent, Some(1)), message(2, Topic::LicenseEvent, Some(1))]);
    let claimed_messages = claim(&*store, 1, Queue::Events);
    let again = Settlement { attempts: 3, due: day(5), dead_lettered_at: None, ..dead_lettered(&claimed_messages[0]) };
    settle(&*store, 1, &[], &[again]);
    assert_eq!(claim_at(&*store, 2, Queue::Events, day(4), 10), [], "what comes after it waits too");
    let claimed_messages = claim_at(&*store, 2, Queue::Events, day(5), 10);
    assert_eq!((ids(&claimed_messages), claimed_messages[0].attempts), (vec![id(1)], 3));
}

/// A worker that was too slow cannot undo what the next one did.
pub fn what_a_claim_does_not_hold_stays_as_it_is(db: &dyn Database) {
    let store = db.store();
    promise(&*store, &[message(1, Topic::LicenseEvent, Some(1)), message(2, Topic::LicenseEvent, Some(2))]);
    let claimed_messages = claim(&*store, 1, Queue::Events);
    let later = day(2);
    assert_eq!(claim_at(&*store, 2, Queue::Events, later, 10).len(), 2, "the first claim has ended");
    settle(&*store, 1, &[id(1)], &[dead_lettered(&claimed_messages[1])]);
    let held = store.write(|unit| unit.queue().held(events(2), &[id(1).0, id(2).0])).unwrap();
    assert_eq!(held.into_iter().collect::<BTreeSet<_>>(), [id(1).0, id(2).0].into());
    settle(&*store, 2, &[id(1), id(2)], &[]);
    assert_eq!(db.outbox(), []);
}

/// A thousand activations cause one look, not a thousand mails.
pub fn a_plan_s_utilization_is_looked_at_once(db: &dyn Database) {
    let store = db.store();
    let look =
        |number, plan| Message { plan: Some(plan_id(plan)), ..message(number, Topic::UtilizationThresholds, None) };
    promise(&*store, &[look(1, 1), look(2, 2), look(3, 1), message(4, Topic::RevocationCapMail, None), look(5, 1)]);
    assert_eq!(ids(&claim(&*store, 1, Queue::Mail)), [id(1), id(2), id(4)]);
    assert_eq!(store.read(|unit| unit.outbox().count()), Ok(3), "the others ask for the same");
    promise(&*store, &[look(6, 1)]);
    assert_eq!(claim(&*store, 2, Queue::Mail), [], "after the one under way");
    settle(&*store, 1, &[id(1), id(2), id(4)], &[]);
    assert_eq!(ids(&claim(&*store, 2, Queue::Mail)), [id(6)]);
}

/// Messages of a newer version are kept for it, not lost.
pub fn a_topic_that_is_not_known_is_claimed_as_such(db: &dyn Database) {
    let store = db.store();
    promise(&*store, &[message(1, Topic::Unknown, None)]);
    let claimed_messages = claim(&*store, 1, Queue::Events);
    assert_eq!(
        (claimed_messages[0].message.payload.topic(), claimed_messages[0].step()),
        (Topic::Unknown, Step::Unknown)
    );
}

/// Operators see the waiting messages, without email addresses.
pub fn waiting_messages_are_listed(db: &dyn Database) {
    let store = db.store();
    promise(
        &*store,
        &[
            message(1, Topic::Assignment, Some(1)),
            message(2, Topic::LicenseEvent, None),
            message(3, Topic::LicenseEvent, Some(3)),
        ],
    );
    let claimed_messages = claim(&*store, 1, Queue::Events);
    settle(&*store, 1, &[], &[dead_lettered(&claimed_messages[1])]);
    let list = |dead_lettered_only, topic: Option<&str>, limit| {
        let filter = OutboxFilter { dead_lettered_only, topic: topic.map(str::to_owned) };
        store.read(|unit| unit.outbox().list(&filter, limit)).unwrap()
    };
    let shown = list(false, None, 10);
    let lanes: Vec<_> =
        shown.iter().map(|waiting| (waiting.id, waiting.topic.as_str(), waiting.queue.as_str())).collect();
    assert_eq!(
        lanes,
        [(id(1), "assignment", "lms"), (id(2), "license_event", "events"), (id(3), "license_event", "events")]
    );
    assert_eq!(list(false, None, 2), shown[..2]);
    assert_eq!(list(false, Some("license_event"), 10), shown[1..]);
    assert_eq!(list(true, None, 10), shown[2..]);
    assert_eq!(list(true, Some("assignment"), 10), []);
    let waiting = &shown[2];
    assert_eq!((waiting.license, waiting.plan, waiting.customer), (Some(license_id(3)), Some(plan_id(1)), customer(1)));
    assert_eq!((waiting.created, waiting.attempts, waiting.dead_lettered_at), (day(1), 5, Some(day(2))));
    assert_eq!(waiting.last_error.as_deref(), Some("answered 502 Bad Gateway"));
    assert_eq!(shown[1].not_before, day(1) + Duration::hours(1), "it is claimed");
}

/// Two dead letters, an event and a reminder; two waiting messages; and an event that is being delivered.
fn some_of_each(store: &dyn Store) {
    let numbered = |number, topic| message(number, topic, Some(number));
    promise(store, &[numbered(1, Topic::LicenseEvent), numbered(5, Topic::LicenseEvent)]);
    promise(store, &[numbered(2, Topic::Reminder)]);
    let events = claim(store, 1, Queue::Events);
    settle(store, 1, &[], &[dead_lettered(&events[0])]);
    let mails = claim(store, 2, Queue::Mail);
    settle(store, 2, &[], &[dead_lettered(&mails[0])]);
    promise(store, &[numbered(3, Topic::LicenseEvent), numbered(4, Topic::Reminder)]);
}

/// Alerts are raised on numbers that are right.
pub fn a_backlog_tells_how_every_lane_stands(db: &dyn Database) {
    let store = db.store();
    let backlog = |now, limit| -> Vec<_> {
        let backlog = store.read(|unit| unit.outbox().backlog(now, limit)).unwrap();
        let queues: Vec<Queue> = backlog.iter().map(|(queue, _)| *queue).collect();
        assert_eq!(queues, Queue::MESSAGES);
        let numbers = |(_, Backlog { waiting, dead_lettered, due_since })| (waiting, dead_lettered, due_since);
        backlog.into_iter().map(numbers).collect()
    };
    let empty = (0, 0, None);
    assert_eq!(backlog(day(1), 10), [empty; 5]);
    // Of the events, one is a dead letter, one is claimed and one waits; of the reminders, one is a dead letter and one
    // waits.
    some_of_each(&*store);
    assert_eq!(backlog(day(1), 10), [empty, (1, 1, Some(day(1))), (2, 1, Some(day(1))), empty, empty]);
    assert_eq!(
        backlog(day(1), 1),
        [empty, (1, 0, Some(day(1))), (1, 1, Some(day(1))), empty, empty],
        "no more are looked at"
    );
    assert_eq!(backlog(day(0), 10), [empty, (1, 1, None), (2, 1, None), empty, empty], "none is due yet");
    // A message that waits for an earlier one of its license does not count as late.
    claim(&*store, 9, Queue::Events);
    claim(&*store, 9, Queue::Mail);
    promise(&*store, &[message(8, Topic::Reminder, Some(4))]);
    assert_eq!(backlog(day(1), 10), [empty, (2, 1, None), (2, 1, None), empty, empty]);
}

/// A delivery can be traced to the request that caused it.
pub fn a_message_keeps_what_it_was_promised_as_a_part_of(db: &dyn Database) {
    let store = db.store();
    promise(&*store, &[message(1, Topic::Assignment, Some(1))]);
    let parent = db.within_a_trace(&mut || {
        promise(&*store, &[message(2, Topic::Assignment, Some(2)), message(3, Topic::Assignment, Some(3))])
    });
    let parents = |claimed_messages: Vec<ClaimedMessage>| {
        claimed_messages.into_iter().map(|claimed_message| claimed_message.trace_parent).collect::<Vec<_>>()
    };
    let kept = || parent.clone();
    let claimed_messages = claim(&*store, 1, Queue::Lms);
    assert_eq!(parents(claimed_messages.clone()), [None, kept(), kept()]);
    settle(&*store, 1, &[], &claimed_messages.iter().map(advanced).collect::<Vec<_>>());
    assert_eq!(parents(claim(&*store, 2, Queue::Mail)), [None, kept(), kept()], "on every step");
}

/// Operators can retry dead letters, but no message that is being delivered.
pub fn parked_messages_are_tried_again(db: &dyn Database) {
    let store = db.store();
    some_of_each(&*store);
    let retry = |selection| store.write(|unit| unit.outbox().retry(&selection, day(1))).unwrap();
    assert_eq!(retry(OutboxSelection::DeadLettered(Some("assignment".to_owned()))), 0);
    assert_eq!(retry(OutboxSelection::DeadLettered(Some("reminder".to_owned()))), 1);
    let mails = claim(&*store, 3, Queue::Mail);
    assert_eq!(
        mails.iter().map(|claimed_message| claimed_message.attempts).collect::<Vec<_>>(),
        [0, 0],
        "with all its tries"
    );
    assert_eq!(retry(OutboxSelection::DeadLettered(None)), 1);
    assert_eq!(retry(OutboxSelection::DeadLettered(None)), 0);
    assert_eq!(
        retry(OutboxSelection::Messages(vec![id(1), id(5), id(77)])),
        1,
        "one is being delivered, one is not there"
    );
    assert_eq!(ids(&claim(&*store, 4, Queue::Events)), [id(1), id(3)]);
}

/// Operators can drop a message, but none that is being delivered.
pub fn messages_are_given_up(db: &dyn Database) {
    let store = db.store();
    some_of_each(&*store);
    let discard = |selection| store.write(|unit| unit.outbox().discard(&selection, day(1))).unwrap();
    let left = || {
        let listed = store.read(|unit| unit.outbox().list(&OutboxFilter::default(), 10)).unwrap();
        listed.iter().map(|waiting| waiting.id).collect::<Vec<_>>()
    };
    assert_eq!(discard(OutboxSelection::DeadLettered(Some("reminder".to_owned()))), 1);
    assert_eq!(left(), [id(1), id(5), id(3), id(4)]);
    assert_eq!(discard(OutboxSelection::Messages(vec![id(3), id(5)])), 1, "one is being delivered");
    assert_eq!(left(), [id(1), id(5), id(4)]);
    assert_eq!(discard(OutboxSelection::DeadLettered(None)), 1);
    assert_eq!(left(), [id(5), id(4)]);
}

/// Many workers share the messages without a double.
pub fn messages_are_claimed_once_by_many(db: &dyn Database) {
    let store = db.store();
    let licenses: Vec<LicenseId> = (0..200).map(license_id).collect();
    let messages: Vec<Message> =
        (0..400).map(|number| message(number, Topic::LicenseEvent, Some(number % 200))).collect();
    promise(&*store, &messages);
    let claimed: Vec<Vec<ClaimedMessage>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|worker| {
                let store = &store;
                scope.spawn(move || {
                    let rounds =
                        (0..10).map(|round| claim_at(&**store, worker * 100 + round, Queue::Events, day(1), 30));
                    rounds.flatten().collect()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let claimed: Vec<ClaimedMessage> = claimed.concat();
    let of_licenses: BTreeSet<_> =
        claimed.iter().filter_map(|claimed_message| claimed_message.message.license).collect();
    assert_eq!(claimed.len(), of_licenses.len(), "one message of each license at a time");
    assert_eq!(of_licenses, licenses.into_iter().collect());
    let firsts: BTreeSet<MessageId> = (0..200).map(id).collect();
    assert_eq!(ids(&claimed).into_iter().collect::<BTreeSet<_>>(), firsts, "the first of each");
}
