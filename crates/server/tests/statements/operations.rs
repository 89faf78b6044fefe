//! An operation's batch runs the same number of SQL statements however many licenses it touches.

use async_trait::async_trait;
use chrono::Duration;
use license_manager_domain::operations::{Expiration, OperationSummary, Supervisor};
use license_manager_domain::ports::StoreExt;
use license_manager_domain::{Actor, AgreementId, AssignmentMail, LicenseManager, PlanId};
use license_manager_tests::{Database, on_both_databases};

use super::recorded::{CUSTOMER, Recorded, assert_as_many};

on_both_databases!(
    expiring_one_license_and_a_hundred,
    unlinking_one_learner_and_a_hundred,
    retiring_one_old_license_and_a_thousand,
    forgetting_one_deleted_license_and_a_thousand,
    sending_events_of_one_license_and_a_thousand,
);

struct Nobody;

#[async_trait]
impl Supervisor for Nobody {
    async fn pause(&self, _: std::time::Duration) {}
}

/// A license manager that records its statements, with a customer.
struct Watched {
    manager: LicenseManager,
    agreement: AgreementId,
    recorded: Recorded,
}

impl Watched {
    fn new(database: Database) -> Self {
        let recorded = Recorded::new(database);
        let agreement = recorded.agreement(CUSTOMER, "customer");
        Self { manager: recorded.manager.clone(), agreement, recorded }
    }

    /// A plan that expired this many days ago, with this many learners who activated their licenses 200 days ago.
    fn plan(&self, learners: usize, days: i64) -> PlanId {
        let title = format!("Plan of {learners}");
        let plan = self.recorded.plan_between(self.agreement, &title, learners as i32, [-400, -days]);
        let emails = (0..learners).map(|number| (format!("l{number}-{learners}@example.com").parse().unwrap(), None));
        self.manager.assign(&Actor::service(), plan, &emails.collect(), &AssignmentMail::default()).unwrap();
        let activated = self.manager.now() - Duration::days(200);
        let moment = match self.recorded.database.url().starts_with("sqlite:") {
            true => activated.timestamp_micros().to_string(),
            false => format!("'{}'", activated.to_rfc3339()),
        };
        self.recorded.database.execute(&format!(
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
        self.recorded.record();
        let summary = operation();
        assert!(summary.is_complete(), "{summary:?}");
        assert_eq!(summary.counts[name], number as i64, "{summary:?}");
        self.recorded.statements()
    }
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
            .recorded
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
        watched.recorded.database.execute(&format!(
            "UPDATE license SET status = 'revoked', revoked_date = activation_date WHERE subscription_plan_uuid = '{plan}'"
        ));
        let deleted = watched.manager.delete_revoked(&Actor::service(), plan).unwrap().deleted;
        assert_eq!(deleted, learners as i64);
        let earlier = match watched.recorded.database.url().starts_with("sqlite:") {
            true => "history_date - 100 * 86400000000",
            false => "history_date - interval '100 days'",
        };
        watched
            .recorded
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
