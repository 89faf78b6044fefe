//! An operation's batch runs the same number of SQL statements however many licenses it touches.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::Duration;
use license_manager::config::Config;
use license_manager::database::{self, StatementObserver, seed_products};
use license_manager_domain::operations::{Expiration, OperationSummary, Supervisor};
use license_manager_domain::ports::StoreExt;
use license_manager_domain::{
    Actor, AgreementChanges, AgreementId, AssignmentMail, CatalogId, ChangeReason, CustomerId, LicenseManager,
    NewAgreement, NewPlan, PlanChanges, PlanId,
};
use license_manager_tests::{Database, on_both_databases};
use uuid::Uuid;

on_both_databases!(
    expiring_one_license_and_a_hundred,
    unlinking_one_learner_and_a_hundred,
    retiring_one_old_license_and_a_thousand,
    forgetting_one_deleted_license_and_a_thousand,
    sending_events_of_one_license_and_a_thousand,
);

const CUSTOMER: CustomerId = CustomerId(Uuid::from_u128(0x4000_8000_0000_0000_0001));

struct Nobody;

#[async_trait]
impl Supervisor for Nobody {
    async fn pause(&self, _: std::time::Duration) {}
}

/// A license manager that records its statements.
struct Watched {
    manager: LicenseManager,
    statements: Arc<Mutex<Vec<String>>>,
    agreement: AgreementId,
    database: Database,
}

impl Watched {
    fn new(database: Database) -> Self {
        let environment = [("DATABASE_URL".to_owned(), database.url().to_owned())];
        let config = Config::load(None, environment.into_iter()).unwrap();
        let statements = Arc::new(Mutex::new(Vec::new()));
        let log = statements.clone();
        let observer: StatementObserver =
            Arc::new(move |statement| log.lock().unwrap().push(statement.chars().take(120).collect()));
        let opened = database::Database::open_observed(&config, Some(observer)).unwrap();
        opened.migrate().unwrap();
        let manager = opened.manager(&config);
        seed_products(&manager).unwrap();
        let changes = AgreementChanges {
            default_catalog: Some(Some(CatalogId(Uuid::from_u128(2)))),
            ..AgreementChanges::default()
        };
        let page = manager.create_agreement(&Actor::service(), NewAgreement { customer: CUSTOMER, changes }).unwrap();
        Self { manager, statements, agreement: page.details.agreement.id, database }
    }

    /// A plan that expired this many days ago, with this many learners who activated their licenses 200 days ago.
    fn plan(&self, learners: usize, days: i64) -> PlanId {
        let now = self.manager.now();
        let new = NewPlan {
            agreement: self.agreement,
            title: format!("Plan of {learners}"),
            start_date: now - Duration::days(400),
            expiration_date: now - Duration::days(days),
            changes: PlanChanges {
                is_active: Some(true),
                desired_num_licenses: Some(Some(learners as i32)),
                salesforce_opportunity_line_item: Some(Some("00k000000000000001".to_owned())),
                ..PlanChanges::default()
            },
        };
        let page = self.manager.create_plan(&Actor::service(), ChangeReason::New, new).unwrap();
        let plan = page.details.plan.id;
        let emails = (0..learners).map(|number| (format!("l{number}-{learners}@example.com").parse().unwrap(), None));
        self.manager.assign(&Actor::service(), plan, &emails.collect(), &AssignmentMail::default()).unwrap();
        let activated = now - Duration::days(200);
        let moment = match self.database.url().starts_with("sqlite:") {
            true => activated.timestamp_micros().to_string(),
            false => format!("'{}'", activated.to_rfc3339()),
        };
        self.database.execute(&format!(
            "UPDATE license SET status = 'activated', activation_date = {moment} WHERE subscription_plan_uuid = '{plan}'"
        ));
        plan
    }

    fn carried_out(&self, plan: PlanId) {
        self.manager
            .store()
            .write(|unit| {
                let mut plan = unit.plans().find(plan)?.expect("a plan").plan;
                plan.expiration_processed = true;
                unit.plans().save(&plan, &Actor::service().change(plan.modified))
            })
            .unwrap();
    }

    /// The statements of an operation, whose summary must count this many licenses.
    fn statements(&self, name: &str, number: usize, operation: impl FnOnce() -> OperationSummary) -> Vec<String> {
        self.statements.lock().unwrap().clear();
        let summary = operation();
        assert!(summary.is_complete(), "{summary:?}");
        assert_eq!(summary.counts[name], number as i64, "{summary:?}");
        self.statements.lock().unwrap().clone()
    }
}

#[track_caller]
fn assert_as_many(few: &[String], many: &[String]) {
    assert_eq!(few.len(), many.len(), "{few:#?}\n{many:#?}");
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn expiring_one_license_and_a_hundred(database: Database) {
    let watched = Watched::new(database);
    let expire = |learners: usize| {
        let plan = watched.plan(learners, 1);
        let now = watched.manager.now();
        let request = Expiration {
            expired_after: now,
            expired_before: now,
            plans: Some(vec![plan]),
            force: false,
            dry_run: false,
        };
        watched.statements("events", learners, || block_on(watched.manager.expire_subscriptions(&request, &Nobody)))
    };
    expire(2);
    assert_as_many(&expire(1), &expire(100));
}

fn unlinking_one_learner_and_a_hundred(database: Database) {
    let watched = Watched::new(database);
    let unlink = |learners: usize| {
        let plan = watched.plan(learners, 100);
        watched.carried_out(plan);
        let unlinked = watched.statements("licenses", learners, || {
            block_on(watched.manager.unlink_expired_licenses(Some(&[CUSTOMER]), false, &Nobody))
        });
        // Otherwise its plan would be processed again.
        watched
            .database
            .execute(&format!("UPDATE subscription_plan SET expiration_processed = false WHERE uuid = '{plan}'"));
        unlinked
    };
    unlink(2);
    assert_as_many(&unlink(1), &unlink(100));
}

fn retiring_one_old_license_and_a_thousand(database: Database) {
    let watched = Watched::new(database);
    let retire = |learners: usize| {
        watched.plan(learners, 100);
        watched.statements("plan_expired", learners, || watched.manager.retire_old_licenses(false, &Nobody))
    };
    retire(2);
    assert_as_many(&retire(1), &retire(1_000));
}

fn forgetting_one_deleted_license_and_a_thousand(database: Database) {
    let watched = Watched::new(database);
    let forget = |learners: usize| {
        let plan = watched.plan(learners, -100);
        watched.database.execute(&format!(
            "UPDATE license SET status = 'revoked', revoked_date = activation_date WHERE subscription_plan_uuid = '{plan}'"
        ));
        let deleted = watched.manager.delete_revoked(&Actor::service(), plan).unwrap().deleted;
        assert_eq!(deleted, learners as i64);
        let earlier = match watched.database.url().starts_with("sqlite:") {
            true => "history_date - 100 * 86400000000",
            false => "history_date - interval '100 days'",
        };
        watched
            .database
            .execute(&format!("UPDATE license_history SET history_date = {earlier} WHERE history_type = '-'"));
        watched.statements("deleted", learners, || watched.manager.retire_old_licenses(false, &Nobody))
    };
    forget(2);
    assert_as_many(&forget(1), &forget(1_000));
}

fn sending_events_of_one_license_and_a_thousand(database: Database) {
    let watched = Watched::new(database);
    let tell = |learners: usize| {
        watched.plan(learners, 1);
        watched.statements("licenses", learners, || {
            watched.manager.trigger_event_for_licenses(Some(&[CUSTOMER]), false, &Nobody)
        })
    };
    tell(2);
    assert_as_many(&tell(1), &tell(1_000));
}
