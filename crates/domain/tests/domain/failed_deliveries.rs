//! What was promised and fails is delivered again, waits or is given up, and holds up nobody else.

use crate::support::upstreams::*;
use crate::support::*;
use chrono::Duration;
use license_manager_domain::outbox::{OutboxSelection, Payload, Topic};
use license_manager_domain::ports::*;
use license_manager_domain::queue::Queue;
use license_manager_domain::*;

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
fn an_upstream_that_is_busy_is_left_alone_and_costs_no_try() {
    let town = Town::new();
    town.world.assign(town.world.plan(60), &crowd(60)).unwrap();
    let until = town.world.manager.now() + Duration::seconds(30);
    town.upstreams.fail([Undelivered::Busy(until)]);
    let batch = town.deliveries.claim(Queue::Lms).unwrap();
    let outcome = at_once(town.deliveries.deliver(&batch));
    assert_eq!(outcome.pause_until(), Some(until));
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
fn an_upstream_cannot_ask_to_be_left_alone_for_ever() {
    for (wanted, granted) in [(Duration::days(9), Duration::minutes(10)), (Duration::days(-9), Duration::seconds(1))] {
        let town = Town::new();
        town.world.assign(town.world.plan(1), &crowd(1)).unwrap();
        let now = town.world.manager.now();
        town.upstreams.fail([Undelivered::Busy(now + wanted)]);
        let batch = town.deliveries.claim(Queue::Lms).unwrap();
        let outcome = at_once(town.deliveries.deliver(&batch));
        assert_eq!(outcome.pause_until(), Some(now + granted));
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
fn a_claim_that_waited_leaves_what_was_held_when_it_was_asked_for() {
    let town = Town::new();
    town.world.assign(town.world.plan(1), &crowd(1)).unwrap();
    let sent = town.deliveries.claim(Queue::Addresses).unwrap();
    assert_eq!(sent.len(), 1);
    let clock = town.world.clock.clone();
    let busy = wrapping(town.world.store.clone(), move |unit, work| {
        clock.advance(Duration::seconds(60));
        work(unit)
    });
    let waiting = Town::deliveries_of(&town.world.manager.over(busy));
    town.world.clock.advance(Duration::seconds(100));
    assert!(waiting.claim(Queue::Addresses).unwrap().is_empty(), "its holder waits for the database too");
    let claimed = waiting.claim(Queue::Addresses).unwrap();
    assert_eq!(claimed.len(), 1, "its holder did not prolong the lease");
    town.world.clock.advance(Duration::seconds(119));
    assert!(!town.deliver_one(Queue::Addresses), "the new lease began with the claim");
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
