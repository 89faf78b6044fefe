//! Email addresses: which are accepted, their normal form, and whose they are.

use license_manager_tests::{
    Client, Customer, Database, PATIENCE, PROVISIONING, Person, Plan, Response, Server, on_both_databases, poll,
};
use serde_json::{Value, json};

on_both_databases!(
    addresses_that_the_lms_would_refuse_are_refused_by_index,
    an_address_is_stored_shown_and_found_in_its_normal_form,
    an_address_of_an_older_version_is_found_in_the_form_that_is_stored,
    stored_addresses_get_their_normal_form,
    an_unusual_address_does_not_hide_a_learner_who_is_known_by_id,
    an_unverified_address_shows_nothing_of_its_owner,
    an_unverified_address_counts_where_nobody_asks,
    an_unverified_address_is_not_remembered,
    who_is_refused_is_remembered_afterwards,
    a_user_id_of_zero_is_nobody,
    who_activates_a_second_seat_keeps_the_first,
);

fn named(plan: &Plan, emails: &[&str]) -> Response {
    plan.admin.post(&plan.path("licenses/assign/"), &json!({ "user_emails": emails }))
}

/// Somebody with this address and a role of a learner.
fn learner(customer: &Customer, user_id: i64, email: &str) -> Person {
    let username = format!("{user_id}-{}", customer.enterprise.simple());
    Person::new(user_id, email, username).role(format!("enterprise_learner:{}", customer.enterprise))
}

/// The addresses of the licenses that the caller sees as theirs.
fn own(client: &Client, customer: &Customer) -> Vec<Value> {
    let path = format!("/api/v1/learner-licenses/?enterprise_customer_uuid={}", customer.enterprise);
    let page = client.get(&path).expect(200);
    page["results"].as_array().unwrap().iter().map(|license| license["user_email"].clone()).collect()
}

fn activate(client: &Client, key: &str) -> Response {
    client.post(&format!("/api/v1/license-activation/?activation_key={key}"), &json!({}))
}

fn addresses_that_the_lms_would_refuse_are_refused_by_index(database: Database) {
    let server = Server::start(database.url());
    let plan = Customer::new(&server).plan(5);
    let mixed = [
        "jörg@example.com",
        "info@müller.example",
        "bob@exa_mple.com",
        "cid@127.0.0.1",
        "x@example.c",
        "somchai@เว็บ.ไทย",
        "mi\u{212a}e@example.com",
        "ſam@example.com",
        "İda@example.com",
        "ıda@example.com",
        "amy@localhost",
    ];
    // Who is only looked up may have an address of an older version, but never somebody else's.
    for (below, expected) in [("assign", &[0, 2, 3, 4, 6, 7, 8, 9][..]), ("bulk-revoke", &[6]), ("remind", &[6])] {
        let path = plan.path(&format!("licenses/{below}/"));
        let refused = plan.admin.post(&path, &json!({ "user_emails": mixed })).expect(400);
        let indexes: Vec<usize> =
            refused["user_emails"].as_object().unwrap().keys().map(|index| index.parse().unwrap()).collect();
        let mut sorted = indexes.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "{below}: {refused}");
    }
    let answer = named(&plan, &["info@müller.example", "somchai@เว็บ.ไทย", "amy@localhost"]).expect(200);
    assert_eq!(answer["num_successful_assignments"], 3);
}

fn an_address_is_stored_shown_and_found_in_its_normal_form(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(6);
    let answer = named(&plan, &["Same@XN--MNCHEN-3YA.de", "same@münchen.de", "amy@straße.de", "amy@strasse.de"]);
    assert_eq!(answer.expect(200)["num_successful_assignments"], 3);
    let again = named(&plan, &["same@mu\u{308}nchen.de"]).expect(200);
    assert_eq!((&again["num_successful_assignments"], &again["num_already_associated"]), (&json!(0), &json!(1)));
    let mut shown: Vec<Value> = plan.licenses("assigned").iter().map(|license| license["user_email"].clone()).collect();
    shown.sort_by_key(ToString::to_string);
    assert_eq!(shown, ["amy@strasse.de", "amy@straße.de", "same@münchen.de"]);

    for search in ["xn--mnchen-3ya", "SAME@XN--MNCHEN-3YA.DE", "M%C3%9CNCH"] {
        let found = plan.admin.get(&plan.path(&format!("licenses/?search={search}"))).expect(200);
        assert_eq!(found["count"], 1, "{search}");
    }
    let staff = server.client(&customer.person(5, "staff").claim("administrator", json!(true)));
    let looked_up = staff.post("/api/v1/staff_lookup_licenses/", &json!({ "user_email": "same@xn--mnchen-3ya.de" }));
    assert_eq!(looked_up.expect(200).as_array().unwrap().len(), 1);

    let amy = server.client(&learner(&customer, 7, "Same@xn--mnchen-3ya.DE"));
    activate(&amy, &plan.activation_key("same@münchen.de")).expect(200);
    assert_eq!(own(&amy, &customer), ["same@münchen.de"]);
    let filters = json!({ "filters": [{ "name": "user_email", "filter_value": "@XN--MNCHEN-3YA" }] });
    let revoked = plan.admin.post(&plan.path("licenses/bulk-revoke/"), &filters).expect(200);
    assert_eq!(revoked["successful_revocations"][0]["user_email"], "same@münchen.de");
}

fn an_address_of_an_older_version_is_found_in_the_form_that_is_stored(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(9);
    named(&plan, &["joerg@example.com", "two@münchen.de", "twin@münchen.de", "late@münchen.de"]).expect(200);
    for (from, to) in [
        ("joerg@example.com", "jörg@exa_mple.com"),
        ("twin@münchen.de", "two@xn--mnchen-3ya.de"),
        ("late@münchen.de", "late@xn--mnchen-3ya.de"),
    ] {
        database.execute(&format!("UPDATE license SET user_email = '{to}' WHERE user_email = '{from}'"));
    }
    let staff = server.client(&customer.person(5, "staff").claim("administrator", json!(true)));
    let encoded = |email: &str| email.replace('ö', "%C3%B6").replace('ü', "%C3%BC");
    let view = |email: &str| {
        let (email, enterprise) = (encoded(email), customer.enterprise);
        let path = format!("/api/v1/admin-license-view/?user_email={email}&enterprise_customer_uuid={enterprise}");
        staff.get(&path).expect(200)["count"].clone()
    };
    for (email, number) in
        [("Jörg@exa_mple.com", 1), ("two@münchen.de", 2), ("two@xn--mnchen-3ya.de", 2), ("late@münchen.de", 1)]
    {
        let found = staff.post("/api/v1/staff_lookup_licenses/", &json!({ "user_email": email })).expect(200);
        assert_eq!(found.as_array().unwrap().len(), number, "{email}");
        assert_eq!(view(email), number, "{email}");
        let found = plan.admin.get(&plan.path(&format!("licenses/?search={}", encoded(email)))).expect(200);
        assert_eq!(found["count"], number, "{email}");
    }
    let again = named(&plan, &["late@münchen.de"]).expect(200);
    assert_eq!(again["num_already_associated"], 1, "one person has one seat");
    let late = server.client(&learner(&customer, 8, "late@münchen.de"));
    let own = format!("/api/v1/learner-licenses/?enterprise_customer_uuid={}", customer.enterprise);
    let seen = late.get(&own).expect(200);
    assert_eq!(seen["results"][0]["user_email"], "late@münchen.de", "found, and now in its normal form");
    database.execute("UPDATE license SET user_email = 'late@xn--mnchen-3ya.de' WHERE user_email = 'late@münchen.de'");
    activate(&late, seen["results"][0]["activation_key"].as_str().unwrap()).expect(200);
    let emails = json!({ "user_emails": ["jörg@exa_mple.com", "two@münchen.de"] });
    plan.admin.post(&plan.path("licenses/remind/"), &emails).expect(204);
    let revoked = plan.admin.post(&plan.path("licenses/bulk-revoke/"), &emails).expect(200);
    let mut emails: Vec<&str> = revoked["successful_revocations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|revoked| revoked["user_email"].as_str().unwrap())
        .collect();
    emails.sort_unstable();
    assert_eq!(emails, ["jörg@exa_mple.com", "two@münchen.de", "two@xn--mnchen-3ya.de"]);
    assert_eq!(revoked["unsuccessful_revocations"], json!([]));
}

/// Makes the stored addresses what older versions stored, as if the migration had not run.
fn store_as_older_versions(database: &Database, parameters: &Value, results: &str) {
    for (table, column) in [("license", "user_email"), ("outbox", "payload"), ("users", "email")] {
        database.execute(&format!("UPDATE {table} SET {column} = replace({column}, 'münchen', 'xn--mnchen-3ya')"));
    }
    let rename = |from: &str, to: &str| {
        database.execute(&format!("UPDATE license SET user_email = '{to}' WHERE user_email = '{from}'"));
    };
    rename("two@xn--mnchen-3ya.de", "two@münchen.de");
    rename("twin@xn--mnchen-3ya.de", "two@xn--mnchen-3ya.de");
    rename("triplet@xn--mnchen-3ya.de", "three@mu\u{308}nchen.de");
    rename("joerg@example.com", "jörg@example.com");
    database.execute(
        "UPDATE license_history SET user_email =
             (SELECT user_email FROM license WHERE license.uuid = license_history.uuid)
         WHERE user_email IS NOT NULL",
    );
    database.execute("UPDATE users SET email = 'Triplet@XN--MNCHEN-3YA.de' WHERE email LIKE 'triplet%'");
    database.execute(
        "INSERT INTO webhook_delivery (webhook_uuid, uuid, event_type, payload, not_before, due_since, created)
         SELECT uuid, uuid, 'event', payload, created, created, created FROM outbox WHERE topic = 'license_event'",
    );
    database.execute(&format!(
        "INSERT INTO bulk_enrollment_job
             (uuid, enterprise_customer_uuid, lms_user_id, parameters, results, created, modified, stage)
         SELECT uuid, enterprise_customer_uuid, 0, '{parameters}', '{}', created, created, 'done'
         FROM outbox ORDER BY position LIMIT 1",
        results.replace('\'', "''")
    ));
    for table in ["license", "license_history"] {
        database.execute(&format!("UPDATE {table} SET lms_user_id = 0 WHERE status = 'assigned'"));
    }
    database.execute("DELETE FROM __diesel_schema_migrations WHERE version = '20261129000020'");
}

fn stored_addresses_get_their_normal_form(database: Database) {
    let mut server = Server::start_with(database.url(), &[("LM_WORKER__ENABLED", "false")]);
    let customer = Customer::new(&server);
    let plan = customer.plan(1_300);
    // More than one batch of the migration.
    let many: Vec<String> = (0..1_100).map(|number| format!("n{number}@münchen.de")).collect();
    plan.assign(&many).expect(200);
    named(&plan, &["two@münchen.de", "twin@münchen.de", "three@münchen.de", "triplet@münchen.de", "joerg@example.com"])
        .expect(200);
    let triplet = server.client(&learner(&customer, 7, "triplet@münchen.de"));
    activate(&triplet, &plan.activation_key("triplet@münchen.de")).expect(200);
    server.kill();
    database.assert_sound();

    let parameters = json!({
        "learners": { "emails": ["amy@example.com", "n1@xn--mnchen-3ya.de"] },
        "plan": null, "course_run_keys": ["course-v1:xn--mnchen-3ya.de"], "notify": false,
    });
    let results = "email,course_run_key,result\n'+1@xn--mnchen-3ya.de,course,success\namy@example.com,course,success\n";
    store_as_older_versions(&database, &parameters, results);
    let migrated = server.command(&["migrate"]);

    let left =
        database.texts("SELECT user_email AS text FROM license WHERE user_email LIKE '%xn--%' ORDER BY user_email");
    assert_eq!(left, ["three@xn--mnchen-3ya.de", "two@xn--mnchen-3ya.de"], "what would collide");
    let normal = "SELECT user_email AS text FROM license WHERE user_email LIKE '%@münchen.de'";
    assert_eq!(database.texts(normal).len(), 1_102);
    let three = "SELECT status AS text FROM license WHERE user_email = 'three@münchen.de'";
    assert_eq!(database.texts(three), ["activated"], "the seat in use comes first");
    let told_otherwise = "SELECT license.user_email AS text FROM license
        JOIN license_history ON license_history.uuid = license.uuid AND license_history.user_email <> license.user_email";
    assert_eq!(database.texts(told_otherwise), [""; 0]);
    for (table, column, rows) in [("outbox", "payload", 2_212), ("webhook_delivery", "payload", 1_106)] {
        let texts = database.texts(&format!("SELECT {column} AS text FROM {table} ORDER BY position"));
        assert_eq!(texts.iter().filter(|text| text.contains("@xn--")).count(), 0, "{table}");
        assert_eq!(texts.len(), rows, "{table}");
        assert!(texts.iter().all(|text| serde_json::from_str::<Value>(text).is_ok()), "{table}");
    }
    let users = database.texts("SELECT email AS text FROM users WHERE email LIKE 'triplet%'");
    assert_eq!(users, ["triplet@münchen.de"]);
    let kept = database.texts("SELECT parameters AS text FROM bulk_enrollment_job").remove(0);
    assert_eq!(kept, parameters.to_string().replace("n1@xn--mnchen-3ya.de", "n1@münchen.de"), "the course stays");
    let kept = database.texts("SELECT results AS text FROM bulk_enrollment_job").remove(0);
    assert_eq!(kept, results.replace("xn--mnchen-3ya", "münchen"));
    for table in ["license", "license_history", "bulk_enrollment_job"] {
        let zero = database.texts(&format!("SELECT 'zero' AS text FROM {table} WHERE lms_user_id < 1"));
        assert_eq!(zero, [""; 0], "{table}");
    }
    let log = format!("{}{}", migrated.stdout, migrated.stderr);
    let told: Vec<&str> = log.lines().filter(|line| line.contains("email addresses into their normal form")).collect();
    assert_eq!(told.len(), 7, "{told:?}");
    assert!(told[0].contains("1101") && told.iter().all(|line| !line.contains('@')), "{told:?}");

    server.restart();
    // What older rules accepted is shown, found and revoked.
    let path = plan.path("licenses/?search=J%C3%96RG@example.com");
    assert_eq!(plan.admin.get(&path).expect(200)["results"][0]["user_email"], "jörg@example.com");
    let filters = json!({ "filters": [{ "name": "user_email", "filter_value": "jörg" }] });
    plan.admin.post(&plan.path("licenses/bulk-revoke/"), &filters).expect(200);
    database.execute("UPDATE license SET lms_user_id = -1 WHERE status = 'activated'");
    assert_eq!(plan.licenses("activated")[0]["lms_user_id"], Value::Null, "an id below 1 is none");
}

fn an_unusual_address_does_not_hide_a_learner_who_is_known_by_id(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(3);
    named(&plan, &["joerg@example.com"]).expect(200);
    let joerg = server.client(&learner(&customer, 7, "joerg@example.com"));
    activate(&joerg, &plan.activation_key("joerg@example.com")).expect(200);
    for unusual in ["jörg@example.com", "mi\u{212a}e@example.com", "joerg"] {
        let known = server.client(&learner(&customer, 7, unusual));
        assert_eq!(own(&known, &customer), ["joerg@example.com"], "{unusual}");
        assert_eq!(known.get(&plan.path("license/")).expect(200)["count"], 1, "{unusual}");
        let unknown = server.client(&learner(&customer, 8, unusual));
        assert_eq!(own(&unknown, &customer), [Value::Null; 0], "{unusual}");
        let nobody = server.client(&learner(&customer, 9, unusual).claim("user_id", Value::Null));
        let path = format!("/api/v1/learner-licenses/?enterprise_customer_uuid={}", customer.enterprise);
        assert_eq!(nobody.get(&path).status, 400, "{unusual}");
    }
}

fn unverified(customer: &Customer, user_id: i64, email: &str) -> Person {
    learner(customer, user_id, email).claim("email_verified", json!(false))
}

fn auto_apply(client: &Client, customer: &Customer) -> Response {
    client.post(&format!("/api/v1/customer-agreement/{}/auto-apply/", customer.agreement), &json!({}))
}

fn an_unverified_address_shows_nothing_of_its_owner(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(3);
    let path = format!("{PROVISIONING}/subscriptions/{}/", plan.uuid);
    let body = json!({ "change_reason": "other", "should_auto_apply_licenses": true });
    customer.operator().patch(&path, &body).expect(200);
    named(&plan, &["amy@example.com"]).expect(200);
    let key = plan.activation_key("amy@example.com");

    let eve = server.client(&unverified(&customer, 66, "amy@example.com"));
    assert_eq!(own(&eve, &customer), [Value::Null; 0]);
    assert_eq!(eve.get(&plan.path("license/")).expect(200)["count"], 0);
    assert!(auto_apply(&eve, &customer).expect(422).is_string());
    assert_eq!(plan.counts().activated, 0);
    let without_id = server.client(&unverified(&customer, 66, "amy@example.com").claim("user_id", Value::Null));
    assert_eq!(auto_apply(&without_id, &customer).status, 400);

    // The key came by mail.
    let amy = server.client(&unverified(&customer, 7, "amy@example.com"));
    activate(&amy, &key).expect(200);
    assert_eq!(own(&amy, &customer), ["amy@example.com"], "now known by id");
    assert_eq!(auto_apply(&amy, &customer).expect(200)["user_email"], "amy@example.com");
    assert_eq!(own(&eve, &customer), [Value::Null; 0]);
    // Another address that is unverified is not taken over.
    assert_eq!(own(&server.client(&unverified(&customer, 7, "bob@example.com")), &customer), ["amy@example.com"]);
    let bob = learner(&customer, 7, "bob@example.com").claim("email_verified", json!(true));
    assert_eq!(own(&server.client(&bob), &customer), ["bob@example.com"]);
}

fn an_unverified_address_counts_where_nobody_asks(database: Database) {
    let server = Server::start_with(database.url(), &[("LM_AUTH__REQUIRE_VERIFIED_EMAIL", "false")]);
    let customer = Customer::new(&server);
    named(&customer.plan(1), &["amy@example.com"]).expect(200);
    let amy = server.client(&unverified(&customer, 7, "amy@example.com"));
    assert_eq!(own(&amy, &customer), ["amy@example.com"]);
}

fn an_unverified_address_is_not_remembered(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(1);
    named(&plan, &["amy@example.com"]).expect(200);
    let eve = unverified(&customer, 66, "amy@example.com");
    assert_eq!(own(&server.client(&eve), &customer), [Value::Null; 0]);
    // Whoever only reads is stored after the answer.
    let is_stored = || {
        let name = eve.username();
        let stored = database.texts(&format!("SELECT username AS text FROM users WHERE username = '{name}'"));
        (!stored.is_empty()).then_some(())
    };
    poll(PATIENCE, is_stored).expect("she is stored");
    let worker = server.client(&Person::new(6, "worker@example.com", "retirement_worker"));
    let eve = json!({ "lms_user_id": 66, "original_username": eve.username() });
    worker.post("/api/v1/retire_user/", &eve).expect(204);
    assert_eq!(plan.licenses("assigned")[0]["user_email"], "amy@example.com", "somebody else was retired");
}

fn who_is_refused_is_remembered_afterwards(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let amy = learner(&customer, 7, "amy@example.com");
    activate(&server.client(&amy), "00000000-0000-4000-8000-000000000000").expect(404);
    let is_stored = || {
        let query = format!("SELECT email AS text FROM users WHERE username = '{}'", amy.username());
        (database.texts(&query) == ["amy@example.com"]).then_some(())
    };
    poll(PATIENCE, is_stored).expect("she is stored");
}

fn a_user_id_of_zero_is_nobody(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(2);
    named(&plan, &["amy@example.com"]).expect(200);
    let amy = server.client(&learner(&customer, 0, "amy@example.com"));
    activate(&amy, &plan.activation_key("amy@example.com")).expect(200);
    assert_eq!(plan.licenses("activated")[0]["lms_user_id"], Value::Null);
    for id in [0, -1] {
        assert_eq!(own(&server.client(&learner(&customer, id, "bob@example.com")), &customer), [Value::Null; 0]);
    }
    assert_eq!(own(&amy, &customer), ["amy@example.com"], "nobody took the license over");
}

fn who_activates_a_second_seat_keeps_the_first(database: Database) {
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(2);
    named(&plan, &["old@example.com"]).expect(200);
    let old = server.client(&learner(&customer, 7, "old@example.com"));
    let first = activate(&old, &plan.activation_key("old@example.com")).expect(200);
    named(&plan, &["new@example.com"]).expect(200);
    let new = server.client(&learner(&customer, 7, "new@example.com"));
    let kept = activate(&new, &plan.activation_key("new@example.com")).expect(200);
    assert_eq!(kept["uuid"], first["uuid"]);
    let counts = plan.counts();
    assert_eq!((counts.activated, counts.assigned, counts.unassigned), (1, 0, 1));
    assert_eq!(own(&new, &customer), ["new@example.com"], "and it takes the new address");
}
