//! What only the Postgres store does: waiting and skipping locks, lost connections, concurrent migrations.
//!
//! The contract suite tests what every store must do.

// Threads of one test need different ids.
#![allow(clippy::disallowed_methods)]

mod checks;
mod claims;
mod connections;
mod copy;
mod imports;
#[path = "../support/overtaking.rs"]
mod overtaking;
mod page_plans;
mod prepared;
#[path = "../support/prepared_once.rs"]
mod prepared_once;
mod query_plans;
mod queue_plans;
mod recent_writes;
#[path = "../support/mod.rs"]
mod support;
mod units_of_work;
mod utilization;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use license_manager_adapters::postgres::PostgresStore;
use license_manager_domain::history::Change;
use license_manager_domain::model::seeded_products;
use license_manager_domain::ports::{FixedClock, IdSource, StoreExt, UnitOfWork};
use license_manager_domain::*;
use uuid::Uuid;

use support::PostgresDatabase;

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
    let runs = now() - chrono::Duration::days(1)..now() + chrono::Duration::days(365);
    let catalog = CatalogId(Uuid::from_u128(0xD));
    SubscriptionPlan { is_active: true, ..SubscriptionPlan::new(PLAN, AGREEMENT, catalog, "Engineering", runs, now()) }
}

/// Creates a plan with this many unassigned licenses.
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

/// Assigns licenses of the plan to learners with these numbers.
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

/// A license manager whose ids differ from those of [`license_ids`].
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

/// Waits until a session waits for a lock.
fn wait_for_a_blocked_session(database: &PostgresDatabase) {
    let blocked = "SELECT count(*) AS number FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..1000 {
        if number(database, blocked) > 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("nobody waited for the holder");
}
