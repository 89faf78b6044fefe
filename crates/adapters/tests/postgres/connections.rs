//! Connections: how they are opened, their settings, and losing them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use license_manager_adapters::postgres::{PostgresOptions, PostgresStore};
use license_manager_domain::model::seeded_products;
use license_manager_domain::ports::{Store, StoreExt};
use license_manager_domain::*;

use crate::support::{PostgresDatabase, postgres_store};
use crate::{Number, PLAN, change, hand_out, number, provision, wait_for_a_blocked_session};

#[test]
fn servers_that_start_together_migrate_once() {
    let database = PostgresDatabase::create_empty();
    let stores = [database.store(|_| {}), database.store(|_| {})];
    let all = stores[0].pending_migrations().unwrap().len();
    let start = Barrier::new(2);
    let run: Vec<usize> = std::thread::scope(|scope| {
        let threads = stores.each_ref().map(|store| {
            scope.spawn(|| {
                start.wait();
                store.migrate().unwrap().len()
            })
        });
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let pending = stores[0].pending_migrations().unwrap();
    assert_eq!(pending, Vec::<String>::new());
    assert_eq!(run.iter().sum::<usize>(), all, "{run:?}");
}

#[test]
fn asking_for_pending_migrations_only_reads() {
    let database = PostgresDatabase::create_empty();
    let tables = || {
        let tables = diesel::sql_query("SELECT count(*) AS number FROM pg_tables WHERE schemaname = 'public'");
        let tables: Number = tables.get_result(&mut database.connection()).unwrap();
        tables.number
    };
    let all = database.store(|_| {}).pending_migrations().unwrap();
    assert_eq!(tables(), 0, "it made none");
    let statements = Arc::new(Mutex::new(Vec::new()));
    let told = statements.clone();
    let store = database.observed_store(move |statement| told.lock().unwrap().push(statement.to_owned()));
    statements.lock().unwrap().clear();
    assert_eq!(store.pending_migrations(), Ok(vec![]));
    let asked = std::mem::take(&mut *statements.lock().unwrap());
    assert!(!asked.is_empty() && asked.iter().all(|statement| statement.starts_with("SELECT")), "{asked:?}");
    let last = all.last().unwrap();
    let version = last.split('_').next().unwrap().replace('-', "");
    database.execute(&format!("DELETE FROM __diesel_schema_migrations WHERE version = '{version}'"));
    assert_eq!(store.pending_migrations(), Ok(vec![last.clone()]));
}

/// Undoes the migrations from the one whose name begins with this date and number on.
fn undo_migrations(database: &PostgresDatabase, first: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/postgres");
    let mut migrations: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    migrations.sort();
    for migration in migrations.iter().rev() {
        if migration.file_name().unwrap().to_str().unwrap() < first {
            break;
        }
        database.execute(&std::fs::read_to_string(migration.join("down.sql")).unwrap());
    }
    let version = first.replace('-', "");
    database.execute(&format!("DELETE FROM __diesel_schema_migrations WHERE version >= '{version}'"));
}

/// Migrates a database with the migration `2026-11-30-000340_purges` while a writer, who has run `before`, runs `then`.
fn migrate_beside_a_writer(before: &str, then: impl FnOnce(&mut PgConnection)) {
    let (store, database) = postgres_store();
    undo_migrations(&database, "2026-11-30-000340");
    let mut writer = database.connection();
    writer.batch_execute(&format!("BEGIN; {before}")).unwrap();
    std::thread::scope(|scope| {
        let migrating = scope.spawn(|| store.migrate());
        wait_for_a_blocked_session(&database);
        then(&mut writer);
        assert!(migrating.join().unwrap().is_ok_and(|run| run.contains(&"20261130000340".to_owned())));
    });
}

#[test]
fn a_migration_that_waits_for_a_writer_has_locked_nothing_that_the_writer_needs() {
    migrate_beside_a_writer("DELETE FROM license", |writer| {
        let rest = "SET lock_timeout = '500ms'; DELETE FROM outbox; DELETE FROM webhook_delivery; COMMIT";
        writer.batch_execute(rest).unwrap();
    });
}

#[test]
fn a_migration_is_tried_again_after_a_deadlock() {
    migrate_beside_a_writer("DELETE FROM outbox", |writer| {
        // Postgres ends the one who has waited for a second first. That is mostly the migration.
        drop(writer.batch_execute("DELETE FROM license; COMMIT"));
    });
}

#[test]
fn every_migration_can_be_undone() {
    let database = PostgresDatabase::create_empty();
    drop(database.migrated_store(|_| {}));
    undo_migrations(&database, "");
    let left = diesel::sql_query("SELECT count(*) AS number FROM pg_tables WHERE schemaname = 'public'");
    let left: Number = left.get_result(&mut database.connection()).unwrap();
    assert_eq!(left.number, 1, "the list of migrations alone");
}

/// Ends all of a store's sessions and waits until they have ended.
fn kill_connections(database: &PostgresDatabase) {
    database.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'license-manager'",
    );
}

#[test]
fn after_all_connections_were_lost_one_caller_fails_and_the_next_succeed() {
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|options| options.pool_size = 4);
    let all_in_use = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let count = store.read(|unit| {
                    all_in_use.wait();
                    unit.outbox().count()
                });
                assert_eq!(count, Ok(0));
            });
        }
    });
    kill_connections(&database);
    assert_eq!(store.read(|unit| unit.outbox().count()), Err(Error::Unavailable));
    for _ in 0..8 {
        assert_eq!(store.read(|unit| unit.outbox().count()), Ok(0));
    }
}

#[test]
fn readers_writers_and_pings_notice_a_dead_connection() {
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|options| options.pool_size = 1);
    let uses: [&dyn Fn() -> Result<(), Error>; 3] = [
        &|| store.read(|unit| unit.outbox().count()).map(drop),
        &|| store.write(|unit| unit.outbox().count()).map(drop),
        &|| store.ping(),
    ];
    for using in uses {
        assert_eq!(using(), Ok(()));
        kill_connections(&database);
        assert_eq!(using(), Err(Error::Unavailable));
        assert_eq!(using(), Ok(()));
    }
}

#[test]
fn a_health_check_does_not_wait_for_a_connection() {
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|options| options.pool_size = 1);
    let checked = store.read(|_| Ok((store.ping(), store.pending_migrations(), store.unknown_migrations())));
    assert_eq!(checked, Ok((Ok(()), Ok(vec![]), Ok(vec![]))));
}

#[test]
fn a_connection_that_dies_within_a_unit_of_work_leaves_nothing_behind() {
    let (store, database) = postgres_store();
    provision(&store, 3);
    let outcome = store.write(|unit| {
        hand_out(unit, 0..2)?;
        database.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
             WHERE datname = current_database() AND state = 'idle in transaction'",
        );
        unit.outbox().count()
    });
    assert_eq!(outcome, Err(Error::Unavailable));
    assert_eq!(store.write(|unit| hand_out(unit, 0..3)).unwrap().len(), 3);
}

#[test]
fn the_first_write_drops_all_connections_to_a_server_that_only_reads() {
    let database = PostgresDatabase::create();
    drop(database.migrated_store(|_| {}));
    let only_reads = |setting: &str| {
        database.execute(&format!(
            "BEGIN READ WRITE;
             DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {setting}', current_database()); END $$;
             COMMIT"
        ));
    };
    only_reads("SET default_transaction_read_only = on");
    let store = database.store(|options| options.pool_size = 3);
    let all_in_use = Barrier::new(3);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let count = store.read(|unit| {
                    all_in_use.wait();
                    unit.outbox().count()
                });
                assert_eq!(count, Ok(0));
            });
        }
    });
    only_reads("RESET default_transaction_read_only");
    let seed = || store.write(|unit| unit.products().seed(&seeded_products(), &change()));
    assert_eq!(seed(), Err(Error::Unavailable), "a standby takes no writes");
    for _ in 0..6 {
        assert_eq!(seed(), Ok(()));
    }
}

#[test]
fn a_store_can_be_created_while_the_database_is_down() {
    // A port that was just closed: nothing listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut options = PostgresOptions::new(format!("postgres://nobody@127.0.0.1:{port}/nowhere"));
    options.connect_timeout = Duration::from_millis(300);
    let store = PostgresStore::connect(&options).unwrap();
    assert_eq!(store.ping(), Err(Error::Unavailable));
    assert_eq!(store.migrate(), Err(Error::Unavailable));
}

#[test]
fn options_outside_their_limits_are_refused() {
    let no_connections = PostgresOptions { pool_size: 0, ..PostgresOptions::new("postgres://localhost/x") };
    let no_time = PostgresOptions { connect_timeout: Duration::ZERO, ..PostgresOptions::new("postgres://localhost/x") };
    for options in [no_connections, no_time, PostgresOptions::new("mysql://localhost/x")] {
        assert!(matches!(PostgresStore::connect(&options), Err(Error::Internal(_))));
    }
}

#[test]
fn a_statement_timeout_makes_the_database_unavailable() {
    for prepared_statements in [true, false] {
        let database = PostgresDatabase::create();
        let store = database.migrated_store(|options| {
            options.statement_timeout = Duration::from_millis(100);
            options.prepared_statements = prepared_statements;
        });
        provision(&store, 1);
        let mut holder = database.connection();
        let outcome = holder.transaction::<_, diesel::result::Error, _>(|holder| {
            diesel::sql_query("LOCK TABLE subscription_plan").execute(holder)?;
            let locked = store.write(|unit| unit.plans().lock(PLAN)).map(drop);
            let read = store.read(|unit| unit.plans().find(PLAN)).map(drop);
            Ok([locked, read])
        });
        assert_eq!(outcome, Ok([Err(Error::Unavailable), Err(Error::Unavailable)]));
        assert!(store.write(|unit| unit.plans().lock(PLAN)).unwrap().is_some());
    }
}

#[test]
fn connections_can_be_encrypted() {
    let database = PostgresDatabase::create();
    let separator = if database.url().contains('?') { '&' } else { '?' };
    match PgConnection::establish(&format!("{}{separator}sslmode=require", database.url())) {
        Ok(mut connection) => {
            let encrypted = "SELECT count(*) AS number FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";
            assert_eq!(diesel::sql_query(encrypted).get_result::<Number>(&mut connection).unwrap().number, 1);
        }
        // The server may not support TLS. A libpq without TLS would not have asked for it.
        Err(error) => assert!(error.to_string().contains("server does not support SSL"), "{error}"),
    }
}

#[test]
fn every_session_has_an_application_name() {
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|options| options.application_name = "it's a test".to_owned());
    store.ping().unwrap();
    let sessions = "SELECT count(*) AS number FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'it''s a test'";
    assert!(number(&database, sessions) > 0);
}
