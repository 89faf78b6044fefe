//! `license-manager import`: databases of the Django service, with every form of ids, into both databases.

mod again;
mod blank;
mod conflicts;
mod connection;
mod dry_runs;
mod interrupted;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use license_manager_tests::{Database, DjangoIds, DjangoServer, Person, Ran, Server};
use serde_json::{Value, json};

/// How many rows of the fixture each rule applies to.
const RULES: [(&str, u64); 45] = [
    ("assigned_with_activation_date", 1),
    ("auto_scaling_most", 1),
    ("auto_scaling_percentage", 1),
    ("desired_licenses", 2),
    ("event_twice", 1),
    ("group_of_user", 1),
    ("harmless_message", 1),
    ("held_twice", 3),
    ("history_behind", 5),
    ("history_missing", 34),
    ("history_order", 3),
    ("history_without_end", 2),
    ("inactive_user", 1),
    ("live_with_revoked_date", 1),
    ("live_without_address", 2),
    ("message_that_is_off", 1),
    ("missing_activation_date", 1),
    ("missing_activation_key", 1),
    ("missing_assigned_date", 1),
    ("missing_revoked_date", 1),
    ("notification_of_no_plan", 1),
    ("notification_twice", 1),
    ("notification_without_plan", 2),
    ("notified_user", 1),
    ("number_of_revocations", 1),
    ("permission_of_user", 1),
    ("plan_opportunity", 1),
    ("plan_period", 1),
    ("plan_without_product", 2),
    ("purge_duration", 1),
    ("refused_address", 1),
    ("renewal_of_no_licenses", 1),
    ("renewal_period", 1),
    ("renewal_without_plan", 1),
    ("renewal_without_time", 1),
    ("revoke_percentage", 1),
    ("role_of_inactive_user", 1),
    ("role_twice", 2),
    ("source_id", 2),
    ("staff", 1),
    ("transfer_of_no_license", 1),
    ("transfer_results", 1),
    ("transfer_to_the_same_plan", 1),
    ("unassigned_with_leftovers", 1),
    ("unknown_role", 1),
];

fn import(target: &Database, source: &str, more: &[&str]) -> Ran {
    Ran::alone(target.url(), &[&["import", "--from", source], more].concat())
}

/// The JSON summary of a run.
#[track_caller]
fn summary(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn rules(summary: &Value) -> BTreeMap<String, u64> {
    let rules = summary["rules"].as_array().expect("a list of rules");
    let of = |rule: &Value| (rule["rule"].as_str().unwrap_or_default().to_owned(), rule["rows"].as_u64().unwrap_or(0));
    rules.iter().map(of).collect()
}

/// The rows of a license, as `status user_email dates`.
fn license(database: &Database, digits: &str) -> String {
    let uuid = uuid_of(digits);
    let query = format!(
        "SELECT status || ' ' || coalesce(user_email, '-') || ' ' || coalesce(CAST(lms_user_id AS text), '-') AS text
         FROM license WHERE CAST(uuid AS text) = '{uuid}'"
    );
    database.texts(&query).join("|")
}

/// The UUID of repeated digits.
fn uuid_of(digits: &str) -> String {
    let all = digits.repeat(16);
    format!("{}-{}-{}-{}-{}", &all[..8], &all[8..12], &all[12..16], &all[16..20], &all[20..])
}

fn count(database: &Database, from: &str) -> String {
    database.texts(&format!("SELECT CAST(count(*) AS text) AS text FROM {from}")).concat()
}

#[track_caller]
fn assert_everything_went_over(database: &Database) {
    database.assert_sound();
    let cases = [
        ("01", "activated amy@example.com 7"),
        ("02", "assigned ben@example.com -"),
        ("03", "activated cat@example.com 9"),
        ("04", "unassigned - -"),
        ("05", "unassigned - -"),
        ("06", "unassigned - -"),
        ("07", "activated dan@example.com 10"),
        ("08", "activated eve@example.com -"),
        ("09", "assigned fay@example.com -"),
        ("0a", "unassigned - -"),
        ("0b", "unassigned - -"),
        ("0c", "unassigned - -"),
        ("0d", "revoked guy@example.com 13"),
        ("0e", "assigned not an address -"),
        ("0f", "unassigned - -"),
        ("11", "activated amy@example.com 7"),
    ];
    for (digits, expected) in cases {
        assert_eq!(license(database, digits), expected, "{digits}");
    }
    let texts = |query: &str| database.texts(query).join("|");
    // Who, kind and reason, and the version that closes a license's history.
    assert_eq!(
        texts(&format!(
            "SELECT history_type || coalesce(history_user, '-') || status AS text FROM license_history
             WHERE CAST(uuid AS text) = '{}' ORDER BY history_id",
            uuid_of("01")
        )),
        "+amyunassigned|~amyassigned|~amyactivated|~-activated"
    );
    let freed = "SELECT history_change_reason AS text FROM license_history WHERE status = 'unassigned'
                 AND history_change_reason LIKE 'import:%' ORDER BY text";
    assert_eq!(database.texts(freed).len(), 5);
    assert_eq!(
        texts(
            "SELECT coalesce(history_user, '-') || history_type || coalesce(history_change_reason, '-') AS text
               FROM subscription_plan_history WHERE title = 'Plan' ORDER BY history_id"
        ),
        "amy+new|amy~other"
    );
    // The copy continues the license that was renewed to it.
    let from = format!(
        "SELECT CAST(renewed_from_uuid AS text) AS text FROM license WHERE CAST(uuid AS text) = '{}'",
        uuid_of("11")
    );
    assert_eq!(texts(&from), uuid_of("01"));
    // An activation counts on the day of its date: 5 March and 1 January are recorded on other days or moments, and those of
    // licenses 03, 07 and 0d happened before the first version.
    assert_eq!(count(database, "seat_activation"), "6");
    let activations = "SELECT CAST(sum(number) AS text) AS text FROM seat_activation";
    assert_eq!(texts(activations), "6");
    let (second, fifth) = match database.url().starts_with("sqlite") {
        true => ("20149", "20152"),
        false => ("DATE '2025-03-02'", "DATE '2025-03-05'"),
    };
    assert_eq!(texts(&format!("{activations} WHERE day = {second}")), "1");
    assert_eq!(texts(&format!("{activations} WHERE day = {fifth}")), "2");
    assert_eq!(
        texts("SELECT source_id AS text FROM license_source ORDER BY source_id"),
        "006000000000000000|0067F000002YwsnQAC|006AAAAAAAAAAAAAAA"
    );
    assert_eq!(
        texts("SELECT button_label || button_url AS text FROM expiration_message ORDER BY text"),
        "Go|Gohttps://example.com/go"
    );
    assert_eq!(
        texts(
            "SELECT username || CASE WHEN is_staff THEN ' staff' ELSE '' END
                   || CASE WHEN is_superuser THEN ' superuser' ELSE '' END || coalesce(' ' || email, '') AS text
               FROM users ORDER BY username"
        ),
        "amy amy@example.com|desk staff desk@example.com|gone|root staff superuser root@example.com"
    );
    assert_eq!(texts("SELECT CAST(id AS text) AS text FROM role_assignment ORDER BY id"), "1|3|9");
    assert_eq!(texts("SELECT CAST(id AS text) AS text FROM notification ORDER BY id"), "40|42|44");
    assert_eq!(
        texts("SELECT CAST(enterprise_customer_user_id AS text) AS text FROM notification WHERE id = 40"),
        "501"
    );
    assert_eq!(texts("SELECT CAST(id AS text) AS text FROM license_transfer_job ORDER BY id"), "31|32|33");
    let purge = "SELECT CAST(license_duration_before_purge_seconds AS text) AS text FROM customer_agreement ORDER BY 1";
    assert_eq!(texts(purge), "0|104401|7776000|7776000");
    // Nobody is mailed.
    assert_eq!(count(database, "outbox"), "0");
    assert_eq!(count(database, "plan_job"), "0");
}

/// Values that have no place here are kept for the way back, without personal data.
#[track_caller]
fn assert_values_are_kept(database: &Database) {
    let kept = database.texts(
        "SELECT source_table || ' ' || source_key || ' ' || kept AS text FROM imported_value ORDER BY source_table, source_key",
    );
    for expected in [
        r#"core_user amy {"id":"2"}"#.to_owned(),
        r#"core_user gone {"id":"3","is_active":"0","is_staff":"1","is_superuser":"1"}"#.to_owned(),
        r#"core_user_groups desk: support {"username":"desk","name":"support"}"#.to_owned(),
        format!(r#"customeragreement {} {{"license_duration_before_purge":"104400000001""#, uuid_of("a1")),
        format!(r#"customsubscriptionexpirationmessaging 2 {{"customer_agreement_id":"{}""#, uuid_of("a3")),
        format!(r#"notification 44 {{"enterprise_customer_user_uuid":"{}"}}"#, uuid_of("ff")),
        format!(
            r#"subscriptionplan {} {{"revoke_max_percentage":"200","salesforce_opportunity_id":"006AAAAAAAAAAAAAAA","product_id":null}}"#,
            uuid_of("b3")
        ),
        r#"subscriptionlicensesource 2 {"source_id":"0067F000002Ywsn"}"#.to_owned(),
        r#"subscriptionplanrenewal 22 {"processed":"1","exempt_from_batch_processing":"0"}"#.to_owned(),
    ] {
        assert!(kept.iter().any(|value| value.starts_with(&expected)), "{expected}: {kept:#?}");
    }
    assert!(!kept.iter().any(|value| value.contains('@')), "{kept:#?}");
}

#[test]
fn every_oddity_goes_over_by_its_rule_with_every_form_of_ids_into_both_databases() {
    let mariadb = DjangoServer::new();
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    for ids in DjangoIds::ALL {
        let source = mariadb.oddities(&format!("{ids:?}").to_lowercase(), ids);
        for target in [Database::sqlite(), Database::postgres()] {
            assert!(Ran::alone(target.url(), &["migrate"]).succeeded);
            let report = folder.path().join("report.csv");
            let path = report.to_str().expect("a path is text");
            let dry = import(&target, &source, &["--dry-run", "--output", "json", "--report", path]);
            assert!(dry.succeeded, "{dry:?}");
            let found = summary(&dry);
            let expected: BTreeMap<String, u64> = RULES.map(|(rule, rows)| (rule.to_owned(), rows)).into();
            assert_eq!(rules(&found), expected, "{ids:?}");
            assert_eq!((&found["dry_run"], &found["tables"]["license"]), (&true.into(), &16.into()));
            let lines = fs::read_to_string(&report).expect("the report is read");
            assert_eq!(lines.lines().count() as u64, 1 + expected.values().sum::<u64>());
            assert!(lines.contains(&format!("held_twice,mended,license {}", uuid_of("04"))), "{lines}");
            assert_eq!(count(&target, "license"), "0", "a dry run imports nothing");

            let strict = import(&target, &source, &["--strict", "--output", "json"]);
            assert_eq!((strict.code, &summary(&strict)["refused"]), (Some(1), &true.into()), "{strict:?}");
            assert_eq!(count(&target, "license"), "0");

            let done = import(&target, &source, &[]);
            assert!(done.succeeded && done.stdout.contains("license: 16"), "{done:?}");
            assert_everything_went_over(&target);

            let equal = import(&target, &source, &["--verify", "--output", "json"]);
            assert!(equal.succeeded && summary(&equal)["differences"] == 0, "{equal:?}");

            let again = import(&target, &source, &[]);
            assert!(again.succeeded && again.stdout.contains("the source is as it was"), "{again:?}");
            assert_values_are_kept(&target);
        }
    }
}

#[test]
fn a_change_on_either_side_is_a_difference() {
    let mariadb = DjangoServer::new();
    let source = mariadb.oddities("old", DjangoIds::Mixed);
    for target in [Database::sqlite(), Database::postgres()] {
        assert!(Ran::alone(target.url(), &["migrate"]).succeeded);
        let early = import(&target, &source, &["--verify"]);
        assert!(early.code == Some(1) && early.stderr.contains("nothing was imported into this database"), "{early:?}");
        assert!(import(&target, &source, &[]).succeeded);
        mariadb
            .execute("old", "UPDATE subscriptions_license SET lms_user_id = 70 WHERE user_email = 'ben@example.com'");
        mariadb.execute("old", "DELETE FROM subscriptions_licenseevent WHERE id = 7");
        target.execute("UPDATE subscription_plan SET title = 'Other' WHERE title = 'Plan'");
        let found = import(&target, &source, &["--verify"]);
        assert_eq!(found.code, Some(1), "{found:?}");
        for line in [
            format!("changed there: license {}: lms_user_id", uuid_of("02")),
            "deleted there: license_event 7".to_owned(),
            format!("changed here: subscription_plan {}: title", uuid_of("b1")),
            "license transfer job: 3, equal".to_owned(),
        ] {
            assert!(found.stdout.contains(&line), "{line}: {}", found.stdout);
        }
        assert!(!found.stdout.contains("ben@") && !found.stdout.contains("Other"), "values stay out of it");
        mariadb.execute("old", "UPDATE subscriptions_license SET lms_user_id = NULL WHERE user_email = 'ben@example.com';
            INSERT INTO subscriptions_licenseevent VALUES (7, '2025-03-01 10:00:00.123456', '2025-03-01 10:00:00.123456', 'other', REPEAT('01', 16))");
    }
}

/// The definitions of all indexes and triggers.
fn definitions(database: &Database) -> Vec<String> {
    database.texts(if database.url().starts_with("sqlite:") {
        "SELECT coalesce(sql, name) AS text FROM sqlite_schema WHERE type IN ('index', 'trigger') ORDER BY type, name"
    } else {
        "SELECT indexdef AS text FROM pg_indexes WHERE schemaname = current_schema()
         UNION ALL SELECT pg_get_triggerdef(oid) || ' ' || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
         ORDER BY text"
    })
}

#[test]
fn an_imported_database_goes_on_where_the_service_stopped() {
    let mariadb = DjangoServer::new();
    let source = mariadb.oddities("old", DjangoIds::Native);
    for target in [Database::sqlite(), Database::postgres()] {
        assert!(Ran::alone(target.url(), &["migrate"]).succeeded);
        let before = definitions(&target);
        let done = import(&target, &source, &[]);
        assert!(done.succeeded, "{done:?}");
        // Filling does without some of them.
        assert!(before.len() > 50, "{before:?}");
        assert_eq!(definitions(&target), before);
        let server = Server::start(target.url());
        // The key of a mail that was sent before still belongs to its person.
        let customer = uuid_of("c2");
        let learner = Person::new(7, "amy@example.com", "amy").role(format!("enterprise_learner:{customer}"));
        let path = format!("/api/v1/license-activation/?activation_key={}", uuid_of("e1"));
        server.client(&learner).post(&path, &json!({})).expect(200);
        let admin = Person::new(8, "boss@example.com", "boss").role(format!("enterprise_admin:{customer}"));
        let path = format!("/api/v1/subscriptions/{}/licenses/overview/", uuid_of("b1"));
        let overview = server.client(&admin).get(&path).expect(200);
        let counts: BTreeMap<&str, u64> = overview
            .as_array()
            .expect("a list of counts")
            .iter()
            .map(|row| (row["status"].as_str().unwrap_or_default(), row["count"].as_u64().unwrap_or_default()))
            .collect();
        assert_eq!(counts, BTreeMap::from([("activated", 4), ("assigned", 3), ("revoked", 1), ("unassigned", 7)]));
        // Numbers go on after those that only the history remembers.
        target.execute(
            "INSERT INTO license_transfer_job (customer_agreement_uuid, old_subscription_plan_uuid, new_subscription_plan_uuid,
                 is_dry_run, processed_results, created, modified)
             SELECT customer_agreement_uuid, old_subscription_plan_uuid, new_subscription_plan_uuid, is_dry_run,
                 processed_results, created, modified FROM license_transfer_job WHERE id = 31",
        );
        assert_eq!(target.texts("SELECT CAST(max(id) AS text) AS text FROM license_transfer_job").concat(), "40");
    }
}

#[test]
fn what_cannot_be_imported_is_refused_in_one_line_without_the_password() {
    let mariadb = DjangoServer::new();
    let target = Database::sqlite();
    let old = mariadb.empty("old", DjangoIds::Native);
    mariadb.execute("old", "INSERT INTO django_migrations VALUES (1, 'subscriptions', '0065_older', '2024-01-01')");
    let other = mariadb.empty("other", DjangoIds::Native);
    mariadb.execute("other", "DROP TABLE subscriptions_license");
    let wild = mariadb.oddities("wild", DjangoIds::Native);
    mariadb.execute("wild", "UPDATE subscriptions_historicallicense SET status = 'wild' ORDER BY history_id LIMIT 1");
    let few = mariadb.oddities("few", DjangoIds::Native).replace("lm:secret", "few:secret");
    mariadb.execute(
        "few",
        "CREATE USER few@127.0.0.1 IDENTIFIED BY 'secret'; GRANT SELECT ON few.django_migrations TO few@127.0.0.1;
         GRANT SELECT ON few.subscriptions_license TO few@127.0.0.1",
    );
    let ungrouped = mariadb.oddities("ungrouped", DjangoIds::Native);
    mariadb.execute("ungrouped", "DROP TABLE core_user_groups");
    let narrow = mariadb.oddities("narrow", DjangoIds::Native);
    mariadb.execute("narrow", "ALTER TABLE subscriptions_license DROP COLUMN auto_applied");
    let wrong = old.replace("secret", "hush-hush");
    let cases = [
        (old.as_str(), 1, "subscriptions.0065_older"),
        (&other, 1, "there is no table subscriptions_license"),
        (&wild, 1, "of its history"),
        (&few, 1, "subscriptions_notification"),
        (&ungrouped, 1, "these tables, or they are not there: core_user_groups."),
        (&narrow, 1, "these columns, or they are not there: subscriptions_license.auto_applied."),
        (&wrong, 1, "Access denied"),
        ("mysql://lm:hush-hush@127.0.0.1:1/x", 1, "cannot connect"),
        ("postgres://lm:hush-hush@127.0.0.1/x", 2, "mysql://USER:PASSWORD@HOST/NAME"),
    ];
    for (source, code, text) in cases {
        let refused = import(&target, source, &[]);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(code), ""), "{refused:?}");
        let complaints: Vec<&str> =
            refused.stderr.lines().filter(|line| line.starts_with("license-manager: ")).collect();
        assert!(complaints.len() == 1 && complaints[0].contains(text), "{refused:?}");
        assert!(!refused.stderr.contains("hush-hush"), "{refused:?}");
    }
    let none = Ran::alone(target.url(), &["import"]);
    assert!(none.code == Some(2) && none.stderr.contains("LM_IMPORT__URL"), "{none:?}");
    assert_eq!(count(&target, "license"), "0");
}

#[test]
fn a_plan_without_a_product_gets_one_also_where_its_kind_has_none() {
    let mariadb = DjangoServer::new();
    let source = mariadb.oddities("old", DjangoIds::Native);
    mariadb.execute("old", "DELETE FROM subscriptions_product WHERE id = 4");
    for target in [Database::sqlite(), Database::postgres()] {
        let done = import(&target, &source, &[]);
        assert!(done.succeeded, "{done:?}");
        let of_plan = format!(
            "SELECT CAST(product_id AS text) AS text FROM subscription_plan WHERE CAST(uuid AS text) = '{}'",
            uuid_of("b4")
        );
        assert_eq!(target.texts(&of_plan), ["1"]);
    }
}

#[test]
fn an_older_layout_goes_over_without_what_later_migrations_add() {
    let mariadb = DjangoServer::new();
    let source = mariadb.oddities("old", DjangoIds::Mixed);
    let of_agreements = [
        "has_custom_license_expiration_messaging",
        "modal_header_text",
        "expired_subscription_modal_messaging",
        "button_label_in_modal",
        "url_for_button_in_modal",
        "enable_auto_applied_subscriptions_with_universal_link",
        "enable_auto_scaling_of_current_plan",
        "auto_scaling_max_licenses",
        "auto_scaling_threshold_percentage",
        "auto_scaling_increment_percentage",
    ];
    let dropped = of_agreements.map(|column| format!("DROP COLUMN {column}")).join(", ");
    mariadb.execute(
        "old",
        &format!(
            "UPDATE django_migrations SET name = '0066_older' WHERE app = 'subscriptions';
             DROP TABLE subscriptions_licenseevent, subscriptions_customsubscriptionexpirationmessaging,
                 subscriptions_historicalcustomsubscriptionexpirationmessaging;
             ALTER TABLE subscriptions_customeragreement {dropped};
             ALTER TABLE subscriptions_historicalcustomeragreement {dropped};
             ALTER TABLE subscriptions_subscriptionplanrenewal DROP COLUMN exempt_from_batch_processing;
             ALTER TABLE subscriptions_historicalsubscriptionplanrenewal DROP COLUMN exempt_from_batch_processing"
        ),
    );
    for target in [Database::sqlite(), Database::postgres()] {
        let done = import(&target, &source, &[]);
        assert!(done.succeeded, "{done:?}");
        let equal = import(&target, &source, &["--verify"]);
        assert!(equal.succeeded, "{equal:?}");
        target.assert_sound();
        assert_eq!((count(&target, "license"), count(&target, "license_event")), ("16".to_owned(), "0".to_owned()));
        assert_eq!(count(&target, "customer_agreement WHERE auto_scaling_max_licenses IS NULL"), "4");
    }
    // Without the migrations that say so, something is wrong.
    mariadb.execute("old", "UPDATE django_migrations SET name = '0068_licenseevent' WHERE app = 'subscriptions'");
    let refused = import(&Database::sqlite(), &source, &[]);
    assert!(refused.code == Some(1) && refused.stderr.contains("subscriptions_licenseevent"), "{refused:?}");
}

#[test]
fn every_column_of_the_service_is_named_in_the_documentation() {
    let page = include_str!("../../../../docs/MIGRATION.md");
    let (_, rows) = page.split_once("## Every column").expect("the page has the table");
    let mut documented: BTreeMap<&str, String> = BTreeMap::new();
    let mut table = "";
    for row in rows.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        table = if cells[1].is_empty() { table } else { cells[1].trim_matches('`') };
        documented.entry(table).or_default().push_str(cells[2]);
    }
    let layout = include_str!("../../../django/layout.sql");
    let mut columns = 0;
    for definition in layout.split("CREATE TABLE ").skip(1).filter(|text| !text.starts_with("auth_")) {
        let (name, rest) = definition.split_once(" (").expect("a table has columns");
        let name = name.strip_prefix("subscriptions_").unwrap_or(name);
        // What is said of a table is said of its history.
        if name.starts_with("historical") || name.starts_with("core_user_") {
            continue;
        }
        let named = documented.get(name).unwrap_or_else(|| panic!("{name} is not in the table"));
        for column in rest.lines().filter_map(|line| line.strip_prefix("    ")?.split(' ').next()) {
            assert!(named == "all" || named.contains(&format!("`{column}`")), "{name}.{column} is not in the table");
            columns += 1;
        }
    }
    assert!(columns > 150, "{columns} columns");
}

#[test]
fn every_rule_is_documented_and_has_a_row_of_the_fixture() {
    let page = include_str!("../../../../docs/MIGRATION.md");
    let (_, table) = page.split_once("## Rules").expect("the page has the table");
    let (table, _) = table.split_once("Without a note").expect("the table ends");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    let documented: BTreeSet<&str> =
        rows.flat_map(|names| names.split(", ").map(|name| name.trim_matches(['`', ' ']))).collect();
    let known: BTreeSet<&str> = RULES.iter().map(|(rule, _)| *rule).collect();
    assert_eq!(documented, known);
}
