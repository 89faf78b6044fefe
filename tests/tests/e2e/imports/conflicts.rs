//! Rows that were changed here, in the source, or on both sides between two imports.

use license_manager_tests::{Database, DjangoIds, DjangoServer, PROVISIONING, Person, Server, text};
use serde_json::json;

use super::{count, import, license, summary, uuid_of};

/// The customer's admin, who may also provision.
fn admin() -> Person {
    let person = Person::new(8, "boss@example.com", "boss");
    person.role(format!("enterprise_admin:{}", uuid_of("c2"))).role("enterprise_provisioning_admin:*")
}

/// Gives Zoe a license, revokes Ben's and adds a renewal, as people do here. Returns Zoe's license.
fn change_here(target: &Database) -> String {
    let server = Server::start_with(target.url(), &[("LM_WORKER__ENABLED", "false")]);
    let client = server.client(&admin());
    let plan = format!("/api/v1/subscriptions/{}/licenses", uuid_of("b1"));
    let assigned = client.post(&format!("{plan}/assign/"), &json!({ "user_emails": ["zoe@example.com"] })).expect(200);
    client.post(&format!("{plan}/bulk-revoke/"), &json!({ "user_emails": ["ben@example.com"] })).expect(200);
    let renewal = json!({
        "prior_subscription_plan": uuid_of("b6"),
        "number_of_licenses": 3,
        "salesforce_opportunity_id": null,
        "effective_date": "2030-01-01T00:00:00Z",
        "renewed_expiration_date": "2031-01-01T00:00:00Z",
    });
    let renewal = client.post(&format!("{PROVISIONING}/subscription-plan-renewals/"), &renewal).expect(201);
    assert_eq!(renewal["id"], 24);
    text(&assigned["license_assignments"][0]["license"])
}

/// Changes the same in the source: Zoe's license goes and she gets another one, Ben activates his, and a renewal of
/// another plan has the same number.
fn change_there(mariadb: &DjangoServer, name: &str, zoe: &str) {
    let zoe = zoe.replace('-', "");
    mariadb.execute(
        name,
        &format!(
            "SET SESSION sql_mode = '';
             SET @u = '2025-06-01 10:00:00';
             DELETE FROM subscriptions_license WHERE uuid = '{zoe}';
             INSERT INTO subscriptions_license
                 (uuid, created, modified, status, user_email, subscription_plan_id, activation_key, assigned_date)
             VALUES (REPEAT('24', 16), @u, @u, 'assigned', 'zoe@example.com', REPEAT('b1', 16), REPEAT('24', 16), @u);
             UPDATE subscriptions_license SET status = 'activated', activation_date = @u, lms_user_id = 20
             WHERE uuid = REPEAT('02', 16);
             INSERT INTO subscriptions_historicallicense
                 (history_id, history_date, history_type, uuid, created, modified, status, user_email, lms_user_id,
                  subscription_plan_id, activation_key, assigned_date, activation_date) VALUES
                 (114, @u, '~', REPEAT('02', 16), @u, @u, 'activated', 'ben@example.com', 20, REPEAT('b1', 16),
                  REPEAT('e2', 16), '2025-03-02', @u);
             INSERT INTO subscriptions_subscriptionplanrenewal
                 (id, created, modified, number_of_licenses, effective_date, renewed_expiration_date, processed,
                  prior_subscription_plan_id, license_types_to_copy)
             VALUES (24, @u, @u, 7, '2031-01-01', '2032-01-01', 0, REPEAT('b4', 16), 'activated')"
        ),
    );
}

fn renewal(target: &Database) -> String {
    let terms = "SELECT CAST(number_of_licenses AS text) AS text FROM subscription_plan_renewal WHERE id = 24";
    target.texts(terms).concat()
}

#[test]
fn what_was_changed_here_alone_stays_and_is_named() {
    let mariadb = DjangoServer::new();
    for (name, target) in [("one", Database::sqlite()), ("two", Database::postgres())] {
        let source = mariadb.oddities(name, DjangoIds::Native);
        assert!(import(&target, &source, &[]).succeeded);
        let zoe = change_here(&target);
        let waiting = count(&target, "outbox");
        mariadb.execute(name, "UPDATE subscriptions_licensetransferjob SET notes = 'more' WHERE id = 31");
        let again = import(&target, &source, &["--output", "json"]);
        assert!(again.succeeded, "{again:?}");
        let changes = summary(&again)["changes"].clone();
        let expected = json!({ "added": 0, "changed": 0, "deleted": 0, "kept": 3, "unchanged": 14 });
        assert_eq!(changes["license"], expected, "{changes}");
        assert_eq!(changes["license_transfer_job"]["changed"], 1, "{changes}");
        assert_eq!(count(&target, "outbox"), waiting, "an import sends nothing");
        target.assert_sound();

        let found = import(&target, &source, &["--verify"]);
        assert_eq!(found.code, Some(1), "{found:?}");
        for line in [
            format!("changed here: license {zoe}: status user_email"),
            format!("changed here: license {}: status", uuid_of("02")),
            "added here: license ".to_owned(),
            "added here: subscription_plan_renewal 24".to_owned(),
            "license transfer job: 3, equal".to_owned(),
        ] {
            assert!(found.stdout.contains(&line), "{line}: {}", found.stdout);
        }
        assert!(!found.stdout.contains("there:"), "{}", found.stdout);
    }
}

#[test]
fn what_was_changed_on_both_sides_is_refused_or_decided() {
    let mariadb = DjangoServer::new();
    for (kind, make) in [("sqlite", Database::sqlite as fn() -> Database), ("postgres", Database::postgres)] {
        for choice in ["--keep", "--force"] {
            let (name, target) = (format!("{kind}{}", &choice[2..]), make());
            let source = mariadb.oddities(&name, DjangoIds::Mixed);
            assert!(import(&target, &source, &[]).succeeded);
            let zoe = change_here(&target);
            change_there(&mariadb, &name, &zoe);

            let refused = import(&target, &source, &[]);
            assert_eq!(refused.code, Some(1), "{refused:?}");
            for line in [
                "--force".to_owned(),
                format!("changed twice: 1\n    license {}: status", uuid_of("02")),
                format!("deleted there: 1\n    license {zoe}"),
                "given twice: 1\n    subscription_plan_renewal 24: prior_subscription_plan_uuid".to_owned(),
                format!("held here: 1\n    license {}, held by license {zoe}\n", uuid_of("24")),
            ] {
                assert!(refused.stdout.contains(&line), "{line}: {}", refused.stdout);
            }
            assert!(license(&target, "02").starts_with("revoked"), "nothing was imported");
            assert_eq!(count(&target, "license_history WHERE history_id = 114"), "0");

            let decided = import(&target, &source, &[choice]);
            assert!(decided.succeeded, "{decided:?}");
            assert!(decided.stdout.contains("changed twice: 1"), "{decided:?}");
            assert_eq!(count(&target, "license_history WHERE history_id = 114"), "1");
            target.assert_sound();
            let of_zoe = format!("license WHERE user_email = 'zoe@example.com' AND CAST(uuid AS text) = '{zoe}'");
            if choice == "--keep" {
                assert!(license(&target, "02").starts_with("revoked ben@example.com"), "{}", license(&target, "02"));
                assert_eq!((renewal(&target).as_str(), count(&target, &of_zoe).as_str()), ("3", "1"));
            } else {
                assert_eq!(license(&target, "02"), "activated ben@example.com 20");
                assert_eq!(license(&target, "24"), "assigned zoe@example.com -");
                assert_eq!((renewal(&target).as_str(), count(&target, &of_zoe).as_str()), ("7", "0"));
            }
            let still = import(&target, &source, &[]);
            assert!(still.succeeded && still.stdout.contains("the source is as it was"), "{still:?}");
            mariadb.execute(&name, "UPDATE core_user SET email = 'amy@other.example' WHERE id = 2");
            let settled = import(&target, &source, &[]);
            assert!(settled.succeeded, "a conflict is decided once: {settled:?}");
        }
    }
}

#[test]
fn rows_that_need_each_other_across_both_sides_are_conflicts() {
    let mariadb = DjangoServer::new();
    for (kind, make) in [("sqlite", Database::sqlite as fn() -> Database), ("postgres", Database::postgres)] {
        for choice in ["--keep", "--force"] {
            let (name, target) = (format!("{kind}{}", &choice[2..]), make());
            let source = mariadb.oddities(&name, DjangoIds::Native);
            assert!(import(&target, &source, &[]).succeeded);
            // A plan that is renewed here goes there.
            let server = Server::start_with(target.url(), &[("LM_WORKER__ENABLED", "false")]);
            let renewal = json!({
                "prior_subscription_plan": uuid_of("b4"),
                "number_of_licenses": 3,
                "salesforce_opportunity_id": null,
                "effective_date": "2030-01-01T00:00:00Z",
                "renewed_expiration_date": "2031-01-01T00:00:00Z",
            });
            let path = format!("{PROVISIONING}/subscription-plan-renewals/");
            server.client(&admin()).post(&path, &renewal).expect(201);
            drop(server);
            let plan = uuid_of("b4");
            mariadb.execute(&name, "DELETE FROM subscriptions_subscriptionplan WHERE uuid = REPEAT('b4', 16)");

            let refused = import(&target, &source, &[]);
            let line =
                format!("needed here: 1\n    subscription_plan {plan}, needed by subscription_plan_renewal 24\n");
            assert!(refused.code == Some(1) && refused.stdout.contains(&line), "{refused:?}");
            let decided = import(&target, &source, &[choice]);
            assert!(decided.succeeded, "{decided:?}");
            target.assert_sound();
            let kept = if choice == "--keep" { "1" } else { "0" };
            assert_eq!(count(&target, &format!("subscription_plan WHERE CAST(uuid AS text) = '{plan}'")), kept);
            assert_eq!(count(&target, "subscription_plan_renewal WHERE id = 24"), kept);
            let still = import(&target, &source, &[]);
            assert!(still.succeeded && still.stdout.contains("the source is as it was"), "{still:?}");
        }
    }
}

#[test]
fn a_person_who_was_retired_here_does_not_come_back() {
    let mariadb = DjangoServer::new();
    for (name, target) in [("one", Database::sqlite()), ("two", Database::postgres())] {
        let source = mariadb.oddities(name, DjangoIds::Native);
        assert!(import(&target, &source, &[]).succeeded);
        let server = Server::start_with(target.url(), &[("LM_WORKER__ENABLED", "false")]);
        let worker = server.client(&Person::new(6, "worker@example.com", "retirement_worker"));
        worker.post("/api/v1/retire_user/", &json!({ "lms_user_id": 7, "original_username": "amy" })).expect(204);
        drop(server);
        let of_amy = "imported_value WHERE source_table = 'core_user' AND source_key = 'amy'";
        assert_eq!(count(&target, of_amy), "0", "what was kept of the person goes");
        mariadb.execute(name, "UPDATE subscriptions_licensetransferjob SET notes = 'more' WHERE id = 31");
        let again = import(&target, &source, &[]);
        assert!(again.succeeded, "{again:?}");
        for from in [
            of_amy,
            "users WHERE username = 'amy'",
            "license WHERE user_email = 'amy@example.com' OR lms_user_id = 7",
            "license_history WHERE user_email = 'amy@example.com' OR lms_user_id = 7",
            "imported_row WHERE key LIKE '%amy%'",
        ] {
            assert_eq!(count(&target, from), "0", "{from}");
        }
        target.assert_sound();
        let found = import(&target, &source, &["--verify"]);
        assert!(found.stdout.contains("deleted here: users amy"), "{found:?}");
    }
}
