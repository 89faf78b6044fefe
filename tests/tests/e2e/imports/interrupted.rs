//! An import that was interrupted, and what happens beside one.

use std::time::Duration;

use license_manager_tests::{Database, DjangoIds, DjangoServer, PATIENCE, Ran, poll};
use serde_json::json;

use super::again::{assert_as_new, assert_equal_to_the_source, rows, seats, versions};
use super::{count, definitions, import, rules, summary, uuid_of};

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
        let defined = definitions(&target);
        for (from, full) in [(&source, "1500"), (&changed, "1301")] {
            let found = || [count(&target, "license"), count(&target, "license WHERE status = 'revoked'")];
            let before = found();
            let mut delay = Duration::from_millis(200);
            while Ran::killed_after(target.url(), &["import", "--from", from], delay) {
                let after = found();
                assert!(after == before || after[0] == full, "licenses are written together: {after:?}");
                // On Postgres, the statement of a run that was killed goes on for a moment.
                let whole = poll(PATIENCE, || (definitions(&target) == defined).then_some(()));
                assert!(whole.is_some(), "an index or a trigger is missing: {:?}", definitions(&target));
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
        let at_once = import(&new, &source, &["--output", "json"]);
        assert!(at_once.succeeded, "{at_once:?}");
        assert_as_new(&target, &new);
        // The run that failed told nothing of the licenses that it mended.
        assert_eq!(rules(&summary(&done)), rules(&summary(&at_once)));
    }
}

#[test]
fn an_index_that_cannot_be_built_leaves_all_indexes_as_they_were() {
    let mariadb = DjangoServer::new();
    let source = mariadb.oddities("old", DjangoIds::Native);
    for make in [Database::sqlite as fn() -> Database, Database::postgres] {
        for table in ["license", "license_history"] {
            let target = make();
            assert!(Ran::alone(target.url(), &["migrate"]).succeeded);
            target.execute(&format!("CREATE UNIQUE INDEX one_of_each ON {table} (status)"));
            let before = definitions(&target);
            let failed = import(&target, &source, &[]);
            let told = format!("a part was imported: {table}: ");
            assert!(failed.code == Some(1) && failed.stderr.contains(&told), "{failed:?}");
            assert_eq!((definitions(&target), count(&target, table)), (before, "0".to_owned()));
            target.execute("DROP INDEX one_of_each");
            let done = import(&target, &source, &[]);
            assert!(done.succeeded, "{done:?}");
            assert_equal_to_the_source(&target, &source);
        }
    }
}

/// Imports, and panics unless the table has no indexes but those of its constraints whenever a row comes into the other
/// table.
#[track_caller]
fn assert_imported_without_indexes(target: &Database, source: &str, table: &str, other: &str) {
    let is_sqlite = target.url().starts_with("sqlite:");
    let indexes = match is_sqlite {
        true => format!("sqlite_schema WHERE type = 'index' AND tbl_name = '{table}' AND sql IS NOT NULL"),
        false => format!("pg_index WHERE indrelid = '{table}'::regclass AND NOT indisprimary"),
    };
    let before = count(target, &indexes);
    let note = format!("INSERT INTO noted SELECT count(*) FROM {indexes};");
    let trigger = format!("CREATE TRIGGER notes AFTER INSERT ON {other}");
    target.execute(&match is_sqlite {
        true => format!("CREATE TABLE noted (number INTEGER NOT NULL); {trigger} BEGIN {note} END"),
        false => format!(
            "CREATE TABLE noted (number bigint NOT NULL);
             CREATE FUNCTION notes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {note} RETURN NULL; END $$;
             {trigger} FOR EACH ROW EXECUTE FUNCTION notes()"
        ),
    });
    let done = import(target, source, &[]);
    assert!(done.succeeded, "{done:?}");
    assert_eq!(target.texts("SELECT DISTINCT CAST(number AS text) AS text FROM noted"), ["0"], "{table}");
    assert!(before != "0" && count(target, &indexes) == before, "{before} indexes");
    target.execute(&match is_sqlite {
        true => "DROP TRIGGER notes; DROP TABLE noted".to_owned(),
        false => format!("DROP TRIGGER notes ON {other}; DROP FUNCTION notes(); DROP TABLE noted"),
    });
}

#[test]
fn licenses_that_a_run_did_not_write_are_written_without_indexes_by_the_next_one() {
    let mariadb = DjangoServer::new();
    let source = mariadb.oddities("old", DjangoIds::Native);
    for (target, new) in [(Database::sqlite(), Database::sqlite()), (Database::postgres(), Database::postgres())] {
        assert!(Ran::alone(target.url(), &["migrate"]).succeeded);
        let before = definitions(&target);
        target.execute("CREATE UNIQUE INDEX one_of_each ON license (status)");
        let failed = import(&target, &source, &[]);
        assert!(failed.code == Some(1) && failed.stderr.contains("a part was imported: license: "), "{failed:?}");
        target.execute("DROP INDEX one_of_each");
        assert_imported_without_indexes(&target, &source, "license", "license");
        assert_eq!(definitions(&target), before);
        assert_equal_to_the_source(&target, &source);
        assert!(import(&new, &source, &[]).succeeded);
        assert_as_new(&target, &new);
    }
}

#[test]
fn versions_of_licenses_that_a_killed_run_did_not_write_are_written_without_indexes_by_the_next_one() {
    let mariadb = DjangoServer::new();
    let source = many(&mariadb, "many", 300);
    for (target, new) in [(Database::sqlite(), Database::sqlite()), (Database::postgres(), Database::postgres())] {
        assert!(Ran::alone(target.url(), &["migrate"]).succeeded);
        let before = definitions(&target);
        // An index that takes long to build at the end.
        let [slow, usual] = match target.url().starts_with("sqlite:") {
            true => {
                ["CREATE INDEX slow ON license_history (instr(hex(zeroblob(20000000)), status))", "DROP INDEX slow"]
            }
            false => [
                "CREATE FUNCTION slow(text) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$
                 BEGIN PERFORM pg_sleep(600); RETURN 1; END $$;
                 CREATE INDEX slow ON license_history (slow(status))",
                "DROP INDEX slow; DROP FUNCTION slow(text)",
            ],
        };
        target.execute(slow);
        Ran::killed_when(target.url(), &["import", "--from", &source], || count(&target, "license") == "300");
        // On Postgres, this waits until the statement of the killed run ends.
        target.execute(usual);
        assert_eq!(definitions(&target), before, "no index is missing, and no trigger");
        assert_eq!((count(&target, "license"), count(&target, "license_history")), ("300".to_owned(), "0".to_owned()));

        // Users are written after the versions of licenses.
        assert_imported_without_indexes(&target, &source, "license_history", "users");
        assert_eq!(definitions(&target), before);
        assert_equal_to_the_source(&target, &source);
        assert!(import(&new, &source, &[]).succeeded);
        assert_as_new(&target, &new);
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
fn no_products_are_added_to_those_of_the_source_until_the_import_is_finished() {
    let mariadb = DjangoServer::new();
    // It lacks two of the products that a new database has.
    let source = mariadb.oddities("old", DjangoIds::Native);
    for target in [Database::sqlite(), Database::postgres()] {
        assert!(Ran::alone(target.url(), &["seed"]).succeeded);
        let [refuse, allow] = match target.url().starts_with("sqlite:") {
            true => [
                "CREATE TRIGGER refuses BEFORE INSERT ON plan_type BEGIN SELECT RAISE(ABORT, 'not here'); END",
                "DROP TRIGGER refuses",
            ],
            false => [
                "ALTER TABLE plan_type ADD CONSTRAINT refuses CHECK (label = '') NOT VALID",
                "ALTER TABLE plan_type DROP CONSTRAINT refuses",
            ],
        };
        target.execute(refuse);
        let failed = import(&target, &source, &[]);
        assert!(failed.code == Some(1) && failed.stderr.contains("a part was imported: plan_type"), "{failed:?}");
        target.execute(allow);
        // As a server does when it starts.
        let begin = || assert!(Ran::alone(target.url(), &["process-renewals", "--dry-run"]).succeeded);
        begin();
        assert_eq!(count(&target, "product"), "0");
        let done = import(&target, &source, &[]);
        assert!(done.succeeded, "{done:?}");
        begin();
        assert_equal_to_the_source(&target, &source);
        let refused = Ran::alone(target.url(), &["seed"]);
        assert!(refused.code == Some(1) && refused.stderr.contains("import --finish"), "{refused:?}");
        assert!(Ran::alone(target.url(), &["import", "--finish"]).succeeded);
        begin();
        assert_eq!(count(&target, "product"), "6");
    }
}
