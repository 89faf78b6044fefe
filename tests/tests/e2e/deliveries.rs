//! Messages reach the upstream services, whatever fails.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use license_manager_tests::{
    Customer, Database, FakeUpstreams, PATIENCE, Person, Plan, Request, Server, borrowed, on_both_databases, poll,
};
use serde_json::{Value, json};

on_both_databases!(
    an_assignment_is_delivered_within_a_second,
    the_events_of_a_learner_are_sent_in_order,
    a_reminder_is_recorded_when_its_mail_was_sent,
    an_account_is_looked_up_if_the_token_does_not_name_it,
    admins_are_told_that_few_licenses_are_left,
    a_bulk_enrollment_is_carried_out_and_its_results_can_be_downloaded,
    a_worker_delivers_the_messages_of_a_server,
    messages_that_are_out_of_date_are_not_delivered,
    undeliverable_messages_are_dead_lettered_listed_retried_and_dropped,
    a_thousand_assignments_reach_everybody_through_failures_and_kills,
);

/// A server with these upstreams and more settings.
fn start(database: &Database, upstreams: &FakeUpstreams, settings: &[(&str, &str)]) -> Server {
    let of_upstreams = upstreams.settings();
    let mut all = borrowed(&of_upstreams);
    all.extend([("LM_WORKER__RETRY_BASE_SECONDS", "1"), ("LM_WORKER__LEASE_SECONDS", "2")]);
    all.extend_from_slice(settings);
    Server::start_with(database.url(), &all)
}

fn waiting(database: &Database) -> usize {
    count(database, "SELECT CAST(count(*) AS text) AS text FROM outbox")
}

fn parked(database: &Database) -> usize {
    count(database, "SELECT CAST(count(*) AS text) AS text FROM outbox WHERE parked_at IS NOT NULL")
}

fn count(database: &Database, query: &str) -> usize {
    database.texts(query)[0].parse().expect("a count")
}

/// Waits until the outbox is empty.
fn settled(database: &Database) {
    let empty = poll(PATIENCE, || (waiting(database) == 0).then_some(()));
    assert!(empty.is_some(), "{} messages wait, {} of them parked", waiting(database), parked(database));
}

/// The recipients of assignment mails.
fn invited(upstreams: &FakeUpstreams) -> BTreeSet<String> {
    let mailed = upstreams.mailed().into_iter().filter(|(kind, _)| kind == "assignment");
    mailed.map(|(_, address)| address).collect()
}

fn an_assignment_is_delivered_within_a_second(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &[]);
    let customer = Customer::new(&server);
    let plan = customer.plan(10);
    // The best of a few, because the machine may be busy.
    let mut fastest = Duration::MAX;
    for number in 0..5 {
        let email = customer.email(&format!("learner-{number}"));
        plan.assign(std::slice::from_ref(&email)).expect(200);
        let promised = Instant::now();
        let mailed = poll(PATIENCE, || invited(&upstreams).contains(&email).then(Instant::now));
        fastest = fastest.min(mailed.expect("the mail goes out") - promised);
    }
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
    settled(&database);

    let sent = upstreams.taken("/campaigns/trigger/send").remove(0);
    let properties = &sent["recipients"][0]["trigger_properties"];
    assert_eq!(properties["enterprise_customer_slug"], FakeUpstreams::slug(customer.enterprise));
    assert_eq!(properties["enterprise_customer_name"], FakeUpstreams::name(customer.enterprise));
    let key = properties["license_activation_key"].as_str().expect("a key");
    let slug = FakeUpstreams::slug(customer.enterprise);
    let link = format!("http://localhost:8734/{slug}/licenses/{key}/activate");
    assert_eq!(properties["license_activation_link"], link);
}

fn activate(server: &Server, person: &Person, key: &str) {
    let path = format!("/api/v1/license-activation/?activation_key={key}");
    server.client(person).send(Request::new("POST", &path)).expect(200);
}

fn the_events_of_a_learner_are_sent_in_order(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &[]);
    let customer = Customer::new(&server);
    let plan = customer.plan(1);
    let amy = customer.learner(7, "amy");
    plan.assign(&[amy.email().to_owned()]).expect(200);
    settled(&database);
    let key = plan.activation_key(amy.email());
    activate(&server, &amy, &key);
    settled(&database);
    plan.admin.post(&plan.path("licenses/bulk-revoke/"), &json!({ "user_emails": [amy.email()] })).expect(200);
    settled(&database);

    let mails: Vec<String> = upstreams.mailed().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(mails, ["assignment", "post_activation"]);
    assert_eq!(upstreams.linked(), [amy.email()]);
    assert_eq!(upstreams.taken("/license_revoke/"), [json!({ "user_id": 7, "enterprise_id": customer.enterprise })]);
    // The first goes to the email address, the others to the account.
    let of_account: Vec<String> = upstreams
        .taken("/v1/batch")
        .iter()
        .flat_map(|call| call["batch"].as_array().cloned().unwrap_or_default())
        .map(|event| event["event"].as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(of_account, ["activated", "revoked"]);
    assert_eq!(upstreams.events().len(), 3);
}

fn last_remind_date(plan: &Plan) -> String {
    plan.licenses("assigned")[0]["last_remind_date"].as_str().expect("a moment").to_owned()
}

fn a_reminder_is_recorded_when_its_mail_was_sent(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &[]);
    let customer = Customer::new(&server);
    let plan = customer.plan(1);
    let amy = customer.email("amy");
    plan.assign(std::slice::from_ref(&amy)).expect(200);
    settled(&database);
    let before = last_remind_date(&plan);
    plan.admin.post(&plan.path("licenses/remind/"), &json!({ "user_emails": [amy], "greeting": "Hi" })).expect(204);
    settled(&database);
    assert!(last_remind_date(&plan) > before, "{before}");
    assert_eq!(upstreams.mailed().last(), Some(&("reminder".to_owned(), amy)));
}

fn an_account_is_looked_up_if_the_token_does_not_name_it(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &[]);
    let customer = Customer::new(&server);
    let plan = customer.plan(1);
    let amy = customer.learner(7, "amy");
    upstreams.add_account(amy.email(), 4321);
    plan.assign(&[amy.email().to_owned()]).expect(200);
    let key = plan.activation_key(amy.email());
    activate(&server, &amy.clone().claim("user_id", Value::Null), &key);
    let known = database.texts("SELECT CAST(lms_user_id AS text) AS text FROM license");
    assert_eq!(known, ["4321"]);
}

fn admins_are_told_that_few_licenses_are_left(database: Database) {
    let upstreams = FakeUpstreams::start();
    upstreams.add_admin(11, 1, "ann@example.com");
    let server = start(&database, &upstreams, &[]);
    let customer = Customer::new(&server);
    let mut request = customer.plan_request(4);
    request["should_auto_apply_licenses"] = json!(true);
    let path = format!("{}/subscriptions/", license_manager_tests::PROVISIONING);
    customer.operator().post(&path, &request).expect(201);
    let told = |kind: &str| {
        let to_ann = upstreams.mailed().into_iter().filter(|(mail, to)| mail == kind && to == "ann@example.com");
        to_ann.count()
    };
    for number in 0..4 {
        let learner = customer.learner(100 + number, &format!("learner-{number}"));
        let path = format!("/api/v1/customer-agreement/{}/auto-apply/", customer.agreement);
        server.client(&learner).send(Request::new("POST", &path)).expect(200);
        settled(&database);
        let expected = (usize::from(number >= 2), usize::from(number == 3));
        assert_eq!((told("limited_allocations"), told("no_allocations")), expected, "after {}", number + 1);
    }
    assert_eq!(count(&database, "SELECT CAST(count(*) AS text) AS text FROM notification"), 2);
}

fn a_bulk_enrollment_is_carried_out_and_its_results_can_be_downloaded(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &[]);
    let customer = Customer::new(&server);
    let plan = customer.plan(2);
    let (amy, eve) = (customer.email("amy"), customer.email("eve"));
    upstreams.add_admin(11, 1, "ann@example.com");
    plan.assign(std::slice::from_ref(&amy)).expect(200);
    let path = format!("/api/v1/bulk-license-enrollment/?enterprise_customer_uuid={}", customer.enterprise);
    let course = "course-v1:edX+Demo+T1";
    let body = json!({ "emails": [amy, eve], "course_run_keys": [course], "notify": true });
    let job = plan.admin.post(&path, &body).expect(201)["job_id"].as_str().expect("a job").to_owned();
    let status = format!("{path}&bulk_enrollment_job_uuid={job}");
    let address = poll(PATIENCE, || plan.admin.get(&status).expect(200)["download_url"].as_str().map(str::to_owned));
    let address = address.expect("it is done");
    let results = plan.admin.get(address.strip_prefix(&server.base()).expect("an address here")).expect(200);
    let lines: BTreeSet<&str> = results.as_str().expect("a text").lines().collect();
    assert!(lines.contains(format!("{amy},{course},success,").as_str()), "{lines:?}");
    assert!(
        lines.contains(format!("{eve},{course},failed,holds no license that covers the course").as_str()),
        "{lines:?}"
    );
    settled(&database);
    let call = upstreams.taken("/enroll_learners_in_courses/").remove(0);
    assert_eq!((&call["licenses_info"][0]["email"], &call["notify"]), (&json!(amy), &json!(true)));
    assert!(upstreams.mailed().contains(&("bulk_enrollment_result".to_owned(), "ann@example.com".to_owned())));
}

fn a_worker_delivers_the_messages_of_a_server(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &[("LM_WORKER__ENABLED", "false")]);
    let customer = Customer::new(&server);
    let plan = customer.plan(20);
    let people = customer.emails("learner", 20);
    plan.assign(&people).expect(200);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((waiting(&database), upstreams.linked().len()), (40, 0), "the server delivers nothing");

    let mut workers: Vec<_> = (0..2).map(|_| server.run_beside(&["worker"])).collect();
    settled(&database);
    let ready = poll(PATIENCE, || workers.iter().all(|worker| worker.log().contains("ready")).then_some(()));
    assert!(ready.is_some(), "the workers do not start");
    assert_eq!(invited(&upstreams), people.into_iter().collect());
    assert_eq!((upstreams.linked().len(), upstreams.mailed().len()), (20, 20), "each once");
    for worker in &mut workers {
        assert!(worker.stop_with_sigterm().success());
    }
}

fn messages_that_are_out_of_date_are_not_delivered(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &[("LM_WORKER__ENABLED", "false")]);
    let customer = Customer::new(&server);
    let plan = customer.plan(3);
    let (amy, bob, cleo) = (customer.email("amy"), customer.learner(7, "bob"), customer.email("cleo"));
    plan.assign(&[amy.clone(), bob.email().to_owned(), cleo.clone()]).expect(200);
    plan.admin.post(&plan.path("licenses/remind-all/"), &json!({})).expect(204);
    plan.admin.post(&plan.path("licenses/bulk-revoke/"), &json!({ "user_emails": [amy] })).expect(200);
    activate(&server, &bob, &plan.activation_key(bob.email()));

    let worker = server.run_beside(&["worker"]);
    settled(&database);
    let mailed = |kind: &str| -> Vec<String> {
        upstreams.mailed().into_iter().filter(|(mail, _)| mail == kind).map(|(_, address)| address).collect()
    };
    assert_eq!((mailed("assignment"), mailed("reminder")), (vec![cleo.clone()], vec![cleo.clone()]));
    assert_eq!(mailed("post_activation"), [bob.email()]);
    assert_eq!(BTreeSet::from_iter(upstreams.linked()), BTreeSet::from([bob.email().to_owned(), cleo]));
    assert_eq!(upstreams.events().len(), 5, "events tell what happened");
    let log = worker.log();
    assert!(log.contains("messages are out of date and count as done") && !log.contains('@'), "{log}");
}

fn undeliverable_messages_are_dead_lettered_listed_retried_and_dropped(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &[("LM_WORKER__RETRY_BASE_SECONDS", "0")]);
    let customer = Customer::new(&server);
    let plan = customer.plan(2);
    let people = customer.emails("learner", 2);
    upstreams.fail(100);
    plan.assign(&people).expect(200);
    let all = poll(PATIENCE, || (parked(&database) == 4).then_some(()));
    assert!(all.is_some(), "{} messages are parked", parked(&database));

    let run = |arguments: &[&str]| server.command(arguments);
    let listed = run(&["outbox", "list", "--output", "json"]);
    assert!(listed.succeeded && !listed.stdout.contains('@'), "{listed:?}");
    let messages: Vec<Value> = serde_json::from_str(&listed.stdout).expect("a list");
    assert_eq!(messages.len(), 4);
    assert!(messages.iter().all(|message| message["attempts"] == 5 && message["last_error"].is_string()));
    let table = run(&["outbox", "list", "--topic", "assignment", "--limit", "1"]);
    assert_eq!(table.stdout.lines().count(), 2, "{}", table.stdout);

    upstreams.fail(0);
    let retried = run(&["outbox", "retry", "--topic", "assignment"]);
    assert_eq!((retried.succeeded, retried.stdout.as_str()), (true, "2 messages to be tried again\n"));
    let gone = poll(PATIENCE, || (waiting(&database) == 2).then_some(()));
    assert!(gone.is_some());
    assert_eq!(invited(&upstreams), people.into_iter().collect());

    let event = messages.iter().find(|message| message["topic"] == "license_event").expect("an event");
    let id = event["id"].as_str().expect("an id");
    let dropped = run(&["outbox", "drop", id]);
    assert_eq!((dropped.succeeded, dropped.stdout.as_str()), (true, "1 message dropped\n"));
    let again = run(&["outbox", "drop", id]);
    assert!(
        !again.succeeded && again.stderr.contains("not in the outbox, or being delivered now: 1 of 1 message"),
        "{again:?}"
    );
    assert!(run(&["outbox", "drop", "--all-parked"]).succeeded);
    assert_eq!(waiting(&database), 0);
    assert!(!run(&["outbox", "drop"]).succeeded, "nothing is dropped unless it is said what");
}

fn a_thousand_assignments_reach_everybody_through_failures_and_kills(database: Database) {
    const LEARNERS: usize = 1_000;
    const KILLS: usize = 10;
    let upstreams = FakeUpstreams::start();
    upstreams.fail(20);
    let mut server = start(&database, &upstreams, &[]);
    let customer = Customer::new(&server);
    let plan = customer.plan(LEARNERS as u32 + 10);
    let everyone = customer.emails("learner", LEARNERS);
    for (round, people) in everyone.chunks(LEARNERS / KILLS).enumerate() {
        plan.assign(people).expect(200);
        // Later each time, so that each kill interrupts something else.
        std::thread::sleep(Duration::from_millis(150 * (round as u64 % 5)));
        server.restart();
        database.assert_sound();
    }
    // An operator retries the dead letters.
    upstreams.fail(5);
    let done = poll(PATIENCE * 2, || {
        if parked(&database) > 0 {
            assert!(server.command(&["outbox", "retry", "--all-parked"]).succeeded);
        }
        (waiting(&database) == 0).then_some(())
    });
    assert!(done.is_some(), "{} messages wait, {} of them parked", waiting(&database), parked(&database));

    let everyone: BTreeSet<String> = everyone.into_iter().collect();
    let linked: BTreeSet<String> = upstreams.linked().into_iter().collect();
    assert!(linked == everyone, "{} of {LEARNERS} were linked, or others were", linked.len());
    let mailed = invited(&upstreams);
    assert!(mailed == everyone, "{} of {LEARNERS} were mailed, or others were", mailed.len());
    let kinds: BTreeSet<String> = upstreams.mailed().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["assignment".to_owned()].into());
    let told: BTreeSet<(String, String)> = upstreams.events().into_iter().collect();
    let licenses = plan.licenses("assigned");
    let expected: BTreeSet<(String, String)> = licenses
        .iter()
        .map(|license| ("assigned".to_owned(), license["uuid"].as_str().expect("an id").to_owned()))
        .collect();
    assert_eq!(expected.len(), LEARNERS);
    assert!(told == expected, "{} of {LEARNERS} events were told, or others were", told.len());
}
