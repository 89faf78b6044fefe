//! What Postgres does in its own way: waiting and skipping, connections that die, migrations that meet.
//!
//! What every storage adapter must do is in the contract suite.

// Threads of one test need ids that differ between them.
#![allow(clippy::disallowed_methods)]

mod support;

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use license_manager_adapters::postgres::{PostgresOptions, PostgresStore};
use license_manager_domain::outbox::{Message, Topic};
use license_manager_domain::ports::{FixedClock, IdSource, LicenseFilter, Person, Store, StoreExt, UnitOfWork};
use license_manager_domain::*;
use uuid::Uuid;

use support::{PostgresDatabase, postgres_store};

const PLAN: PlanId = PlanId(Uuid::from_u128(0xA));
const AGREEMENT: AgreementId = AgreementId(Uuid::from_u128(0xB));
const CUSTOMER: CustomerId = CustomerId(Uuid::from_u128(0xC));

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_900_000_000, 0).unwrap()
}

fn change() -> Change {
    Actor::user("admin").change(now())
}

fn email(number: usize) -> Email {
    format!("learner{number}@example.com").parse().unwrap()
}

fn license_ids(numbers: std::ops::Range<usize>) -> Vec<LicenseId> {
    numbers.map(|number| LicenseId(Uuid::from_u128(1_000_000 + number as u128))).collect()
}

fn plan() -> SubscriptionPlan {
    SubscriptionPlan {
        id: PLAN,
        title: "Engineering".to_owned(),
        start_date: now() - chrono::Duration::days(1),
        expiration_date: now() + chrono::Duration::days(365),
        expiration_processed: false,
        catalog: CatalogId(Uuid::from_u128(0xD)),
        agreement: AGREEMENT,
        is_active: true,
        is_revocation_cap_enabled: false,
        revoke_max_percentage: 5,
        num_revocations_applied: 0,
        salesforce_opportunity_line_item: None,
        product: DEFAULT_PRODUCT,
        for_internal_use_only: false,
        can_freeze_unused_licenses: false,
        last_freeze_timestamp: None,
        should_auto_apply_licenses: None,
        desired_num_licenses: None,
        created: now(),
        modified: now(),
    }
}

/// One plan with this many unassigned licenses.
fn provision(store: &PostgresStore, number: usize) {
    store
        .write(|unit| {
            unit.products().seed(&seeded_products(), &change())?;
            unit.agreements().add(&CustomerAgreement::new(AGREEMENT, CUSTOMER, now()), &change())?;
            unit.plans().add(&plan(), &change())?;
            unit.licenses().add_unassigned(PLAN, &license_ids(0..number), &change())
        })
        .unwrap();
}

/// Hands out this many licenses of the plan, to learners with these numbers.
fn hand_out(unit: &mut dyn UnitOfWork, learners: std::ops::Range<usize>) -> Result<Vec<License>, Error> {
    let free = unit.licenses().claim_unassigned(PLAN, learners.len() as i64)?;
    let licenses = free
        .into_iter()
        .zip(learners)
        .map(|(license, number)| license.assign(email(number), ActivationKey(Uuid::from_u128(number as u128)), now()))
        .collect::<Result<Vec<_>, _>>()?;
    unit.licenses().save(&licenses, &change())?;
    Ok(licenses)
}

/// A license manager whose ids do not collide with those of [`license_ids`].
fn manager(store: PostgresStore) -> LicenseManager {
    let clock = Arc::new(FixedClock::new(now()));
    LicenseManager::new(Arc::new(store), clock, Arc::new(RandomIds), Settings::default())
}

struct RandomIds;

impl IdSource for RandomIds {
    fn next(&self) -> Uuid {
        Uuid::new_v4()
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn number(database: &PostgresDatabase, sql: &str) -> i64 {
    diesel::sql_query(sql).get_result::<Number>(&mut database.connection()).unwrap().number
}

#[test]
fn sixteen_claims_at_once_take_every_license_once() {
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|options| options.pool_size = 16);
    provision(&store, 16 * 20);
    let start = Barrier::new(16);
    let claimed: Vec<LicenseId> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|thread| {
                let (store, start) = (&store, &start);
                scope.spawn(move || {
                    start.wait();
                    let mut ids = Vec::new();
                    for round in 0..4 {
                        let first = (thread * 4 + round) * 5;
                        let licenses = store.write(|unit| hand_out(unit, first..first + 5)).unwrap();
                        assert_eq!(licenses.len(), 5, "there are enough for everybody");
                        ids.extend(licenses.into_iter().map(|license| license.id));
                    }
                    ids
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(claimed.len(), 320);
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>().len(), 320, "no license was taken twice");
}

#[test]
fn sixteen_assignments_of_overlapping_groups_are_all_served() {
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|options| options.pool_size = 16);
    provision(&store, 120);
    let manager = manager(store);
    let start = Barrier::new(16);
    let assigned: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|thread| {
                let (manager, start) = (&manager, &start);
                scope.spawn(move || {
                    // Thirty neighbours out of a ring of one hundred learners.
                    let learners: Assignees = (0..30).map(|step| (email((thread * 7 + step) % 100), None)).collect();
                    start.wait();
                    let outcome =
                        manager.assign(&Actor::user("admin"), PLAN, &learners, &AssignmentMail::default()).unwrap();
                    assert_eq!(outcome.assigned.len() + outcome.already_associated, 30);
                    outcome.assigned.len()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(assigned, 100, "every learner got one license");
    let counts = manager.plan(PLAN).unwrap().plans[0].counts;
    assert_eq!(counts, LicenseCounts { assigned: 100, unassigned: 20, ..LicenseCounts::default() });
    assert_eq!(number(&database, "SELECT count(DISTINCT user_email) AS number FROM license"), 100);
}

/// Holds seven of ten licenses while another asks for five, and ends the way `end` says; returns what the other one got.
fn claim_beside_a_holder(end: impl Fn(&mut dyn UnitOfWork) -> Result<(), Error> + Send + Sync) -> usize {
    let (store, database) = postgres_store();
    provision(&store, 10);
    let (holds, held) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _: Result<(), Error> = store.write(|unit| {
                hand_out(unit, 0..7)?;
                holds.send(()).unwrap();
                wait_for_a_blocked_session(&database);
                end(unit)
            });
        });
        held.recv().unwrap();
        store.write(|unit| hand_out(unit, 10..15)).unwrap().len()
    })
}

fn wait_for_a_blocked_session(database: &PostgresDatabase) {
    let blocked = "SELECT count(*) AS number FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..1000 {
        if number(database, blocked) > 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("nobody waited for the holder");
}

#[test]
fn a_claim_waits_for_licenses_that_come_back() {
    assert_eq!(claim_beside_a_holder(|_| Err(Error::NotFound(Entity::Plan))), 5);
}

#[test]
fn a_claim_that_waited_gets_what_is_left() {
    assert_eq!(claim_beside_a_holder(|_| Ok(())), 3);
}

#[test]
fn a_claim_that_waited_gets_licenses_added_meanwhile() {
    let add = |unit: &mut dyn UnitOfWork| unit.licenses().add_unassigned(PLAN, &license_ids(10..20), &change());
    assert_eq!(claim_beside_a_holder(add), 5);
}

#[test]
fn sixteen_claims_share_too_few_licenses_to_the_last_one() {
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|options| options.pool_size = 16);
    provision(&store, 100);
    let start = Barrier::new(16);
    let taken: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|thread| {
                let (store, start) = (&store, &start);
                scope.spawn(move || {
                    start.wait();
                    store.write(|unit| hand_out(unit, thread * 10..thread * 10 + 10)).unwrap().len()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(taken.iter().sum::<usize>(), 100, "{taken:?}");
    assert_eq!(number(&database, "SELECT count(*) AS number FROM license WHERE status = 'unassigned'"), 0);
}

#[test]
fn a_second_live_license_is_a_conflict_when_repeating_does_not_help() {
    let (store, database) = postgres_store();
    provision(&store, 2);
    store.write(|unit| hand_out(unit, 0..1)).unwrap();
    let outcome = store.write(|unit| hand_out(unit, 0..1));
    assert_eq!(outcome, Err(Conflict::LiveLicense.into()));
    assert_eq!(number(&database, "SELECT count(*) AS number FROM license WHERE status = 'unassigned'"), 1);
}

#[test]
fn work_that_hides_a_failed_statement_is_not_taken_for_done() {
    let (store, database) = postgres_store();
    provision(&store, 2);
    let outcome = store.write(|unit| {
        let elsewhere = PlanId(Uuid::from_u128(404));
        let _ = unit.licenses().add_unassigned(elsewhere, &license_ids(5..6), &change());
        Ok(())
    });
    assert!(matches!(outcome, Err(Error::Storage(_))), "{outcome:?}");
    assert_eq!(number(&database, "SELECT count(*) AS number FROM license"), 2);
}

#[test]
fn transactions_that_lock_each_other_out_both_succeed() {
    let (store, _database) = postgres_store();
    provision(&store, 2);
    store.write(|unit| hand_out(unit, 0..2)).unwrap();
    let attempts = AtomicUsize::new(0);
    let both_hold_one = Barrier::new(2);
    std::thread::scope(|scope| {
        for [first, second] in [[0, 1], [1, 0]] {
            let (store, attempts, both_hold_one) = (&store, &attempts, &both_hold_one);
            scope.spawn(move || {
                let mut is_first_attempt = true;
                store
                    .write(|unit| {
                        attempts.fetch_add(1, Ordering::Relaxed);
                        unit.licenses().lock_live_of_emails(PLAN, &[email(first)])?;
                        if std::mem::take(&mut is_first_attempt) {
                            both_hold_one.wait();
                        }
                        unit.licenses().lock_live_of_emails(PLAN, &[email(second)])?;
                        Ok(())
                    })
                    .unwrap();
            });
        }
    });
    assert_eq!(attempts.into_inner(), 3, "one of the two was run again");
}

#[test]
fn servers_that_start_at_once_migrate_once() {
    let database = PostgresDatabase::create();
    let stores = [database.store(|_| {}), database.store(|_| {})];
    assert!(!stores[0].pending_migrations().unwrap().is_empty());
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
    assert_eq!(run.iter().filter(|&&number| number > 0).count(), 1, "{run:?}");
}

#[test]
fn after_the_connections_died_one_caller_is_told_and_the_next_is_served() {
    let (store, database) = postgres_store();
    // Every connection of the pool is made.
    let all_out = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                store
                    .read(|unit| {
                        all_out.wait();
                        unit.outbox().count()
                    })
                    .unwrap()
            });
        }
    });
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'license-manager'";
    database.execute(kill);
    assert_eq!(store.read(|unit| unit.outbox().count()), Err(Error::Unavailable));
    for _ in 0..8 {
        assert_eq!(store.read(|unit| unit.outbox().count()), Ok(0));
    }

    database.execute(kill);
    assert_eq!(store.write(|unit| unit.outbox().count()), Err(Error::Unavailable));
    assert_eq!(store.write(|unit| unit.outbox().count()), Ok(0));

    database.execute(kill);
    assert_eq!(store.ping(), Err(Error::Unavailable));
    assert_eq!(store.ping(), Ok(()));
}

#[test]
fn a_connection_that_dies_within_a_unit_of_work_leaves_nothing_behind() {
    let (store, database) = postgres_store();
    provision(&store, 3);
    let outcome = store.write(|unit| {
        hand_out(unit, 0..2)?;
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND state = 'idle in transaction'",
        );
        unit.outbox().count()
    });
    assert_eq!(outcome, Err(Error::Unavailable));
    assert_eq!(store.write(|unit| hand_out(unit, 0..3)).unwrap().len(), 3);
}

#[test]
fn work_that_panics_leaves_nothing_behind() {
    let (store, _database) = postgres_store();
    provision(&store, 3);
    let work = std::panic::AssertUnwindSafe(|| {
        store.write(|unit| -> Result<(), Error> {
            hand_out(unit, 0..2)?;
            panic!("on purpose");
        })
    });
    assert!(std::panic::catch_unwind(work).is_err());
    assert_eq!(store.write(|unit| hand_out(unit, 0..3)).unwrap().len(), 3);
}

#[test]
fn a_store_can_be_made_while_the_database_is_away() {
    // A port that nobody listens on: it was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut options = PostgresOptions::new(format!("postgres://nobody@127.0.0.1:{port}/nowhere"));
    options.connect_timeout = Duration::from_millis(300);
    let store = PostgresStore::connect(&options).unwrap();
    assert_eq!(store.ping(), Err(Error::Unavailable));
    assert_eq!(store.migrate(), Err(Error::Unavailable));
}

#[test]
fn options_out_of_their_limits_are_refused() {
    let no_connections = PostgresOptions { pool_size: 0, ..PostgresOptions::new("postgres://localhost/x") };
    let no_time = PostgresOptions { connect_timeout: Duration::ZERO, ..PostgresOptions::new("postgres://localhost/x") };
    for options in [no_connections, no_time, PostgresOptions::new("mysql://localhost/x")] {
        assert!(matches!(PostgresStore::connect(&options), Err(Error::Storage(_))));
    }
}

#[test]
fn a_statement_that_takes_too_long_makes_the_caller_come_back_later() {
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|options| options.statement_timeout = Duration::from_millis(100));
    provision(&store, 1);
    let mut holder = database.connection();
    let outcome = holder.transaction::<_, diesel::result::Error, _>(|holder| {
        diesel::sql_query("SELECT FROM subscription_plan FOR UPDATE").execute(holder)?;
        Ok(store.write(|unit| unit.plans().lock(PLAN)))
    });
    assert_eq!(outcome, Ok(Err(Error::Unavailable)));
    assert!(store.write(|unit| unit.plans().lock(PLAN)).unwrap().is_some());
}

#[test]
fn work_that_only_reads_cannot_write() {
    let (store, database) = postgres_store();
    provision(&store, 2);
    let license = store.write(|unit| hand_out(unit, 0..1)).unwrap().remove(0);
    let person = Person { email: email(0), lms_user_id: None };
    let message = Message {
        id: MessageId(Uuid::from_u128(1)),
        topic: Topic::LicenseEvent,
        license: None,
        plan: PLAN,
        customer: CUSTOMER,
        payload: "{}".to_owned(),
        created: now(),
    };
    let job = Job { plan: PLAN, kind: JobKind::Provision, requested_by: None, requested_at: now() };
    let agreement = CustomerAgreement::new(AGREEMENT, CUSTOMER, now());
    type Attempt<'a> = &'a dyn Fn(&mut dyn UnitOfWork) -> Result<(), Error>;
    let attempts: &[(&str, Attempt<'_>)] = &[
        ("agreements.add", &|unit| unit.agreements().add(&agreement, &change())),
        ("agreements.save", &|unit| unit.agreements().save(&agreement, &change())),
        ("plans.lock", &|unit| unit.plans().lock(PLAN).map(drop)),
        ("plans.add", &|unit| unit.plans().add(&plan(), &change())),
        ("plans.save", &|unit| unit.plans().save(&plan(), &change())),
        ("products.seed", &|unit| unit.products().seed(&seeded_products(), &change())),
        ("products.seed nothing", &|unit| unit.products().seed(&[], &change())),
        ("users.remember", &|unit| unit.users().remember("amy", None, false, now())),
        ("outbox.add", &|unit| unit.outbox().add(std::slice::from_ref(&message))),
        ("outbox.add nothing", &|unit| unit.outbox().add(&[])),
        ("jobs.add", &|unit| unit.jobs().add(&job)),
        ("jobs.claim", &|unit| unit.jobs().claim().map(drop)),
        ("jobs.remove", &|unit| unit.jobs().remove(PLAN, JobKind::Provision)),
        ("licenses.lock_all_of_person", &|unit| unit.licenses().lock_all_of_person(&person).map(drop)),
        ("licenses.lock_live_of_emails", &|unit| unit.licenses().lock_live_of_emails(PLAN, &[email(0)]).map(drop)),
        ("licenses.lock_live", &|unit| unit.licenses().lock_live(PLAN, &LicenseFilter::default(), 1).map(drop)),
        ("licenses.claim_unassigned", &|unit| unit.licenses().claim_unassigned(PLAN, 1).map(drop)),
        ("licenses.add_unassigned", &|unit| unit.licenses().add_unassigned(PLAN, &license_ids(5..6), &change())),
        ("licenses.add_unassigned nothing", &|unit| unit.licenses().add_unassigned(PLAN, &[], &change())),
        ("licenses.save", &|unit| unit.licenses().save(std::slice::from_ref(&license), &change())),
        ("licenses.save nothing", &|unit| unit.licenses().save(&[], &change())),
        ("licenses.set_sources", &|unit| {
            unit.licenses().set_sources(&[(license.id, "006000000000000001".to_owned())], &change())
        }),
    ];
    let history = "SELECT count(*) AS number FROM license_history";
    let before = number(&database, history);
    for (name, attempt) in attempts {
        let outcome = store.read(|unit| attempt(unit));
        assert_eq!(outcome, Err(Error::storage("this unit of work only reads")), "{name}");
    }
    assert_eq!(number(&database, history), before);
    assert_eq!(store.read(|unit| unit.outbox().count()), Ok(0));
}

#[test]
fn one_license_is_written_with_as_many_statements_as_five_thousand() {
    let database = PostgresDatabase::create();
    let (statements, told) = mpsc::channel();
    let statements = std::sync::Mutex::new(statements);
    let store = database.observed_store(move |statement| {
        // The test is over when nobody listens any more.
        let _ = statements.lock().unwrap().send(statement.to_owned());
    });
    provision(&store, 5001);
    let written = |learners: std::ops::Range<usize>| {
        told.try_iter().for_each(drop);
        let licenses = store.write(|unit| hand_out(unit, learners.clone())).unwrap();
        assert_eq!(licenses.len(), learners.len());
        told.try_iter().collect::<Vec<String>>()
    };
    let of_one = written(0..1);
    let of_many = written(1..5001);
    assert_eq!(of_one, of_many);
    assert_eq!(of_one.len(), 4, "begin, claim, save with history, commit: {of_one:#?}");
    assert!(!of_many.concat().contains('@'), "what is bound stays out");
    assert_eq!(number(&database, "SELECT count(*) AS number FROM license_history WHERE history_type = '~'"), 5001);

    told.try_iter().for_each(drop);
    store.read(|unit| unit.licenses().of_email(PLAN, &email(0))).unwrap();
    assert_eq!(told.try_iter().count(), 1, "a reader needs no transaction");
}

#[test]
fn an_empty_slice_costs_no_statement() {
    let database = PostgresDatabase::create();
    let statements = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&statements);
    let store = database.observed_store(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    provision(&store, 1);
    let before = statements.load(Ordering::Relaxed);
    store
        .write(|unit| {
            unit.licenses().save(&[], &change())?;
            unit.licenses().add_unassigned(PLAN, &[], &change())?;
            unit.licenses().set_sources(&[], &change())?;
            assert_eq!(unit.licenses().live_emails(PLAN, &[])?, []);
            assert_eq!(unit.licenses().lock_live_of_emails(PLAN, &[])?, []);
            assert_eq!(unit.licenses().claim_unassigned(PLAN, 0)?, []);
            assert!(unit.licenses().counts(&[])?.is_empty());
            assert_eq!(unit.plans().of_agreements(&[])?, []);
            assert_eq!(unit.renewals().of_agreements(&[])?, []);
            unit.products().seed(&[], &change())?;
            unit.outbox().add(&[])
        })
        .unwrap();
    assert_eq!(statements.load(Ordering::Relaxed) - before, 2, "begin and commit");
}

#[test]
fn errors_tell_nothing_about_people() {
    let (store, database) = postgres_store();
    provision(&store, 2);
    store.write(|unit| hand_out(unit, 0..1)).unwrap();
    // A rule that the adapter does not know, to be broken with an address in the row.
    database
        .execute("ALTER TABLE license ADD CONSTRAINT nobody_is_called_so CHECK (user_email <> 'learner1@example.com')");
    let Err(Error::Storage(check)) = store.write(|unit| hand_out(unit, 1..2)) else { panic!("the rule was not held") };
    assert!(check.contains("nobody_is_called_so") && !check.contains("learner1"), "{check}");

    database.execute(
        "ALTER TABLE license DROP CONSTRAINT nobody_is_called_so;
         CREATE UNIQUE INDEX one_license_each ON license (user_email);
         DROP INDEX license_one_live_per_email",
    );
    let Err(Error::Storage(unique)) = store.write(|unit| hand_out(unit, 0..1)) else { panic!("the rule was not held") };
    assert!(unique.contains("one_license_each") && !unique.contains("learner0"), "{unique}");
}

#[test]
fn a_license_whose_columns_spell_no_state_is_named() {
    let (store, database) = postgres_store();
    provision(&store, 1);
    database.execute("ALTER TABLE license DROP CONSTRAINT license_state; UPDATE license SET status = 'assigned'");
    let outcome = store.read(|unit| unit.licenses().handed_out_after(PLAN, None, 10));
    let id = license_ids(0..1)[0];
    assert_eq!(outcome, Err(Error::Storage(format!("the row of license {id} spells no state"))));
}

#[test]
fn history_has_the_columns_of_the_table_it_tells_of() {
    let (_store, database) = postgres_store();
    #[derive(QueryableByName)]
    struct Table {
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        own: String,
        #[diesel(sql_type = Text)]
        told: String,
    }
    let tables: Vec<Table> = diesel::sql_query(
        "SELECT told.table_name::text AS name,
                (SELECT string_agg(own.column_name, ', ' ORDER BY own.ordinal_position)
                 FROM information_schema.columns own
                 WHERE own.table_name = replace(told.table_name, '_history', '')) AS own,
                string_agg(told.column_name, ', ' ORDER BY told.ordinal_position)
                    FILTER (WHERE told.ordinal_position > 5) AS told
         FROM information_schema.columns told
         WHERE told.table_name LIKE '%\\_history'
         GROUP BY told.table_name",
    )
    .load(&mut database.connection())
    .unwrap();
    let names: BTreeSet<_> = tables.iter().map(|table| table.name.as_str()).collect();
    assert!(names.contains("license_history") && names.contains("subscription_plan_history"), "{names:?}");
    for table in &tables {
        assert_eq!(table.own, table.told, "{}", table.name);
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
        // The server under test may not offer it. A libpq without TLS would not even have asked.
        Err(error) => assert!(error.to_string().contains("server does not support SSL"), "{error}"),
    }
}

#[test]
fn every_session_says_who_it_is() {
    let database = PostgresDatabase::create();
    let store = database.migrated_store(|options| options.application_name = "it's a test".to_owned());
    store.ping().unwrap();
    let sessions = "SELECT count(*) AS number FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'it''s a test'";
    assert!(number(&database, sessions) > 0);
}
