//! `license-manager check` finds what breaks a rule, and nothing else.

use license_manager_tests::{Customer, Database, PROVISIONING, Plan, Ran, Request, Server, on_both_databases, text};
use serde_json::{Value, json};

on_both_databases!(every_check_finds_what_breaks_its_rule, a_check_names_what_it_found_and_changes_nothing,);

/// Rows that break a rule.
struct Break {
    /// The check that finds them.
    check: &'static str,
    /// How many violations they are.
    violations: i64,
    sqlite: &'static str,
    postgres: &'static str,
}

const fn both(check: &'static str, violations: i64, statement: &'static str) -> Break {
    Break { check, violations, sqlite: statement, postgres: statement }
}

/// What to do to the rows of [`scene`]. The statements run one after another, on one database.
const BREAKS: &[Break] = &[
    Break {
        check: "storage",
        violations: 1,
        sqlite: "PRAGMA ignore_check_constraints = ON;
                 INSERT INTO role_assignment (username, role, created)
                 SELECT username, 'another', 0 FROM users ORDER BY username LIMIT 1",
        postgres: "ALTER TABLE role_assignment ADD CONSTRAINT new_rule CHECK (length(role) > 10) NOT VALID",
    },
    Break {
        check: "references",
        violations: 1,
        sqlite: "PRAGMA foreign_keys = OFF;
                 INSERT INTO plan_mark (subscription_plan_uuid, name, created)
                 VALUES ('00000000-0000-4000-8000-000000000001', 'gone', 0)",
        postgres: "ALTER TABLE plan_mark DISABLE TRIGGER ALL;
                   INSERT INTO plan_mark (subscription_plan_uuid, name, created)
                   VALUES ('00000000-0000-4000-8000-000000000001', 'gone', now());
                   ALTER TABLE plan_mark ENABLE TRIGGER ALL",
    },
    both("schema", 1, "DROP INDEX license_one_live_per_email"),
    both(
        "one-live-license",
        2,
        "UPDATE license SET user_email = 'twice@example.com'
         WHERE uuid IN (SELECT license.uuid FROM license
                        WHERE status = 'assigned' AND subscription_plan_uuid = (
                            SELECT subscription_plan_uuid FROM license WHERE status = 'assigned'
                            GROUP BY subscription_plan_uuid HAVING count(*) > 1
                            ORDER BY subscription_plan_uuid LIMIT 1)
                        ORDER BY license.uuid LIMIT 2);
         UPDATE license SET user_email = 'Twice@example.com'
         WHERE uuid IN (SELECT uuid FROM license WHERE user_email = 'twice@example.com' ORDER BY uuid LIMIT 1)",
    ),
    both(
        "plan-sizes",
        1,
        "UPDATE subscription_plan SET desired_num_licenses = 1000001
         WHERE uuid IN (SELECT prior_subscription_plan_uuid FROM subscription_plan_renewal)",
    ),
    both(
        "plan-periods",
        1,
        "UPDATE subscription_plan SET expiration_date = start_date
         WHERE uuid IN (SELECT prior_subscription_plan_uuid FROM subscription_plan_renewal)",
    ),
    both(
        "plan-periods",
        1,
        "UPDATE subscription_plan_renewal SET renewed_expiration_date = effective_date",
    ),
    both("renewals", 1, "UPDATE subscription_plan_renewal SET processed_datetime = NULL"),
    both(
        "renewed-licenses",
        1,
        "UPDATE license SET renewed_to_uuid = uuid
         WHERE uuid = (SELECT uuid FROM license WHERE renewed_to_uuid IS NULL ORDER BY uuid LIMIT 1)",
    ),
    both(
        "transfers",
        1,
        "UPDATE license_transfer_job SET customer_agreement_uuid = (
             SELECT uuid FROM customer_agreement WHERE uuid <> license_transfer_job.customer_agreement_uuid)",
    ),
    both(
        "missing-licenses",
        1,
        "UPDATE subscription_plan SET desired_num_licenses = desired_num_licenses + 5
         WHERE uuid IN (SELECT new_subscription_plan_uuid FROM license_transfer_job)",
    ),
    both("history-end", 1, "UPDATE customer_agreement SET enterprise_customer_name = 'Another'
         WHERE uuid = (SELECT uuid FROM customer_agreement ORDER BY uuid LIMIT 1)"),
    both("history-end", 1, "DELETE FROM product_history WHERE id = 1"),
    both("history-end", 1, "DELETE FROM license_source"),
    both(
        "history-end",
        1,
        "INSERT INTO product_history (history_date, history_type, id, name, description, plan_type_id)
         SELECT history_date, '-', id, name, description, plan_type_id FROM product_history WHERE id = 2",
    ),
    both(
        "history-end",
        1,
        "INSERT INTO license_event (license_uuid, event_name, created)
         SELECT uuid, 'event', created FROM license ORDER BY uuid LIMIT 1;
         INSERT INTO license_event_history (history_date, history_type, id, license_uuid, event_name, created)
         SELECT created, '-', id, license_uuid, event_name, created FROM license_event",
    ),
    both(
        "history-order",
        1,
        "INSERT INTO product_history (history_date, history_type, id, name, description, plan_type_id)
         SELECT history_date, '~', id, name, description, plan_type_id FROM product_history WHERE id = 2 AND history_type = '-'",
    ),
    both(
        "history-order",
        1,
        "INSERT INTO product_history (history_date, history_type, id, name, description, plan_type_id)
         SELECT history_date, '+', id, name, description, plan_type_id FROM product_history WHERE id = 3",
    ),
    Break {
        check: "searched-addresses",
        violations: 1,
        sqlite: "INSERT INTO license_address (email) VALUES ('nobody@example.com')",
        postgres: "DROP INDEX license_search",
    },
    Break {
        check: "seat-counts",
        violations: 1,
        sqlite: "UPDATE seat_change SET assigned = assigned + 1
                 WHERE subscription_plan_uuid = (SELECT min(subscription_plan_uuid) FROM seat_change)",
        postgres: "INSERT INTO seat_change (subscription_plan_uuid, day, unassigned, assigned, activated, revoked)
                   SELECT subscription_plan_uuid, day, 0, 1, 0, 0 FROM seat_change ORDER BY 1 LIMIT 1",
    },
    both(
        "seat-counts",
        1,
        "INSERT INTO seat_total (subscription_plan_uuid, unassigned, assigned, activated, revoked)
         SELECT uuid, 1, 0, 0, 0 FROM subscription_plan WHERE uuid NOT IN (
             SELECT subscription_plan_uuid FROM seat_change ORDER BY subscription_plan_uuid LIMIT 1)
         ORDER BY uuid LIMIT 1
         ON CONFLICT (subscription_plan_uuid) DO UPDATE SET unassigned = seat_total.unassigned + 1",
    ),
    both("activation-counts", 1, "UPDATE seat_activation SET number = number + 1"),
    both(
        "messages",
        3,
        "UPDATE outbox SET payload = '{}' WHERE position IN (
             SELECT position FROM outbox WHERE topic = 'license_event' ORDER BY position LIMIT 1);
         UPDATE outbox SET topic = 'another' WHERE position IN (
             SELECT position FROM outbox WHERE topic = 'reminder' ORDER BY position LIMIT 1);
         UPDATE outbox SET lane = 'another', lanes = 'another' WHERE position IN (
             SELECT position FROM outbox WHERE topic = 'assignment' ORDER BY position LIMIT 1)",
    ),
    both("messages", 1, "DELETE FROM bulk_enrollment_job"),
    both("messages", 3, "UPDATE webhook_delivery SET payload = '[]'"),
    both(
        "mail-words",
        1,
        "INSERT INTO outbox_words (uuid, greeting, closing) VALUES ('00000000-0000-4000-8000-000000000002', 'Hello', '')",
    ),
    both("webhook-events", 3, "UPDATE webhook_delivery SET state = 'delivered'"),
    both(
        "plan-jobs",
        1,
        "INSERT INTO plan_job (subscription_plan_uuid, kind, requested_at, not_before)
         SELECT uuid, 'another', created, created FROM subscription_plan ORDER BY uuid LIMIT 1",
    ),
    both(
        "enrollments",
        1,
        "INSERT INTO bulk_enrollment_job (uuid, enterprise_customer_uuid, parameters, stage, created, modified)
         SELECT uuid, enterprise_customer_uuid, '{}', 'done', created, modified FROM customer_agreement
         ORDER BY uuid LIMIT 1",
    ),
    // Last: SQLite refuses any further change of these rows.
    Break {
        check: "license-states",
        violations: 4,
        sqlite: "PRAGMA ignore_check_constraints = ON;
                 UPDATE license SET revoked_date = 1
                 WHERE uuid IN (SELECT max(uuid) FROM license WHERE status <> 'revoked' GROUP BY status);
                 UPDATE license SET revoked_date = NULL
                 WHERE uuid IN (SELECT max(uuid) FROM license WHERE status = 'revoked')",
        postgres: "ALTER TABLE license DROP CONSTRAINT license_state;
                   UPDATE license SET revoked_date = now()
                   WHERE uuid IN (SELECT max(uuid::text)::uuid FROM license WHERE status <> 'revoked' GROUP BY status);
                   UPDATE license SET revoked_date = NULL
                   WHERE uuid IN (SELECT max(uuid::text)::uuid FROM license WHERE status = 'revoked')",
    },
    Break {
        check: "schema",
        violations: 1,
        sqlite: "DROP TRIGGER license_history_counts_former_seats",
        postgres: "ALTER TABLE license_history DISABLE TRIGGER license_history_counts_seats",
    },
];

/// The findings of a check: by name, the number of violations.
fn findings(database: &Database, succeeds: bool) -> Vec<(String, i64)> {
    let ran = Ran::alone(database.url(), &["check", "--output", "json"]);
    assert_eq!(ran.code, Some(if succeeds { 0 } else { 1 }), "{ran:?}");
    assert!(!ran.stdout.contains('@'), "no person is named: {ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let checks = report["checks"].as_array().expect("a list of checks");
    for check in checks {
        let examples = check["examples"].as_array().expect("a list of ids").len() as i64;
        assert_eq!(examples, check["violations"].as_i64().expect("a number").min(5), "{check}");
    }
    checks.iter().map(|check| (text(&check["name"]), check["violations"].as_i64().expect("a number"))).collect()
}

/// A database with plans that are renewed, transferred, revoked, and with all kinds of messages, by requests alone.
fn scene(database: &Database) {
    let settings = [("LM_WORKER__ENABLED", "false"), ("LM_WEBHOOKS__ALLOW_PRIVATE_ADDRESSES", "true")];
    let server = Server::start_with(database.url(), &settings);
    Customer::new(&server);
    let customer = Customer::new(&server);
    let operator = customer.operator();
    let provision = |below: &str, body: Value| operator.post(&format!("{PROVISIONING}/{below}"), &body);
    provision("webhooks/", json!({ "url": "http://127.0.0.1:9/", "event_types": ["revoked"] })).expect(201);

    let plan = customer.plan(8);
    let people = customer.emails("learner", 5);
    let body = json!({ "user_emails": people, "user_sfids": ["00k000000000000003", null, null, null, null],
                       "greeting": "Hello" });
    plan.admin.post(&plan.path("licenses/assign/"), &body).expect(200);
    for (user_id, name) in [(7, "learner-0"), (8, "learner-1")] {
        activate(&server, &customer, &plan, user_id, name);
    }
    plan.admin.post(&plan.path("licenses/remind/"), &json!({ "user_emails": [people[2]] })).expect(204);
    plan.admin.post(&plan.path("licenses/bulk-revoke/"), &json!({ "user_emails": [people[1], people[3]] })).expect(200);
    let enrollment = json!({ "emails": [people[0]], "course_run_keys": ["course-v1:a+b+c"], "notify": true });
    let path = format!("/api/v1/bulk-license-enrollment/?enterprise_customer_uuid={}", customer.enterprise);
    plan.admin.post(&path, &enrollment).expect(201);

    // The renewed plan is followed, also by a license that leaves it.
    let (prior, other) = (customer.plan(4), customer.plan(2));
    prior.assign(&customer.emails("renewed", 3)).expect(200);
    let renewal = json!({ "prior_subscription_plan": prior.uuid, "number_of_licenses": 4, "salesforce_opportunity_id": null,
                          "effective_date": "2100-01-02T00:00:00Z", "renewed_expiration_date": "2101-01-01T00:00:00Z" });
    let renewal = provision("subscription-plan-renewals/", renewal).expect(201);
    let path = format!("{PROVISIONING}/subscription-plan-renewals/{}/process/", renewal["id"]);
    operator.send(Request::new("POST", path)).expect(201);
    let moved = prior.licenses("assigned")[0]["uuid"].clone();
    let order = json!({ "customer_agreement": customer.agreement, "old_subscription_plan": prior.uuid,
                        "new_subscription_plan": other.uuid, "license_uuids": [moved] });
    let job = provision("license-transfer-jobs/", order).expect(201);
    provision(&format!("license-transfer-jobs/{}/process/", job["id"]), json!({ "is_dry_run": false })).expect(200);
}

fn activate(server: &Server, customer: &Customer, plan: &Plan, user_id: i64, name: &str) {
    let path = format!("/api/v1/license-activation/?activation_key={}", plan.activation_key(&customer.email(name)));
    server.client(&customer.learner(user_id, name)).send(Request::new("POST", path)).expect(200);
}

fn every_check_finds_what_breaks_its_rule(database: Database) {
    scene(&database);
    let mut before = findings(&database, true);
    assert!(before.iter().all(|(_, violations)| *violations == 0), "{before:?}");
    for (name, _) in &before {
        assert!(BREAKS.iter().any(|broken| broken.check == name), "{name} is not tested");
    }
    let is_sqlite = database.url().starts_with("sqlite:");
    for Break { check, violations, sqlite, postgres } in BREAKS {
        database.execute(if is_sqlite { sqlite } else { postgres });
        let after = findings(&database, false);
        let of =
            |findings: &[(String, i64)]| findings.iter().find(|(name, _)| name == check).map(|(_, number)| *number);
        let (former, found) = (of(&before), of(&after));
        assert_eq!(found, former.map(|former| former + violations), "{check}, from {former:?}: {sqlite}");
        before = after;
    }
}

fn a_check_names_what_it_found_and_changes_nothing(database: Database) {
    let server = Server::start_with(database.url(), &[("LM_WORKER__ENABLED", "false")]);
    let customer = Customer::new(&server);
    let plan = customer.plan(20);
    plan.assign(&customer.emails("learner", 7)).expect(200);
    let rows = || database.texts("SELECT CAST(count(*) AS text) AS text FROM license_history");
    let before = rows();
    let ran = server.command(&["check"]);
    assert!(ran.succeeded && ran.stdout.starts_with("check\n  storage: 0\n"), "{ran:?}");

    let of_assigned = "SELECT CAST(uuid AS text) AS text FROM license WHERE status = 'assigned' ORDER BY 1";
    let ids = database.texts(of_assigned);
    database.execute("UPDATE license SET auto_applied = false WHERE status = 'assigned'");
    let ran = server.command(&["check"]);
    let listed: String = ids[..5].iter().map(|id| format!("    license {id}\n")).collect();
    let told = format!(
        "  history-end: 7 violations of: The newest version of every row is the row. What was deleted ends with its \
         deletion.\n{listed}    …\n"
    );
    assert!(ran.code == Some(1) && ran.stdout.contains(&told), "{told}{ran:?}");
    assert_eq!(rows(), before);
    database.execute("UPDATE license SET auto_applied = NULL");
    database.assert_sound();
}

mod an_old_or_missing_database_is_not_checked {
    use license_manager_tests::Database;

    #[test]
    fn sqlite() {
        super::check_an_old_or_missing_database(&Database::sqlite());
    }

    #[test]
    fn postgres() {
        super::check_an_old_or_missing_database(&Database::empty_postgres());
    }
}

fn check_an_old_or_missing_database(database: &Database) {
    let ran = Ran::alone(database.url(), &["check"]);
    let why =
        if database.url().starts_with("sqlite:") { "there is no SQLite database" } else { "lacks the migrations" };
    assert!(ran.code == Some(1) && ran.stdout.is_empty() && ran.stderr.contains(why), "{ran:?}");
    Server::start(database.url()).stop_with_sigterm();
    database.execute(
        "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)",
    );
    let ran = Ran::alone(database.url(), &["check"]);
    let last = "lacks the migrations 2026-";
    assert!(ran.code == Some(1) && ran.stdout.is_empty() && ran.stderr.contains(last), "{ran:?}");
}
