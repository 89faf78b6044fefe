//! A license manager that records its statements.

use std::sync::{Arc, Mutex};

use actix_web::web;
use chrono::Duration;
use license_manager::config::{Config, Secret};
use license_manager::database::{self, StatementObserver, seed_products};
use license_manager::state::AppState;
use license_manager::telemetry::metrics::Metrics;
use license_manager::telemetry::monitor::Monitor;
use license_manager_domain::model::RenewalTerms;
use license_manager_domain::use_cases::RenewalOutcome;
use license_manager_domain::{
    Actor, AgreementChanges, AgreementId, CatalogId, ChangeReason, CustomerId, Edit, LicenseManager,
    LicenseTypesToCopy, NewAgreement, NewPlan, PlanChanges, PlanId, RenewalId,
};
use license_manager_tests::{Database, SECRET};
use tokio::sync::Notify;
use uuid::Uuid;

/// A customer.
pub const CUSTOMER: CustomerId = CustomerId(Uuid::from_u128(0x4000_8000_0000_0000_0001));

/// A license manager that records its statements.
pub struct Recorded {
    pub config: Config,
    pub manager: LicenseManager,
    /// Its database.
    pub opened: Arc<database::Database>,
    /// The same, for what it cannot do itself.
    pub database: Database,
    statements: Arc<Mutex<Vec<String>>>,
}

impl Recorded {
    pub fn new(database: Database) -> Self {
        let environment = [("DATABASE_URL".to_owned(), database.url().to_owned())];
        let mut config = Config::load(None, environment.into_iter()).unwrap();
        config.auth.hs256_secret = Some(Secret::try_from(SECRET.to_owned()).unwrap());
        config.auth.retirement_worker = Some("retirement_worker".to_owned());
        config.throttle.enabled = false;
        let statements = Arc::new(Mutex::new(Vec::new()));
        let log = statements.clone();
        let observer: StatementObserver = Arc::new(move |statement| log.lock().unwrap().push(statement.to_owned()));
        let opened = database::Database::open_observed(&config, Some(observer)).unwrap();
        opened.migrate().unwrap();
        let manager = opened.manager(&config);
        seed_products(&manager).unwrap();
        Self { config, manager, opened: Arc::new(opened), database, statements }
    }

    /// The state of a service.
    pub async fn state(&self) -> web::Data<AppState> {
        let metrics = Arc::new(Metrics::new().unwrap());
        let monitor = Monitor::new(&self.config, metrics, self.opened.clone(), self.manager.clone());
        monitor.started();
        let (monitor, wake_jobs) = (Arc::new(monitor), Arc::new(Notify::new()));
        let state = AppState::new(&self.config, self.manager.clone(), monitor, wake_jobs).await.unwrap();
        // Who has only read is not stored beside the statements that are counted.
        web::Data::new(AppState { update_delay: std::time::Duration::from_secs(3_600), ..state })
    }

    /// Begins to record.
    pub fn record(&self) {
        self.statements.lock().unwrap().clear();
    }

    /// The beginnings of the statements since then, to be shown.
    pub fn statements(&self) -> Vec<String> {
        beginnings(self.whole_statements())
    }

    /// The statements since then.
    pub fn whole_statements(&self) -> Vec<String> {
        std::mem::take(&mut self.statements.lock().unwrap())
    }

    /// Adds a customer with a name.
    pub fn agreement(&self, customer: CustomerId, name: &str) -> AgreementId {
        let changes = AgreementChanges {
            customer_name: Edit::Set(name.to_owned()),
            default_catalog: Edit::Set(CatalogId(Uuid::from_u128(2))),
            ..AgreementChanges::default()
        };
        let page = self.manager.create_agreement(&Actor::service(), NewAgreement { customer, changes }).unwrap();
        page.details.agreement.id
    }

    /// Adds a plan that is current.
    pub fn plan(&self, agreement: AgreementId, title: &str, licenses: i32) -> PlanId {
        self.plan_between(agreement, title, licenses, [-1, 100])
    }

    /// Adds a plan that begins and ends this many days from now.
    pub fn plan_between(&self, agreement: AgreementId, title: &str, licenses: i32, days: [i64; 2]) -> PlanId {
        let now = self.manager.now();
        let [start_date, expiration_date] = days.map(|days| now + Duration::days(days));
        let changes = PlanChanges {
            is_active: Some(true),
            can_freeze_unused_licenses: Some(true),
            desired_num_licenses: Edit::Set(licenses),
            salesforce_opportunity_line_item: Edit::Set("00k000000000000001".to_owned()),
            ..PlanChanges::default()
        };
        let new = NewPlan { agreement, title: title.to_owned(), start_date, expiration_date, changes };
        self.manager.create_plan(&Actor::service(), ChangeReason::New, new).unwrap().details.plan.id
    }

    /// Schedules the renewal of a plan in a month for a year.
    pub fn renewal(&self, prior_plan: PlanId, renewed_plan: Option<PlanId>, number_of_licenses: i32) -> RenewalId {
        let now = self.manager.now();
        let terms = RenewalTerms {
            prior_plan,
            renewed_plan,
            salesforce_opportunity_id: None,
            number_of_licenses,
            effective_date: now + Duration::days(30),
            renewed_expiration_date: now + Duration::days(395),
            renewed_plan_title: None,
            license_types_to_copy: LicenseTypesToCopy::AssignedAndActivated,
            disable_auto_apply_licenses: false,
            exempt_from_batch_processing: false,
        };
        let outcome = self.manager.create_renewal(&Actor::service(), &terms).unwrap();
        let RenewalOutcome::Written(details) = outcome else { panic!("not scheduled: {outcome:?}") };
        details.renewal.id
    }
}

/// As much of statements as tells what they are.
pub fn beginnings(statements: Vec<String>) -> Vec<String> {
    statements.into_iter().map(|statement| statement.chars().take(500).collect()).collect()
}

/// Runs a story of a service.
pub fn run(story: impl Future<Output = ()>) {
    actix_web::rt::System::new().block_on(story);
}

#[track_caller]
pub fn assert_as_many(few: &[String], many: &[String]) {
    assert!(!few.is_empty(), "no statement was seen");
    assert_eq!(few.len(), many.len(), "for few rows: {few:#?}\nfor many: {many:#?}");
}
