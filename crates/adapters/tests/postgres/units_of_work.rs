//! Units of work: what they may do, their cost, and their errors.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use diesel::prelude::*;
use diesel::sql_types::Text;
use license_manager_domain::model::{Job, JobKind, seeded_products};
use license_manager_domain::outbox::{Message, Payload, Topic};
use license_manager_domain::ports::{LicenseFilter, Person, StoreExt, UnitOfWork};
use license_manager_domain::queue::{Claim, Lease, Queue, Settlement};
use license_manager_domain::*;
use uuid::Uuid;

use crate::support::{PostgresDatabase, postgres_store};
use crate::{AGREEMENT, CUSTOMER, PLAN, change, email, hand_out, license_ids, now, number, plan, provision};

#[test]
fn work_that_hides_a_failed_statement_fails() {
    let (store, database) = postgres_store();
    provision(&store, 2);
    let outcome = store.write(|unit| {
        let elsewhere = PlanId(Uuid::from_u128(404));
        let _ = unit.licenses().add_unassigned(elsewhere, &license_ids(5..6), &change());
        Ok(())
    });
    assert!(matches!(outcome, Err(Error::Internal(_))), "{outcome:?}");
    assert_eq!(number(&database, "SELECT count(*) AS number FROM license"), 2);
}

#[test]
fn work_runs_again_when_a_referenced_row_was_deleted() {
    let (store, database) = postgres_store();
    provision(&store, 2);
    let [license, next] = store.write(|unit| hand_out(unit, 0..2)).unwrap().try_into().unwrap();
    let attempts = AtomicUsize::new(0);
    let carried_on = store.write(|unit| {
        attempts.fetch_add(1, Ordering::Relaxed);
        if unit.licenses().live_emails(PLAN, &[email(1)])?.is_empty() {
            return Ok(false);
        }
        database.execute(&format!("DELETE FROM license WHERE uuid = '{}'", next.id));
        unit.licenses().save(&[License { renewed_to: Some(next.id), ..license.clone() }], &change())?;
        Ok(true)
    });
    assert_eq!((carried_on, attempts.into_inner()), (Ok(false), 2));
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
fn work_that_only_reads_cannot_write() {
    let (store, database) = postgres_store();
    provision(&store, 2);
    let license = store.write(|unit| hand_out(unit, 0..1)).unwrap().remove(0);
    let person = Person { email: Some(email(0)), lms_user_id: None };
    let message = Message {
        id: MessageId(Uuid::from_u128(1)),
        license: None,
        plan: Some(PLAN),
        customer: CUSTOMER,
        payload: Payload::read(Topic::LicenseEvent, "{}".to_owned()),
        created: now(),
    };
    let job = Job::new(PLAN, JobKind::Provision, now());
    let lease = Lease { id: Uuid::nil(), queue: Queue::PlanJobs(JobKind::Provision) };
    let claim = Claim { lease, now: now(), until: now(), limit: 1 };
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
        ("queue.claim_job", &|unit| unit.queue().claim_job(&claim).map(drop)),
        ("queue.settle", &|unit| unit.queue().settle(claim.lease, &[Settlement::completed(PLAN.0, now())])),
        ("licenses.lock_all_by_person", &|unit| unit.licenses().lock_all_by_person(&person).map(drop)),
        ("licenses.lock_live_by_emails", &|unit| unit.licenses().lock_live_by_emails(PLAN, &[email(0)]).map(drop)),
        ("licenses.lock_live", &|unit| unit.licenses().lock_live(PLAN, &LicenseFilter::default(), 1).map(drop)),
        ("licenses.lock_with_status_after", &|unit| {
            unit.licenses().lock_with_status_after(PLAN, LicenseStatus::Revoked, None, 1).map(drop)
        }),
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
        assert_eq!(outcome, Err(Error::internal("this unit of work only reads")), "{name}");
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
        // Fails when the test is over and nobody receives.
        let _ = statements.lock().unwrap().send(statement.to_owned());
    });
    provision(&store, 5001);
    let written = |learners: std::ops::Range<usize>| {
        told.try_iter().for_each(drop);
        let licenses = store.write(|unit| hand_out(unit, learners.clone())).unwrap();
        assert_eq!(licenses.len(), learners.len());
        told.try_iter().collect::<Vec<String>>()
    };
    let (of_one, of_two, of_many) = (written(0..1), written(1..3), written(3..5001));
    assert_eq!(of_two, of_many);
    // One license has statements of its own, which Postgres plans once.
    assert_eq!(of_one.len(), of_many.len());
    assert_eq!(of_one.len(), 4, "begin, claim, save with history, commit: {of_one:#?}");
    assert!(!of_many.concat().contains('@'), "what is bound stays out");
    assert_eq!(number(&database, "SELECT count(*) AS number FROM license_history WHERE history_type = '~'"), 5001);

    told.try_iter().for_each(drop);
    store.read(|unit| unit.licenses().find_by_email(PLAN, &email(0))).unwrap();
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
            assert_eq!(unit.licenses().lock_live_by_emails(PLAN, &[])?, []);
            assert_eq!(unit.licenses().claim_unassigned(PLAN, 0)?, []);
            assert!(unit.licenses().counts(&[])?.is_empty());
            assert_eq!(unit.plans().find_by_agreements(&[])?, []);
            assert_eq!(unit.renewals().find_by_agreements(&[])?, []);
            unit.products().seed(&[], &change())?;
            unit.outbox().add(&[])
        })
        .unwrap();
    assert_eq!(statements.load(Ordering::Relaxed) - before, 2, "begin and commit");
}

#[test]
fn errors_hold_no_personal_data() {
    let (store, database) = postgres_store();
    provision(&store, 2);
    store.write(|unit| hand_out(unit, 0..1)).unwrap();
    // A constraint that the adapter does not know, violated by a row with an email address.
    database
        .execute("ALTER TABLE license ADD CONSTRAINT nobody_is_called_so CHECK (user_email <> 'learner1@example.com')");
    let Err(Error::Internal(check)) = store.write(|unit| hand_out(unit, 1..2)) else { panic!("the rule was not held") };
    let check = check.to_string();
    assert!(check.contains("nobody_is_called_so") && !check.contains("learner1"), "{check}");

    database.execute(
        "ALTER TABLE license DROP CONSTRAINT nobody_is_called_so;
         CREATE UNIQUE INDEX one_license_each ON license (user_email);
         DROP INDEX license_one_live_per_email",
    );
    let Err(Error::Internal(unique)) = store.write(|unit| hand_out(unit, 0..1)) else {
        panic!("the rule was not held")
    };
    let unique = unique.to_string();
    assert!(unique.contains("one_license_each") && !unique.contains("learner0"), "{unique}");
}

#[test]
fn a_license_with_invalid_columns_is_named_in_the_error() {
    let (store, database) = postgres_store();
    provision(&store, 1);
    database.execute("ALTER TABLE license DROP CONSTRAINT license_state; UPDATE license SET status = 'assigned'");
    let outcome = store.read(|unit| unit.licenses().handed_out_after(PLAN, None, 10));
    let id = license_ids(0..1)[0];
    assert_eq!(outcome, Err(Error::internal(format!("the row of license {id} spells no state"))));
}

#[test]
fn history_has_the_columns_of_its_table() {
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
