//! A source that is imported again: what changed there, a run that was killed, and the end of the import.

use std::time::Duration;

use license_manager_tests::{Database, DjangoIds, DjangoServer, PATIENCE, Person, Ran, Server, poll};
use serde_json::{Value, json};

use super::{count, definitions, import, summary, uuid_of};

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
fn rows(database: &Database, table: &str) -> Vec<String> {
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
fn versions(database: &Database, table: &str) -> Vec<String> {
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
fn seats(database: &Database) -> Vec<String> {
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
fn assert_equal_to_the_source(target: &Database, source: &str) {
    let equal = import(target, source, &["--verify", "--output", "json"]);
    assert!(equal.succeeded && summary(&equal)["differences"] == 0, "{equal:?}");
    target.assert_sound();
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

/// Licenses in a source, with two versions each.
fn many(mariadb: &DjangoServer, name: &str, licenses: u32) -> String {
    let source = mariadb.empty(name, DjangoIds::Text);
    mariadb.execute(name, &include_str!("../../../django/many.sql").replace(":LICENSES", &licenses.to_string()));
    source
}

#[test]
fn a_run_that_is_killed_at_any_time_can_be_started_again() {
    let mariadb = DjangoServer::new();
    let source = many(&mariadb, "many", 1_500);
    let changed = many(&mariadb, "changed", 1_500);
    mariadb.execute(
        "changed",
        "UPDATE subscriptions_license SET status = 'revoked', revoked_date = '2025-05-01';
         UPDATE subscriptions_historicallicense SET user_email = NULL, lms_user_id = NULL WHERE history_id % 3 = 0;
         DELETE FROM subscriptions_license WHERE lms_user_id < 200",
    );
    for target in [Database::sqlite(), Database::postgres()] {
        assert!(Ran::alone(target.url(), &["migrate"]).succeeded);
        for (from, full) in [(&source, "1500"), (&changed, "1301")] {
            let found = || [count(&target, "license"), count(&target, "license WHERE status = 'revoked'")];
            let before = found();
            let mut delay = Duration::from_millis(200);
            while Ran::killed_after(target.url(), &["import", "--from", from], delay) {
                let after = found();
                assert!(after == before || after[0] == full, "licenses are written together: {after:?}");
                delay += Duration::from_millis(400);
            }
            let done = import(&target, from, &[]);
            assert!(done.succeeded && done.stdout.contains("the source is as it was"), "{done:?}");
            assert_eq!(count(&target, "license"), full);
            assert_equal_to_the_source(&target, from);
        }
    }
}

/// Lets a database wait where the second part of the history of license sources is written: parts have 50,000 versions.
fn wait_at_the_second_part(target: &Database) {
    target.execute(if target.url().starts_with("sqlite:") {
        "CREATE TRIGGER waits BEFORE INSERT ON license_source_history WHEN NEW.history_id > 50000 BEGIN
             SELECT count(*) FROM license_source_history AS one, license_source_history AS two,
                 license_source_history AS three;
         END"
    } else {
        "CREATE FUNCTION waits() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;
         CREATE TRIGGER waits BEFORE INSERT ON license_source_history
         FOR EACH ROW WHEN (NEW.history_id > 50000) EXECUTE FUNCTION waits()"
    });
}

/// Ends the wait. Postgres notices that the client of a statement is gone, and lets go of its locks.
fn wait_no_more(target: &Database) {
    if target.url().starts_with("sqlite:") {
        return target.execute("DROP TRIGGER waits");
    }
    let others = "pg_stat_activity
         WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let ended = poll(PATIENCE, || (count(target, others) == "0").then_some(()));
    assert!(ended.is_some(), "the statement of an import that was killed goes on");
    target.execute("DROP TRIGGER waits ON license_source_history; DROP FUNCTION waits()");
}

#[test]
fn what_was_written_before_a_kill_is_equal_in_the_next_run() {
    let mariadb = DjangoServer::new();
    let source = many(&mariadb, "cut", 300);
    mariadb.execute(
        "cut",
        "SET @t = '2025-01-03';
         INSERT INTO subscriptions_subscriptionlicensesourcetype (id, created, modified, name, slug)
         VALUES (1, @t, @t, 'AMT', 'AMT');
         INSERT INTO subscriptions_subscriptionlicensesource (id, created, modified, source_id, license_id, source_type_id)
         VALUES (1, @t, @t, '006AAAAAAAAAAAAAAA', md5('license1'), 1);
         INSERT INTO subscriptions_historicalsubscriptionlicensesource
             (history_id, id, created, modified, source_id, history_date, history_type, license_id, source_type_id)
         SELECT seq, 1, @t, @t, '006AAAAAAAAAAAAAAA', @t, IF(seq = 1, '+', '~'), md5('license1'), 1
         FROM seq_1_to_60000",
    );
    for (target, new) in [(Database::sqlite(), Database::sqlite()), (Database::postgres(), Database::postgres())] {
        assert!(Ran::alone(target.url(), &["migrate"]).succeeded);
        wait_at_the_second_part(&target);
        Ran::killed_when(target.url(), &["import", "--from", &source], || {
            count(&target, "license_source_history") == "50000"
        });
        wait_no_more(&target);
        assert_eq!(count(&target, "license_source_history"), "50000", "a part is written as a whole");
        let early = Ran::alone(target.url(), &["import", "--finish"]);
        assert!(early.code == Some(1) && early.stderr.contains("the import was interrupted"), "{early:?}");
        let found = import(&target, &source, &["--verify"]);
        assert!(found.code == Some(1) && found.stdout.contains("added there: users amy"), "{found:?}");

        let done = import(&target, &source, &["--output", "json"]);
        assert!(done.succeeded, "{done:?}");
        let changes = summary(&done)["changes"].clone();
        for (table, added, unchanged) in [
            ("license", 0, 300),
            ("license_history", 0, 900),
            ("license_source", 0, 1),
            ("license_source_history", 10_000, 50_000),
            ("users", 1, 0),
        ] {
            let expected = json!({ "added": added, "changed": 0, "deleted": 0, "kept": 0, "unchanged": unchanged });
            assert_eq!(changes[table], expected, "{table}: {changes}");
        }
        assert_equal_to_the_source(&target, &source);
        assert!(import(&new, &source, &[]).succeeded);
        assert_as_new(&target, &new);
        let still = import(&target, &source, &[]);
        assert!(still.succeeded && still.stdout.contains("the source is as it was"), "{still:?}");
        assert!(Ran::alone(target.url(), &["import", "--finish"]).succeeded);
    }
}

/// Panics unless a database is as a new import makes it.
#[track_caller]
fn assert_as_new(target: &Database, new: &Database) {
    for table in TABLES {
        assert_eq!(rows(target, table), rows(new, table), "{table}");
    }
    for table in HISTORIES {
        assert!(versions(target, table) == versions(new, table), "{table}");
    }
    assert_eq!(seats(target), seats(new));
}

#[test]
fn a_run_that_fails_half_way_says_so_and_the_next_one_goes_on() {
    let mariadb = DjangoServer::new();
    let source = mariadb.oddities("old", DjangoIds::Mixed);
    for (target, new) in [(Database::sqlite(), Database::sqlite()), (Database::postgres(), Database::postgres())] {
        assert!(Ran::alone(target.url(), &["migrate"]).succeeded);
        let [refuse, allow] = match target.url().starts_with("sqlite:") {
            true => [
                "CREATE TRIGGER refuses BEFORE INSERT ON license_source BEGIN SELECT RAISE(ABORT, 'not here'); END",
                "DROP TRIGGER refuses",
            ],
            false => [
                "ALTER TABLE license_source ADD CONSTRAINT refuses CHECK (source_id = '')",
                "ALTER TABLE license_source DROP CONSTRAINT refuses",
            ],
        };
        target.execute(refuse);
        let failed = import(&target, &source, &[]);
        assert!(failed.code == Some(1) && failed.stderr.contains("a part was imported: license_source"), "{failed:?}");
        assert_eq!((count(&target, "license"), count(&target, "users")), ("16".to_owned(), "0".to_owned()));
        // An export would remove there what is missing here, such as all users.
        for since in [&["--changes-since", "2025-01-01"][..], &[]] {
            let back = Ran::alone(target.url(), &[&["export", "--to", source.as_str()], since].concat());
            assert!(back.code == Some(1) && back.stderr.contains("holds a part of the rows"), "{back:?}");
        }
        target.execute(allow);

        let done = import(&target, &source, &["--output", "json"]);
        assert!(done.succeeded, "{done:?}");
        let changes = summary(&done)["changes"].clone();
        let expected = json!({ "added": 0, "changed": 0, "deleted": 0, "kept": 0, "unchanged": 16 });
        assert_eq!(changes["license"], expected, "{changes}");
        assert_eq!(changes["license_source"]["added"], 3, "{changes}");
        assert_equal_to_the_source(&target, &source);
        assert!(import(&new, &source, &[]).succeeded);
        assert_as_new(&target, &new);
    }
}

#[test]
fn an_index_that_cannot_be_built_leaves_all_indexes_as_they_were() {
    let mariadb = DjangoServer::new();
    let source = mariadb.oddities("old", DjangoIds::Native);
    for target in [Database::sqlite(), Database::postgres()] {
        assert!(Ran::alone(target.url(), &["migrate"]).succeeded);
        target.execute("CREATE UNIQUE INDEX one_of_each ON license (status)");
        let before = definitions(&target);
        let failed = import(&target, &source, &[]);
        assert!(failed.code == Some(1) && failed.stderr.contains("a part was imported: license: "), "{failed:?}");
        assert_eq!((definitions(&target), count(&target, "license")), (before, "0".to_owned()));
        target.execute("DROP INDEX one_of_each");
        let done = import(&target, &source, &[]);
        assert!(done.succeeded, "{done:?}");
        assert_equal_to_the_source(&target, &source);
    }
}

/// Lets somebody write while an import fills a database, when a license comes: a version of the license, and a user whom
/// the source has too.
fn write_beside(target: &Database, license: &str) {
    let columns = "uuid, subscription_plan_uuid, status, user_email, lms_user_id, activation_key, assigned_date,
                   activation_date, last_remind_date, revoked_date, renewed_to_uuid, auto_applied, created, modified,
                   renewed_from_uuid";
    let values: Vec<String> = columns.split(',').map(|column| format!("NEW.{}", column.trim())).collect();
    let [no, yes] = match target.url().starts_with("sqlite:") {
        true => ["0", "1"],
        false => ["false", "true"],
    };
    let written = format!(
        "INSERT INTO license_history (history_date, history_type, {columns}) VALUES (NEW.modified, '~', {});
         INSERT INTO users (username, email, is_staff, is_superuser, created, modified)
         VALUES ('amy', 'amy@example.com', {yes}, {no}, NEW.created, NEW.modified);",
        values.join(", ")
    );
    target.execute(&match target.url().starts_with("sqlite:") {
        true => {
            format!("CREATE TRIGGER beside AFTER INSERT ON license WHEN NEW.uuid = '{license}' BEGIN {written} END")
        }
        false => format!(
            "CREATE FUNCTION beside() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {written} RETURN NULL; END $$;
             CREATE TRIGGER beside AFTER INSERT ON license
             FOR EACH ROW WHEN (NEW.uuid = '{license}') EXECUTE FUNCTION beside()"
        ),
    });
}

#[test]
fn who_writes_while_a_database_is_filled_is_in_nobodys_way() {
    let mariadb = DjangoServer::new();
    let source = mariadb.oddities("old", DjangoIds::Native);
    for (target, new) in [(Database::sqlite(), Database::sqlite()), (Database::postgres(), Database::postgres())] {
        assert!(Ran::alone(target.url(), &["migrate"]).succeeded);
        write_beside(&target, &uuid_of("08"));
        let done = import(&target, &source, &[]);
        assert!(done.succeeded, "{done:?}");
        assert_equal_to_the_source(&target, &source);
        assert!(import(&new, &source, &[]).succeeded);
        assert_eq!(rows(&target, "users"), rows(&new, "users"));
        assert_eq!(seats(&target), seats(&new));
        let [all, before] = [&target, &new].map(|database| versions(database, "license").len());
        assert_eq!(all, before + 1, "the version that was recorded here stays");
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
