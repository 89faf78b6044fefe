//! A source that is imported again: what changed there, and the end of the import.

use license_manager_tests::{Database, DjangoIds, DjangoServer, PATIENCE, Person, Ran, Server, poll};
use serde_json::{Value, json};

use super::{count, import, rules, summary};

/// What happens in the source after the first import: everything that a row can go through, in bulk and one by one, with
/// and without a record.
const CHANGES: &str = include_str!("../../../django/changes.sql");

/// Tables whose rows are those of a new import, but for versions that end a history.
const TABLES: [&str; 14] = [
    "plan_type",
    "product",
    "customer_agreement",
    "expiration_message",
    "subscription_plan",
    "license",
    "license_source",
    "license_event",
    "subscription_plan_renewal",
    "license_transfer_job",
    "notification",
    "users",
    "role_assignment",
    "bulk_enrollment_job",
];

const HISTORIES: [&str; 7] = [
    "product",
    "customer_agreement",
    "expiration_message",
    "subscription_plan",
    "license",
    "license_source",
    "subscription_plan_renewal",
];

/// The rows of a table as text, without keys that an import makes.
pub(super) fn rows(database: &Database, table: &str) -> Vec<String> {
    let is_sqlite = database.url().starts_with("sqlite:");
    // Keys of licenses that had none are new in each database. When a user was last seen is not imported again.
    let left_out = match table {
        "license" => "activation_key",
        "users" => "modified",
        _ => "none",
    };
    if is_sqlite {
        let columns = database.texts(&format!(
            "SELECT name AS text FROM pragma_table_info('{table}') WHERE name <> '{left_out}' ORDER BY cid"
        ));
        return database.texts(&format!("SELECT json_array({}) AS text FROM {table} ORDER BY 1", columns.join(", ")));
    }
    database.texts(&format!("SELECT CAST(to_jsonb(own) - '{left_out}' AS text) AS text FROM {table} AS own ORDER BY 1"))
}

/// The versions of a history by their row, without the times and numbers of those that an import adds.
pub(super) fn versions(database: &Database, table: &str) -> Vec<String> {
    let key = if table == "license_source" {
        "license_uuid"
    } else if table == "expiration_message" {
        "customer_agreement_uuid"
    } else if matches!(table, "product" | "subscription_plan_renewal") {
        "id"
    } else {
        "uuid"
    };
    let status = if table == "license" { "status" } else { "''" };
    database.texts(&format!(
        "SELECT CAST({key} AS text) || ' ' || history_type || ' ' || coalesce(history_user, '-') || ' '
             || coalesce(history_change_reason, '-') || ' ' || {status} || ' '
             || CASE WHEN history_id < 1000000 THEN CAST(history_id AS text) ELSE 'added' END AS text
         FROM {table}_history ORDER BY CAST({key} AS text), history_id"
    ))
}

/// The counts of licenses and activations of each plan.
pub(super) fn seats(database: &Database) -> Vec<String> {
    let mut all = database.texts(
        "SELECT CAST(subscription_plan_uuid AS text) || ' ' || CAST(sum(unassigned) AS text) || ' '
             || CAST(sum(assigned) AS text) || ' ' || CAST(sum(activated) AS text) || ' ' || CAST(sum(revoked) AS text) AS text
         FROM seat_change GROUP BY subscription_plan_uuid ORDER BY 1",
    );
    all.extend(database.texts(
        "SELECT CAST(subscription_plan_uuid AS text) || ' ' || CAST(day AS text) || ' ' || CAST(sum(number) AS text) AS text
         FROM seat_activation GROUP BY subscription_plan_uuid, day HAVING sum(number) <> 0 ORDER BY 1",
    ));
    all
}

#[track_caller]
pub(super) fn assert_equal_to_the_source(target: &Database, source: &str) {
    let equal = import(target, source, &["--verify", "--output", "json"]);
    assert!(equal.succeeded && summary(&equal)["differences"] == 0, "{equal:?}");
    target.assert_sound();
}

/// Panics unless a database is as a new import makes it.
#[track_caller]
pub(super) fn assert_as_new(target: &Database, new: &Database) {
    for table in TABLES {
        assert_eq!(rows(target, table), rows(new, table), "{table}");
    }
    for table in HISTORIES {
        assert!(versions(target, table) == versions(new, table), "{table}");
    }
    assert_eq!(seats(target), seats(new));
}

#[test]
fn a_second_import_makes_what_a_new_one_makes() {
    let mariadb = DjangoServer::new();
    for ids in DjangoIds::ALL {
        for make in [Database::sqlite as fn() -> Database, Database::postgres] {
            let name = format!("{ids:?}").to_lowercase();
            mariadb.remove(&name);
            let source = mariadb.oddities(&name, ids);
            let (target, new) = (make(), make());
            let first = import(&target, &source, &[]);
            assert!(first.succeeded, "{first:?}");
            let before = rows(&target, "license");
            mariadb.execute(&name, CHANGES);

            let dry = import(&target, &source, &["--dry-run", "--output", "json"]);
            assert!(dry.succeeded, "{dry:?}");
            assert_eq!(rows(&target, "license"), before, "a dry run changes nothing");

            let again = import(&target, &source, &["--output", "json"]);
            assert!(again.succeeded, "{again:?}");
            let changes = summary(&again)["changes"].clone();
            assert_eq!(summary(&dry)["changes"], changes, "a dry run says what is done");
            // 02 was renewed, and 23 was made, without a version that says so.
            let applied = rules(&summary(&again));
            for rule in ["history_behind", "history_missing"] {
                assert!(applied.contains_key(rule), "{rule}: {applied:?}");
            }
            assert_eq!(rules(&summary(&dry)), applied);
            let expected = json!({ "added": 2, "changed": 9, "deleted": 2, "kept": 0, "unchanged": 5 });
            assert_eq!(changes["license"], expected, "{changes}");
            assert_equal_to_the_source(&target, &source);

            let fresh = import(&new, &source, &[]);
            assert!(fresh.succeeded, "{fresh:?}");
            for table in TABLES {
                assert_eq!(rows(&target, table), rows(&new, table), "{ids:?} {table}");
            }
            for table in HISTORIES {
                assert_eq!(versions(&target, table), versions(&new, table), "{ids:?} {table}");
            }
            assert_eq!(seats(&target), seats(&new), "{ids:?}");
            assert_eq!(count(&target, "outbox"), "0", "nobody is mailed");

            let still = import(&target, &source, &[]);
            assert!(still.succeeded && still.stdout.contains("the source is as it was"), "{still:?}");
            let numbers = target.texts("SELECT CAST(max(history_id) AS text) AS text FROM license_history").concat();
            assert!(numbers.parse::<i64>().is_ok_and(|last| last < i64::from(i32::MAX)), "{numbers}");
        }
    }
}

#[test]
fn the_way_there_and_back_again_leaves_no_trace() {
    let mariadb = DjangoServer::new();
    let source = mariadb.oddities("old", DjangoIds::Native);
    let other = mariadb.oddities("other", DjangoIds::Native);
    mariadb.execute("other", CHANGES);
    for target in [Database::sqlite(), Database::postgres()] {
        assert!(import(&target, &source, &[]).succeeded);
        let (licenses, counts) = (rows(&target, "license"), seats(&target));
        let there = import(&target, &other, &[]);
        assert!(there.succeeded, "{there:?}");
        assert_ne!(rows(&target, "license"), licenses);
        let back = import(&target, &source, &[]);
        assert!(back.succeeded, "{back:?}");
        assert_eq!(rows(&target, "license"), licenses);
        assert_eq!(seats(&target), counts);
        assert_equal_to_the_source(&target, &source);
    }
}

#[test]
fn days_that_an_earlier_version_counted_by_another_rule_are_counted_again() {
    let mariadb = DjangoServer::new();
    for (name, target) in [("one", Database::sqlite()), ("two", Database::postgres())] {
        let source = mariadb.oddities(name, DjangoIds::Native);
        assert!(import(&target, &source, &[]).succeeded);
        let counted = seats(&target);
        let count_as_before = || {
            target.execute("DELETE FROM seat_activation; UPDATE imported_versions SET counting_rule = 1");
            // A wrong total is mended too.
            target.execute(
                "INSERT INTO seat_total (subscription_plan_uuid, unassigned, assigned, activated, revoked)
                 SELECT uuid, 1, 0, 0, 0 FROM subscription_plan WHERE true
                 ON CONFLICT (subscription_plan_uuid) DO UPDATE SET unassigned = seat_total.unassigned + 1",
            );
            assert_ne!(seats(&target), counted);
        };
        count_as_before();
        let unchanged = import(&target, &source, &[]);
        assert!(unchanged.succeeded && unchanged.stdout.contains("the source is as it was"), "{unchanged:?}");
        assert_eq!(seats(&target), counted);
        target.assert_sound();

        count_as_before();
        mariadb.execute(name, "UPDATE subscriptions_license SET lms_user_id = 70 WHERE user_email = 'ben@example.com'");
        let changed = import(&target, &source, &[]);
        assert!(changed.succeeded, "{changed:?}");
        assert_eq!(seats(&target), counted);
        target.assert_sound();

        // Also where nothing is imported any more.
        for _ in 0..2 {
            count_as_before();
            let finished = Ran::alone(target.url(), &["import", "--finish"]);
            assert!(finished.succeeded, "{finished:?}");
            assert_eq!(seats(&target), counted);
        }
        target.assert_sound();
    }
}

fn scheduled(server: &Server) -> Value {
    let staff = Person::new(5, "staff@example.com", "staff").claim("administrator", json!(true));
    server.client(&staff).get("/api/v1/provisioning-admins/scheduled-operations/").expect(200)
}

#[test]
fn the_operations_rest_until_the_import_is_finished() {
    let mariadb = DjangoServer::new();
    let source = mariadb.oddities("old", DjangoIds::Native);
    for target in [Database::sqlite(), Database::postgres()] {
        assert!(Ran::alone(target.url(), &["migrate"]).succeeded);
        let early = Ran::alone(target.url(), &["import", "--finish"]);
        assert!(
            early.code == Some(1) && early.stderr.trim_end().ends_with("nothing was imported into this database yet"),
            "{early:?}"
        );
        assert!(import(&target, &source, &[]).succeeded);
        let refused = Ran::alone(target.url(), &["process-renewals"]);
        assert!(refused.code == Some(1) && refused.stderr.contains("import --finish"), "{refused:?}");
        let dry = Ran::alone(target.url(), &["process-renewals", "--dry-run"]);
        assert!(dry.succeeded, "{dry:?}");

        let on = [("LM_SCHEDULE__ENABLED", "true"), ("LM_WORKER__ENABLED", "false")];
        let server = Server::start_with(target.url(), &on);
        assert_eq!(scheduled(&server)["importing"], true);
        let said = poll(PATIENCE, || server.log().contains("nothing but backups runs on schedule").then_some(()));
        assert!(said.is_some(), "{}", server.log());
        let finished = Ran::alone(target.url(), &["import", "--finish"]);
        assert!(finished.succeeded && finished.stdout.contains("finished"), "{finished:?}");
        assert_eq!(scheduled(&server)["importing"], false);
        drop(server);

        let allowed = Ran::alone(target.url(), &["retire-old-licenses"]);
        assert!(allowed.succeeded, "{allowed:?}");
        let late = import(&target, &source, &[]);
        assert!(late.code == Some(1) && late.stderr.contains("is finished"), "{late:?}");
        let twice = Ran::alone(target.url(), &["import", "--finish"]);
        assert!(twice.succeeded && twice.stdout == finished.stdout, "{twice:?}");
        let still = import(&target, &source, &["--verify"]);
        assert!(!still.stdout.is_empty() && still.stdout.contains("differs"), "old licenses were retired: {still:?}");
    }
}
