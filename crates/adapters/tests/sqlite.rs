//! What only the SQLite store does: files, locks, and the cost of statements.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use license_manager_adapters::check::{Limits, check_sqlite};
use license_manager_adapters::sqlite::{OnStatement, SqliteOptions, SqliteStore, Synchronous};
use license_manager_contract::fixtures::*;
use license_manager_domain::ports::{
    AgreementFilter, CustomerScope, FixedClock, LimitOffset, Person, PlanFilter, SequentialIds, Store, StoreExt,
};
use license_manager_domain::use_cases::LearnerLicenseFilter;
use license_manager_domain::{
    Actor, Assignees, AssignmentMail, Error, LicenseId, LicenseManager, LicenseSelection, LmsUserId, Settings,
};
use tempfile::TempDir;

#[path = "sqlite_only/history.rs"]
mod history;
#[path = "sqlite_only/imports.rs"]
mod imports;
#[path = "support/overtaking.rs"]
mod overtaking;
#[path = "sqlite_only/page_plans.rs"]
mod page_plans;
#[path = "support/prepared_once.rs"]
mod prepared_once;
#[path = "sqlite_only/queue_plans.rs"]
mod queue_plans;
#[path = "sqlite_only/statements.rs"]
mod statements;
#[path = "sqlite_only/utilization.rs"]
mod utilization;

fn options(path: &Path) -> SqliteOptions {
    SqliteOptions {
        path: path.to_owned(),
        pool_size: 4,
        connect_timeout: Duration::from_secs(60),
        busy_timeout: Duration::from_secs(60),
        synchronous: Synchronous::Full,
        on_statement: None,
    }
}

fn migrated(directory: &TempDir) -> SqliteStore {
    let store = SqliteStore::open(&options(&directory.path().join("test.db"))).unwrap();
    store.migrate().unwrap();
    store
}

/// A connection like that of another process.
fn stranger(store: &SqliteStore) -> SqliteConnection {
    SqliteConnection::establish(store.path().to_str().unwrap()).unwrap()
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(conn: &mut SqliteConnection, query: &str) -> Vec<String> {
    let rows: Vec<Line> = diesel::sql_query(query).load(conn).unwrap();
    rows.into_iter().map(|row| row.line).collect()
}

/// The folders of the migrations, in order.
fn migrations() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/sqlite");
    let mut migrations: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    migrations.sort();
    migrations
}

#[test]
fn a_fresh_file_is_made_and_migrated_once() {
    let directory = TempDir::new().unwrap();
    let store = SqliteStore::open(&options(&directory.path().join("new.db"))).unwrap();
    let names: Vec<_> =
        migrations().iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(store.pending_migrations().unwrap(), names);
    assert_eq!(store.migrate().unwrap().len(), names.len());
    assert_eq!((store.pending_migrations(), store.migrate()), (Ok(vec![]), Ok(vec![])));
    assert_eq!(lines(&mut stranger(&store), "SELECT journal_mode AS line FROM pragma_journal_mode"), ["wal"]);
}

#[test]
fn servers_that_start_together_on_a_new_file_all_start() {
    for _ in 0..5 {
        let directory = TempDir::new().unwrap();
        let options = options(&directory.path().join("shared.db"));
        let ran: Vec<usize> = std::thread::scope(|scope| {
            let servers: Vec<_> = (0..6)
                .map(|_| {
                    scope.spawn(|| {
                        let store = SqliteStore::open(&options).unwrap();
                        let ran = store.migrate().unwrap().len();
                        with_products(&store);
                        ran
                    })
                })
                .collect();
            servers.into_iter().map(|server| server.join().unwrap()).collect()
        });
        assert_eq!(ran.iter().filter(|&&migrations| migrations > 0).count(), 1, "one of them did the work");
    }
}

#[test]
fn every_migration_can_be_undone() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    for migration in migrations().iter().rev() {
        let down = std::fs::read_to_string(migration.join("down.sql")).unwrap();
        stranger(&store).batch_execute(&down).unwrap_or_else(|error| panic!("{}: {error}", migration.display()));
    }
    let tables = "SELECT name AS line FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'";
    assert_eq!(lines(&mut stranger(&store), tables), ["__diesel_schema_migrations"]);
}

#[test]
fn an_unusable_file_is_named_in_the_error() {
    let directory = TempDir::new().unwrap();
    let no_database = directory.path().join("text.db");
    std::fs::write(&no_database, "This is text, and has been from its first line to its last.".repeat(100)).unwrap();
    let missing = directory.path().join("missing").join("new.db");
    for (path, cause) in [
        (no_database.as_path(), "file is not a database"),
        (&missing, "Check that its directory exists"),
        (directory.path(), "unable to open"),
        (Path::new(":memory:"), "name a file"),
    ] {
        let error = SqliteStore::open(&options(path)).err().expect("it was opened").to_string();
        assert!(error.contains(&path.display().to_string()) && error.contains(cause), "{error}");
    }
    assert!(!missing.exists());
}

#[test]
fn a_path_that_reads_like_a_uri_is_a_path() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("file:a b?mode=memory#c.db");
    SqliteStore::open(&options(&path)).unwrap().migrate().unwrap();
    assert!(path.exists());
}

#[test]
fn a_writer_waits_for_another_process_and_gives_up_in_time() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("test.db");
    let store =
        SqliteStore::open(&SqliteOptions { busy_timeout: Duration::from_millis(200), ..options(&path) }).unwrap();
    store.migrate().unwrap();
    let mut other = stranger(&store);
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let write = || store.write(|unit| unit.agreements().add(&agreement(1), &change(0)));
    assert_eq!(write(), Err(Error::Unavailable));
    assert_eq!(store.read(|unit| unit.agreements().find(agreement_id(1))), Ok(None), "readers do not wait");
    other.batch_execute("COMMIT").unwrap();
    assert_eq!(write(), Ok(()), "and then it works again");
}

#[test]
fn a_read_sees_what_was_committed_when_each_statement_began() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    let seen = store.read(|unit| {
        let before = unit.agreements().find(agreement_id(1))?.is_some();
        store.write(|unit| unit.agreements().add(&agreement(1), &change(0)))?;
        Ok((before, unit.agreements().find(agreement_id(1))?.is_some()))
    });
    assert_eq!(seen, Ok((false, true)));
}

#[test]
fn readers_read_while_a_transaction_writes() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    store
        .write(|unit| {
            unit.agreements().add(&agreement(1), &change(0))?;
            assert_eq!(store.read(|unit| unit.agreements().find(agreement_id(1))), Ok(None));
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_file_that_is_gone_is_unavailable() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    let elsewhere = directory.path().join("elsewhere.db");
    std::fs::rename(store.path(), &elsewhere).unwrap();
    assert_eq!(store.ping(), Err(Error::Unavailable));
    std::fs::rename(&elsewhere, store.path()).unwrap();
    assert_eq!(store.ping(), Ok(()));
}

#[test]
fn a_health_check_does_not_wait_for_a_connection() {
    let directory = TempDir::new().unwrap();
    let connect_timeout = Duration::from_secs(1);
    let path = directory.path().join("test.db");
    let store = SqliteStore::open(&SqliteOptions { pool_size: 1, connect_timeout, ..options(&path) }).unwrap();
    store.migrate().unwrap();
    let checked = store.read(|_| Ok((store.ping(), store.pending_migrations(), store.unknown_migrations())));
    assert_eq!(checked, Ok((Ok(()), Ok(vec![]), Ok(vec![]))));
}

#[test]
fn errors_hold_no_values() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    with_plans(&store);
    put_unassigned(&store, 1, 1..2);
    let twice = store.write(|unit| unit.licenses().add_unassigned(plan_id(1), &[license_id(1)], &change(1)));
    assert_eq!(twice, Err(Error::internal("UNIQUE constraint failed: license.uuid")));
    let foreign = store.write(|unit| unit.licenses().add_unassigned(plan_id(9), &[license_id(2)], &change(1)));
    assert_eq!(foreign, Err(Error::internal("FOREIGN KEY constraint failed")));
}

/// A store that records its statements.
struct Watched {
    store: SqliteStore,
    statements: Arc<Mutex<Vec<String>>>,
    _directory: TempDir,
}

impl Watched {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let statements: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = statements.clone();
        let on_statement: OnStatement = Arc::new(move |sql| noted.lock().unwrap().push(sql.to_owned()));
        let path = directory.path().join("test.db");
        let store = SqliteStore::open(&SqliteOptions { on_statement: Some(on_statement), ..options(&path) }).unwrap();
        store.migrate().unwrap();
        Self { store, statements, _directory: directory }
    }

    /// The statements that `work` runs.
    fn during(&self, work: impl FnOnce()) -> Vec<String> {
        self.statements.lock().unwrap().clear();
        work();
        std::mem::take(&mut *self.statements.lock().unwrap())
    }
}

#[test]
fn the_number_of_statements_does_not_depend_on_the_number_of_rows() {
    let watched = Watched::new();
    with_plans(&watched.store);
    put_unassigned(&watched.store, 1, 0..4_000);
    put_unassigned(&watched.store, 2, 4_000..8_000);
    let manager = LicenseManager::new(
        Arc::new(watched.store.clone()),
        Arc::new(FixedClock::new(day(2))),
        Arc::new(SequentialIds::default()),
        Settings::default(),
    );
    let crowd = |number: usize| (0..number).map(|number| email(&format!("learner{number}@example.com")));
    let assign = |plan, number| {
        let learners: Assignees = crowd(number).map(|email| (email, Some("006000000000000001".to_owned()))).collect();
        let statements = watched.during(|| {
            manager.assign(&Actor::user("admin"), plan_id(plan), &learners, &AssignmentMail::default()).unwrap();
        });
        assert_eq!(
            (statements.first().unwrap().as_str(), statements.last().unwrap().as_str()),
            ("BEGIN IMMEDIATE", "COMMIT")
        );
        statements
    };
    // Two messages for each.
    assert_eq!(assign(1, 1), assign(2, 1_000));
    let revoke = |plan, number| {
        let emails = crowd(number).collect();
        watched.during(|| {
            manager.revoke(&Actor::user("admin"), plan_id(plan), &LicenseSelection::Emails(emails)).unwrap();
        })
    };
    assert_eq!(revoke(1, 1), revoke(2, 500));
    let add = |numbers: std::ops::Range<u128>| watched.during(|| put_unassigned(&watched.store, 1, numbers));
    assert_eq!(add(10_000..10_001), add(20_000..23_000));
    let plans = PlanFilter::new(CustomerScope::All);
    let list = |limit| {
        watched.during(|| {
            manager.plans::<Error>(&plans, |_| Ok(LimitOffset { offset: 0, limit })).unwrap();
        })
    };
    // The plans of one agreement have a statement of their own.
    assert_eq!(list(1).len(), list(3).len());
    let agreements = AgreementFilter { scope: CustomerScope::All, customer: None, agreement: None };
    let list = |limit| {
        watched.during(|| {
            manager.agreements::<Error>(&agreements, |_| Ok(LimitOffset { offset: 0, limit })).unwrap();
        })
    };
    assert_eq!(list(1).len(), list(2).len());
}

/// Otherwise SQLite compiles a prepared statement anew each time that a parameter gets a value that may matter to the
/// plan. `.cargo/config.toml` sets this.
#[test]
fn the_plan_of_a_prepared_statement_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = stranger(&migrated(&directory));
    let option = "SELECT compile_options AS line FROM pragma_compile_options WHERE compile_options = 'ENABLE_QPSG'";
    assert_eq!(lines(&mut connection, option), ["ENABLE_QPSG"]);
}

#[test]
fn statements_are_observed_without_their_values() {
    let watched = Watched::new();
    with_plans(&watched.store);
    put(&watched.store, &[assigned(1, 1, "amy@example.com")]);
    let statements = watched.during(|| {
        watched.store.read(|unit| unit.licenses().find_by_email(plan_id(1), &email("amy@example.com"))).unwrap();
    });
    assert_eq!(statements.len(), 1);
    assert!(statements[0].contains("user_email") && !statements[0].contains("amy"), "{statements:?}");
    let statements = watched.during(|| drop(watched.store.write(|unit| unit.licenses().save(&[], &change(1)))));
    assert_eq!(statements, ["BEGIN IMMEDIATE", "COMMIT"], "nothing to write costs nothing");
}

/// The indexes that the statements of `work` use, and the tables they scan. Those that delete rows are left out.
fn plans_of(watched: &Watched, work: impl FnOnce()) -> Vec<String> {
    plans_of_some(watched, &["SELECT", "WITH", "UPDATE", "INSERT"], work)
}

/// The same, of the statements that begin with one of these verbs.
fn plans_of_some(watched: &Watched, verbs: &[&str], work: impl FnOnce()) -> Vec<String> {
    let statements = watched.during(work);
    let mut conn = stranger(&watched.store);
    statements
        .iter()
        .filter(|sql| verbs.iter().any(|verb| sql.starts_with(verb)))
        .flat_map(|sql| {
            #[derive(QueryableByName)]
            struct Step {
                #[diesel(sql_type = Text)]
                detail: String,
            }
            let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(&mut conn).unwrap();
            steps.into_iter().map(|step| step.detail).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn frequent_queries_use_an_index() {
    let watched = Watched::new();
    let store = &watched.store;
    with_plans(store);
    put(store, &[assigned(1, 1, "amy@example.com")]);
    put_unassigned(store, 1, 2..10);
    let amy = Person { email: Some(email("amy@example.com")), lms_user_id: Some(LmsUserId(1)) };
    let walks = |plan: &[String]| plan.iter().any(|step| step.starts_with("SCAN license") && !step.contains("INDEX"));
    let sorts = |plan: &[String]| plan.iter().any(|step| step.contains("TEMP B-TREE FOR ORDER BY"));
    let uses = |plan: &[String], index: &str| plan.iter().any(|step| step.contains(index));

    let claim = plans_of(&watched, || {
        store.write(|unit| unit.licenses().claim_unassigned(plan_id(1), 1)).unwrap();
    });
    assert!(uses(&claim, "license_unassigned") && !sorts(&claim), "{claim:#?}");

    let counts = plans_of(&watched, || {
        store.read(|unit| unit.licenses().counts(&[plan_id(1)])).unwrap();
    });
    assert!(uses(&counts, "seat_total USING PRIMARY KEY") && !walks(&counts), "{counts:#?}");

    let live = plans_of(&watched, || {
        let emails = [email("amy@example.com")];
        store.read(|unit| unit.licenses().live_emails(plan_id(1), &emails)).unwrap();
        store.write(|unit| unit.licenses().lock_live_by_emails(plan_id(1), &emails)).unwrap();
    });
    assert!(live.iter().filter(|step| step.contains("user_email=?")).count() == 2 && !walks(&live), "{live:#?}");

    let find_by_person = plans_of(&watched, || {
        store.read(|unit| unit.licenses().find_by_person(agreement_id(1), &amy)).unwrap();
        store.write(|unit| unit.licenses().lock_all_by_person(&amy)).unwrap();
    });
    assert!(
        uses(&find_by_person, "license_by_email") && uses(&find_by_person, "license_by_lms_user"),
        "{find_by_person:#?}"
    );
    assert!(!walks(&find_by_person), "{find_by_person:#?}");

    let by_key = plans_of(&watched, || {
        store.read(|unit| unit.licenses().customer_of_activation_key(key(1))).unwrap();
    });
    assert!(uses(&by_key, "license_by_activation_key"), "{by_key:#?}");

    let save = plans_of(&watched, || {
        store.write(|unit| unit.licenses().save(&[assigned(1, 1, "amy@example.com")], &change(3))).unwrap();
    });
    assert!(!walks(&save), "{save:#?}");

    let manager = LicenseManager::new(
        Arc::new(store.clone()),
        Arc::new(FixedClock::new(day(2))),
        Arc::new(SequentialIds::default()),
        Settings::default(),
    );
    let view = plans_of(&watched, || {
        let wanted =
            LearnerLicenseFilter { include_revoked: true, active_plans_only: false, current_plans_only: false };
        manager.learner_licenses(&Actor::user("amy"), customer(1), &amy, wanted).unwrap();
    });
    assert!(
        !view.iter().any(|step| step.starts_with("SCAN license") || step.starts_with("SCAN subscription_plan")),
        "{view:#?}"
    );
}

#[test]
fn a_hundred_thousand_licenses_are_added_at_once() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    with_plans(&store);
    let ids: Vec<LicenseId> = (0..100_000).map(license_id).collect();
    store.write(|unit| unit.licenses().add_unassigned(plan_id(1), &ids, &change(1))).unwrap();
    let counts = store.read(|unit| unit.licenses().counts(&[plan_id(1)])).unwrap();
    assert_eq!(counts[&plan_id(1)].unassigned, 100_000);
    let told = lines(&mut stranger(&store), "SELECT count(*) || '' AS line FROM license_history");
    assert_eq!(told, ["100000"]);
}

#[test]
fn a_plan_with_too_many_licenses_is_found() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    with_plans(&store);
    put_unassigned(&store, 1, 1..4);
    put(&store, &[revoked(4, 1, "amy@example.com", 7)]);
    for (licenses_per_plan, violations) in [(3, 0), (2, 1)] {
        let findings = check_sqlite(&store, Limits { licenses_per_plan }).unwrap();
        let found: Vec<_> = findings.into_iter().filter(|finding| finding.violations > 0).collect();
        assert_eq!(found.len(), violations, "{found:?}");
        assert!(found.iter().all(|finding| finding.name == "plan-sizes" && finding.violations == 1), "{found:?}");
    }
}
