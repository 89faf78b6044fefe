//! Sixteen concurrent clients: no request is refused for it, no license is assigned twice, and nobody gets two.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use license_manager_tests::{
    Counts, Customer, Database, FakeUpstreams, PATIENCE, Plan, Request, Server, at_once, borrowed, on_both_databases,
    poll,
};
use serde_json::json;

const CLIENTS: usize = 16;

on_both_databases!(
    different_people_are_assigned_every_seat,
    the_same_people_are_assigned_one_seat_each,
    the_last_seats_go_to_as_many_people,
    a_license_is_activated_once,
    who_reads_does_not_wait_for_those_who_wait_to_write,
    who_reads_does_not_wait_for_learners_with_new_addresses,
    who_reads_does_not_wait_for_deliveries_that_wait_to_write,
);

fn different_people_are_assigned_every_seat(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let people = |client, request| customer.emails(&format!("{client}-{request}"), 3);
    let plan = customer.plan(240);

    at_once(CLIENTS, |client| {
        for request in 0..5 {
            let answer = plan.assign(&people(client, request)).expect(200);
            assert_eq!(answer["num_successful_assignments"], 3);
        }
    });

    let everyone = (0..CLIENTS)
        .flat_map(|client| (0..5).flat_map(move |request| [(client, request)]))
        .flat_map(|(client, request)| people(client, request))
        .collect();
    assert_eq!(holders(&plan), everyone);
    assert_eq!(plan.counts(), Counts { unassigned: 0, assigned: 240, activated: 0, revoked: 0, total: 240 });
}

fn the_same_people_are_assigned_one_seat_each(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let people = customer.emails("learner", 20);
    // With spare licenses, only the rule itself prevents a second one.
    let plan = customer.plan(400);

    let assigned = at_once(CLIENTS, |client| {
        let mut order = people.clone();
        order.rotate_left(client);
        if client % 2 == 1 {
            order.reverse();
        }
        let answer = plan.assign(&order).expect(200);
        let count = |name: &str| answer[name].as_u64().expect("a count");
        let assigned = count("num_successful_assignments");
        assert_eq!(assigned + count("num_already_associated"), 20);
        assigned
    });

    assert_eq!(assigned.iter().sum::<u64>(), 20);
    assert_eq!(holders(&plan), people.into_iter().collect());
    assert_eq!(plan.counts().unassigned, 380);
}

fn the_last_seats_go_to_as_many_people(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let people = customer.emails("learner", CLIENTS);
    let plan = customer.plan(10);

    let statuses = at_once(CLIENTS, |client| plan.assign(&people[client..=client]).status);

    let told = |status: u16| {
        let people = people.iter().zip(&statuses);
        people.filter(move |(_, told)| **told == status).map(|(email, _)| email.clone())
    };
    assert_eq!(told(200).count(), 10, "{statuses:?}");
    assert_eq!(told(400).count(), 6, "{statuses:?}");
    assert_eq!(holders(&plan), told(200).collect());
}

fn a_license_is_activated_once(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(3);
    let amy = customer.learner(7, "amy");
    plan.assign(&[amy.email().to_owned()]).expect(200);
    let key = plan.activation_key(amy.email());
    let path = format!("/api/v1/license-activation/?activation_key={key}");

    let licenses = at_once(CLIENTS, |_| {
        let request = Request::new("POST", &path);
        server.client(&amy).send(request).expect(200)
    });

    let moments: BTreeSet<_> =
        licenses.iter().map(|license| license["activation_date"].as_str().expect("a moment")).collect();
    assert_eq!(moments.len(), 1, "{moments:?}");
    assert_eq!(plan.counts(), Counts { unassigned: 2, assigned: 0, activated: 1, revoked: 0, total: 3 });
}

fn who_reads_does_not_wait_for_those_who_wait_to_write(database: Database) {
    let server =
        Server::start_with(database.url(), &[("LM_DATABASE__POOL_SIZE", "4"), ("LM_WORKER__ENABLED", "false")]);
    let customer = Customer::new(&server);
    let plan = customer.plan(20);
    let people = customer.emails("learner", CLIENTS);
    plan.assign(&people).expect(200);
    let revoke = plan.path("licenses/bulk-revoke/");
    let locks = database.hold_locks();
    let revoked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (number, email) in people.iter().enumerate() {
            let (server, customer, revoke, revoked) = (&server, &customer, &revoke, &revoked);
            scope.spawn(move || {
                let request = Request::new("POST", revoke.as_str()).json(&json!({ "user_emails": [email] }));
                // What has a key is done in a task of its own.
                let request = if number % 2 == 0 { request.header("Idempotency-Key", email) } else { request };
                server.client(&customer.admin()).send(request).expect(200);
                revoked.fetch_add(1, Ordering::SeqCst);
            });
        }
        let waiting = || (requests_waiting(&server) >= 12.0).then_some(());
        poll(Duration::from_secs(20), waiting).expect("most revocations wait for their turn");
        for reader in 0..30 {
            // Each is new to the service, which stores them when it can.
            let learner = customer.learner(1_000 + reader, &format!("reader-{reader}"));
            let path = format!("/api/v1/learner-licenses/?enterprise_customer_uuid={}", customer.enterprise);
            server.client(&learner).get(&path).expect(200);
            server.client(&customer.admin()).get(&plan.path("licenses/")).expect(200);
        }
        assert_eq!(revoked.load(Ordering::SeqCst), 0, "the locks are still held");
        drop(locks);
    });
    assert_eq!(plan.counts().revoked, CLIENTS as u64);
    // The readers were stored meanwhile.
    let stored = || {
        let names = database.texts("SELECT username AS text FROM users WHERE username LIKE 'reader-%'");
        (names.len() == 30).then_some(())
    };
    poll(Duration::from_secs(20), stored).expect("the readers are stored");
}

/// A learner's licenses get their new address when they look at them: a request that reads by its method has to write.
fn who_reads_does_not_wait_for_learners_with_new_addresses(database: Database) {
    let server =
        Server::start_with(database.url(), &[("LM_DATABASE__POOL_SIZE", "4"), ("LM_WORKER__ENABLED", "false")]);
    let customer = Customer::new(&server);
    let plan = customer.plan(20);
    let learner = |name: &str, number: i64| customer.learner(100 + number, &format!("{name}-{number}"));
    let numbers = 0..12;
    for number in numbers.clone() {
        let old = learner("old", number);
        plan.assign(&[old.email().to_owned()]).expect(200);
        let path = format!("/api/v1/license-activation/?activation_key={}", plan.activation_key(old.email()));
        server.client(&old).send(Request::new("POST", path)).expect(200);
    }
    let own = format!("/api/v1/learner-licenses/?enterprise_customer_uuid={}", customer.enterprise);
    let locks = database.hold_locks();
    let renamed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for number in numbers.clone() {
            let (server, own, renamed, new) = (&server, &own, &renamed, learner("new", number));
            scope.spawn(move || {
                let licenses = server.client(&new).get(own).expect(200);
                assert_eq!(licenses["results"][0]["user_email"], new.email());
                renamed.fetch_add(1, Ordering::SeqCst);
            });
        }
        let waiting = || (requests_waiting(&server) >= 8.0).then_some(());
        poll(Duration::from_secs(20), waiting).expect("most learners wait for their turn");
        for reader in 0..10 {
            server.client(&learner("reader", 100 + reader)).get(&own).expect(200);
            server.client(&customer.admin()).get(&plan.path("licenses/")).expect(200);
        }
        assert_eq!(renamed.load(Ordering::SeqCst), 0, "the locks are still held");
        drop(locks);
    });
    assert_eq!(holders(&plan), numbers.map(|number| learner("new", number).email().to_owned()).collect());
}

/// Deliveries take turns, too: those that wait for a lock leave a connection to who reads, whatever requests write.
fn who_reads_does_not_wait_for_deliveries_that_wait_to_write(database: Database) {
    let upstreams = FakeUpstreams::start();
    let of_upstreams = upstreams.settings();
    let mut settings = borrowed(&of_upstreams);
    settings.push(("LM_DATABASE__POOL_SIZE", "4"));
    let server = Server::start_with(database.url(), &settings);
    let customer = Customer::new(&server);
    let plan = customer.plan(2 + CLIENTS as u32);
    let reminded = customer.emails("reminded", 2);
    plan.assign(&reminded).expect(200);
    let delivered = || (database.texts("SELECT CAST(count(*) AS text) AS text FROM outbox") == ["0"]).then_some(());
    poll(PATIENCE, delivered).expect("the assignments are delivered");
    // Two reminders are on their way, each in a batch of its own, when the licenses are locked.
    upstreams.hold();
    for email in &reminded {
        let before = mail_calls(&upstreams);
        plan.admin.post(&plan.path("licenses/remind/"), &json!({ "user_emails": [email] })).expect(204);
        poll(PATIENCE, || (mail_calls(&upstreams) > before).then_some(())).expect("a reminder is on its way");
    }
    let locks = database.hold_locks();
    upstreams.release();
    let reminders = || upstreams.mailed().iter().filter(|(kind, _)| kind == "reminder").count();
    poll(PATIENCE, || (reminders() == 2).then_some(())).expect("both are sent, and their dates are to be written");
    if database.url().starts_with("postgres") {
        let waiting = "SELECT CAST(count(*) AS text) AS text FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        poll(PATIENCE, || (database.texts(waiting) == ["2"]).then_some(())).expect("two deliveries wait for the locks");
    }
    let people = customer.emails("learner", CLIENTS);
    let assigned = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for email in &people {
            let (plan, assigned) = (&plan, &assigned);
            scope.spawn(move || {
                plan.assign(std::slice::from_ref(email)).expect(200);
                assigned.fetch_add(1, Ordering::SeqCst);
            });
        }
        let waiting = || (requests_waiting(&server) >= 12.0).then_some(());
        poll(Duration::from_secs(20), waiting).expect("most assignments wait for their turn");
        for reader in 0..10 {
            let learner = customer.learner(1_000 + reader, &format!("reader-{reader}"));
            let path = format!("/api/v1/learner-licenses/?enterprise_customer_uuid={}", customer.enterprise);
            server.client(&learner).get(&path).expect(200);
            plan.admin.get(&plan.path("licenses/")).expect(200);
            server.anonymous().get("/health/ready/").expect(200);
        }
        assert_eq!(assigned.load(Ordering::SeqCst), 0, "the locks are still held");
        drop(locks);
    });
    assert_eq!(holders(&plan), reminded.into_iter().chain(people).collect());
    poll(PATIENCE, delivered).expect("the deliveries go on");
}

/// How many calls about mails the upstream got.
fn mail_calls(upstreams: &FakeUpstreams) -> usize {
    let calls = upstreams.all_taken();
    calls.iter().filter(|(path, _)| path.starts_with("/users/") || path.starts_with("/campaigns/")).count()
}

/// How many requests wait for their turn at the database.
fn requests_waiting(server: &Server) -> f64 {
    let metrics = server.anonymous().get("/metrics/");
    let line = metrics
        .body
        .as_str()
        .expect("a text")
        .lines()
        .find_map(|line| line.strip_prefix("license_manager_http_requests_waiting "));
    line.expect("the metric is there").parse().expect("a number")
}

/// The holders of the plan's licenses. Panics if somebody holds two.
fn holders(plan: &Plan) -> BTreeSet<String> {
    let licenses = plan.licenses("assigned,activated");
    let holders: BTreeSet<_> =
        licenses.iter().map(|license| license["user_email"].as_str().expect("an email").to_owned()).collect();
    let ids: BTreeSet<_> = licenses.iter().map(|license| license["uuid"].as_str().expect("an id")).collect();
    assert_eq!(ids.len(), licenses.len(), "a license is listed twice");
    assert_eq!(holders.len(), licenses.len(), "somebody holds two licenses");
    holders
}
