//! A page of the console runs the same number of SQL statements however many rows it shows or acts on.

use std::sync::{Arc, Mutex};

use actix_web::cookie::Cookie;
use actix_web::http::Method;
use actix_web::{test, web};
use chrono::Duration;
use license_manager::app::app;
use license_manager::config::{Config, Secret};
use license_manager::console::console;
use license_manager::database::{self, seed_products};
use license_manager::state::AppState;
use license_manager::telemetry::metrics::Metrics;
use license_manager::telemetry::monitor::Monitor;
use license_manager_adapters::http::{Timeouts, client};
use license_manager_console::Console;
use license_manager_domain::model::RenewalTerms;
use license_manager_domain::{
    Actor, AgreementChanges, AgreementId, CatalogId, ChangeReason, CustomerId, LicenseManager, LicenseTypesToCopy,
    NewAgreement, NewPlan, PlanChanges, PlanId,
};
use license_manager_tests::{Database, SECRET, on_both_databases};
use tokio::sync::Notify;
use uuid::Uuid;

on_both_databases!(
    listing_plans_one_and_twenty,
    looking_at_an_action_on_one_plan_and_twenty,
    listing_renewals_one_and_twenty,
    looking_at_the_processing_of_one_renewal_and_twenty,
    showing_a_customer_with_one_plan_and_twenty,
);

/// The provisioner among the people of the demo.
const PROVISIONER: &str = "person=3";

/// A service with two customers: one with a plan and a renewal, one with twenty.
struct Service {
    state: web::Data<AppState>,
    console: web::Data<Console>,
    statements: Arc<Mutex<Vec<String>>>,
    few: AgreementId,
    many: AgreementId,
    _database: Database,
}

impl Service {
    async fn new(database: Database) -> Self {
        let environment = [("DATABASE_URL".to_owned(), database.url().to_owned())];
        let mut config = Config::load(None, environment.into_iter()).unwrap();
        config.auth.hs256_secret = Some(Secret::try_from(SECRET.to_owned()).unwrap());
        config.throttle.enabled = false;
        let statements = Arc::new(Mutex::new(Vec::new()));
        let log = statements.clone();
        let observer: database::StatementObserver =
            Arc::new(move |statement| log.lock().unwrap().push(statement.chars().take(160).collect()));
        let opened = Arc::new(database::Database::open_observed(&config, Some(observer)).unwrap());
        opened.migrate().unwrap();
        let manager = opened.manager(&config);
        seed_products(&manager).unwrap();
        let (few, many) = (customer(&manager, 1, 1), customer(&manager, 2, 20));
        let monitor = Monitor::new(&config, Arc::new(Metrics::new().unwrap()), opened.clone(), manager.clone());
        monitor.started();
        let state = AppState::new(&config, manager.clone(), Arc::new(monitor), Arc::new(Notify::new())).await.unwrap();
        let state = web::Data::new(state);
        let console = console(&config, &manager, &opened, &state, client(Timeouts::default()).unwrap(), true).unwrap();
        Self { state, console, statements, few, many, _database: database }
    }

    /// The statements of a provisioner's requests, which must succeed; `form` of a request that sends one.
    async fn statements<const N: usize>(&self, requests: [(&str, Option<&str>); N]) -> [usize; N] {
        let app = test::init_service(app(self.state.clone(), Some(self.console.clone()))).await;
        let sign_in = form("/console/sign-in/demo/", PROVISIONER);
        let response = test::call_service(&app, sign_in.to_request()).await;
        let cookie: Cookie<'static> = response.response().cookies().next().expect("a cookie").into_owned();
        let sessions = test::TestRequest::get().uri("/console/sessions/").cookie(cookie.clone());
        let page = test::call_and_read_body(&app, sessions.to_request()).await;
        let page = String::from_utf8(page.to_vec()).unwrap();
        let token = page.split_once("name=\"form_token\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
        let mut counts = [0; N];
        for (count, (path, fields)) in counts.iter_mut().zip(requests) {
            let request = match fields {
                Some(fields) => form(path, &format!("form_token={token}&{fields}")),
                None => test::TestRequest::default().method(Method::GET).uri(path),
            };
            self.statements.lock().unwrap().clear();
            let response = test::call_service(&app, request.cookie(cookie.clone()).to_request()).await;
            assert!(response.status().is_success(), "{path}: {}", response.status());
            *count = self.statements.lock().unwrap().len();
        }
        counts
    }
}

fn form(path: &str, fields: &str) -> test::TestRequest {
    let request = test::TestRequest::post().uri(path);
    request.insert_header(("Content-Type", "application/x-www-form-urlencoded")).set_payload(fields.to_owned())
}

/// A customer with so many plans, each with a renewal.
fn customer(manager: &LicenseManager, number: u128, plans: usize) -> AgreementId {
    let actor = Actor::service();
    let changes = AgreementChanges {
        customer_name: Some(Some(format!("customer {number}"))),
        default_catalog: Some(Some(CatalogId(Uuid::from_u128(2)))),
        ..AgreementChanges::default()
    };
    let new = NewAgreement { customer: CustomerId(Uuid::from_u128(number)), changes };
    let agreement = manager.create_agreement(&actor, new).unwrap().details.agreement.id;
    for plan in 0..plans {
        let plan = new_plan(manager, agreement, &format!("plan {plan} of customer {number}"));
        let effective_date = manager.now() + Duration::days(100);
        let terms = RenewalTerms {
            prior_plan: plan,
            renewed_plan: None,
            salesforce_opportunity_id: None,
            number_of_licenses: 5,
            effective_date,
            renewed_expiration_date: effective_date + Duration::days(365),
            renewed_plan_title: None,
            license_types_to_copy: LicenseTypesToCopy::default(),
            disable_auto_apply_licenses: false,
            exempt_from_batch_processing: false,
        };
        manager.create_renewal(&actor, &terms).unwrap();
    }
    agreement
}

fn new_plan(manager: &LicenseManager, agreement: AgreementId, title: &str) -> PlanId {
    let now = manager.now();
    let new = NewPlan {
        agreement,
        title: title.to_owned(),
        start_date: now - Duration::days(1),
        expiration_date: now + Duration::days(100),
        changes: PlanChanges {
            is_active: Some(true),
            can_freeze_unused_licenses: Some(true),
            desired_num_licenses: Some(Some(2)),
            salesforce_opportunity_line_item: Some(Some("00k000000000000001".to_owned())),
            ..PlanChanges::default()
        },
    };
    manager.create_plan(&Actor::service(), ChangeReason::New, new).unwrap().details.plan.id
}

fn run(story: impl Future<Output = ()>) {
    actix_web::rt::System::new().block_on(story);
}

#[track_caller]
fn assert_as_many([few, many]: [usize; 2]) {
    assert!(few > 0, "no statement was seen");
    assert_eq!(few, many);
}

fn listing_plans_one_and_twenty(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let list = |customer: u8| format!("/console/plans/?title=customer+{customer}");
        assert_as_many(service.statements([(&list(1), None), (&list(2), None)]).await);
    });
}

fn looking_at_an_action_on_one_plan_and_twenty(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let act = "/console/plans/act/";
        let [one, all] = ["act=freeze&all=yes&title=customer+1", "act=freeze&all=yes&title=customer+2"];
        assert_as_many(service.statements([(act, Some(one)), (act, Some(all))]).await);
    });
}

fn listing_renewals_one_and_twenty(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let list = |agreement| format!("/console/renewals/?agreement={agreement}");
        assert_as_many(service.statements([(&list(service.few), None), (&list(service.many), None)]).await);
    });
}

fn looking_at_the_processing_of_one_renewal_and_twenty(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let act = "/console/renewals/act/";
        let all = |agreement| format!("act=process&all=yes&agreement={agreement}");
        let (one, many) = (all(service.few), all(service.many));
        assert_as_many(service.statements([(act, Some(one.as_str())), (act, Some(many.as_str()))]).await);
    });
}

fn showing_a_customer_with_one_plan_and_twenty(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let show = |agreement| format!("/console/customers/{agreement}/");
        assert_as_many(service.statements([(&show(service.few), None), (&show(service.many), None)]).await);
    });
}
