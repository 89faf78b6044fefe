//! The number of SQL statements of a request does not depend on how many rows it touches.

use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use actix_web::{test, web};
use chrono::Duration;
use license_manager::app::{AppState, app};
use license_manager::auth::TokenVerifier;
use license_manager::config::{Config, Secret};
use license_manager::storage::{self, seed_products};
use license_manager::system::RandomIds;
use license_manager_domain::ports::{IdSource, StoreExt};
use license_manager_domain::{
    Actor, AgreementChanges, AgreementId, AssignmentMail, CatalogId, ChangeReason, CustomerId, LicenseId,
    LicenseManager, LicenseTypesToCopy, NewAgreement, NewPlan, PlanChanges, PlanId, RenewalOutcome, RenewalTerms,
    TransferOrder, TransferredLicenses,
};
use license_manager_tests::{Database, Person, SECRET, on_both_databases};
use serde_json::{Value, json};
use tokio::sync::Notify;
use uuid::Uuid;

on_both_databases!(
    assigning_one_email_and_five_thousand,
    revoking_one_license_and_five_hundred,
    listing_one_plan_and_fifty,
    listing_ten_licenses_and_five_hundred,
    provisioning_ten_licenses_and_five_thousand,
    renewing_two_licenses_and_five_thousand,
    transferring_two_licenses_and_a_hundred_thousand,
);

const CUSTOMER: CustomerId = CustomerId(Uuid::from_u128(0x4000_8000_0000_0000_0001));

/// A service whose statements are watched.
struct Service {
    state: web::Data<AppState>,
    statements: Arc<Mutex<Vec<String>>>,
    agreement: AgreementId,
    _database: Database,
}

impl Service {
    async fn new(database: Database) -> Self {
        let environment = [("DATABASE_URL".to_owned(), database.url().to_owned())];
        let mut config = Config::load(None, environment.into_iter()).unwrap();
        config.auth.hs256_secret = Some(Secret::try_from(SECRET.to_owned()).unwrap());
        let statements = Arc::new(Mutex::new(Vec::new()));
        let log = statements.clone();
        let observer: storage::StatementObserver =
            Arc::new(move |statement| log.lock().unwrap().push(statement.chars().take(160).collect()));
        let opened = storage::Database::open_observed(&config, Some(observer)).unwrap();
        opened.migrate().unwrap();
        let manager = opened.manager(&config);
        seed_products(&manager).unwrap();
        let changes = AgreementChanges {
            default_catalog: Some(Some(CatalogId(Uuid::from_u128(2)))),
            ..AgreementChanges::default()
        };
        let page = manager.create_agreement(&Actor::service(), NewAgreement { customer: CUSTOMER, changes }).unwrap();
        let state = web::Data::new(AppState {
            manager,
            verifier: TokenVerifier::from_config(&config.auth).await.unwrap(),
            body_limit: config.server.body_limit_bytes,
            learner_portal: String::new(),
            wake_jobs: Arc::new(Notify::new()),
        });
        Self { state, statements, agreement: page.agreements[0].agreement.id, _database: database }
    }

    fn manager(&self) -> &LicenseManager {
        &self.state.manager
    }

    fn plan(&self, title: &str, licenses: i32) -> PlanId {
        let now = self.manager().now();
        let new = NewPlan {
            agreement: self.agreement,
            title: title.to_owned(),
            start_date: now - Duration::days(1),
            expiration_date: now + Duration::days(100),
            changes: PlanChanges {
                is_active: Some(true),
                desired_num_licenses: Some(Some(licenses)),
                salesforce_opportunity_line_item: Some(Some("00k000000000000001".to_owned())),
                ..PlanChanges::default()
            },
        };
        self.manager().create_plan(&Actor::service(), ChangeReason::New, new).unwrap().plans[0].details.plan.id
    }

    /// Adds unassigned licenses without a limit to how many.
    fn fill(&self, plan: PlanId, number: usize) {
        let mut ids: Vec<LicenseId> = (0..number).map(|_| LicenseId(RandomIds.next())).collect();
        ids.sort_unstable();
        let change = Actor::service().change(self.manager().now());
        self.manager().store().write(|unit| unit.licenses().add_unassigned(plan, &ids, &change)).unwrap();
    }

    fn handed_out(&self, plan: PlanId) -> Vec<LicenseId> {
        let licenses = self.manager().handed_out_licenses(plan, None, i64::MAX).unwrap();
        licenses.iter().map(|license| license.id).collect()
    }

    fn assign(&self, plan: PlanId, emails: &[String]) {
        let learners = emails.iter().map(|email| (email.parse().unwrap(), None)).collect();
        self.manager().assign(&Actor::service(), plan, &learners, &AssignmentMail::default()).unwrap();
    }

    /// The statements of a request, which has to succeed.
    async fn statements(&self, method: Method, path: &str, body: Option<Value>) -> Vec<String> {
        let admin = Person::new(1, "admin@example.com", "admin")
            .role(format!("enterprise_admin:{CUSTOMER}"))
            .role("enterprise_provisioning_admin:*");
        let app = test::init_service(app(self.state.clone())).await;
        let mut request = test::TestRequest::default().method(method).uri(&format!("/api/v1{path}"));
        request = request.insert_header(("Authorization", admin.authorization()));
        if let Some(body) = body {
            request = request.set_json(body);
        }
        self.statements.lock().unwrap().clear();
        let response = test::call_service(&app, request.to_request()).await;
        assert!(response.status().is_success(), "{path}: {}", response.status());
        self.statements.lock().unwrap().clone()
    }
}

#[track_caller]
fn assert_as_many(few: &[String], many: &[String]) {
    assert!(!few.is_empty(), "no statement was seen");
    assert_eq!(few.len(), many.len(), "for few rows: {few:#?}\nfor many: {many:#?}");
}

fn emails(number: usize) -> Vec<String> {
    (0..number).map(|index| format!("learner{index}@example.com")).collect()
}

fn run(story: impl Future<Output = ()>) {
    actix_web::rt::System::new().block_on(story);
}

fn assigning_one_email_and_five_thousand(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let (small, large) = (service.plan("small", 10), service.plan("large", 5_000));
        let path = |plan| format!("/subscriptions/{plan}/licenses/assign/");
        // The first request of a user also remembers the user.
        let first = json!({ "user_emails": ["first@example.com"] });
        service.statements(Method::POST, &path(small), Some(first)).await;
        let few = service.statements(Method::POST, &path(small), Some(json!({ "user_emails": emails(1) }))).await;
        let many = service.statements(Method::POST, &path(large), Some(json!({ "user_emails": emails(5_000) }))).await;
        assert_as_many(&few, &many);
    });
}

fn revoking_one_license_and_five_hundred(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let plan = service.plan("plan", 600);
        service.assign(plan, &emails(502));
        let path = format!("/subscriptions/{plan}/licenses/bulk-revoke/");
        let everybody = emails(502);
        service.statements(Method::POST, &path, Some(json!({ "user_emails": everybody[..1] }))).await;
        let few = service.statements(Method::POST, &path, Some(json!({ "user_emails": everybody[1..2] }))).await;
        let many = service.statements(Method::POST, &path, Some(json!({ "user_emails": everybody[2..] }))).await;
        assert_as_many(&few, &many);
    });
}

fn listing_one_plan_and_fifty(database: Database) {
    run(async {
        let service = Service::new(database).await;
        for number in 0..50 {
            service.plan(&format!("plan {number}"), 2);
        }
        for path in [
            format!("/subscriptions/?enterprise_customer_uuid={CUSTOMER}&page_size="),
            format!("/provisioning-admins/subscriptions/?enterprise_customer_uuid={CUSTOMER}&page_size="),
        ] {
            service.statements(Method::GET, &format!("{path}1"), None).await;
            let few = service.statements(Method::GET, &format!("{path}1"), None).await;
            let many = service.statements(Method::GET, &format!("{path}50"), None).await;
            assert_as_many(&few, &many);
        }
    });
}

fn listing_ten_licenses_and_five_hundred(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let plan = service.plan("plan", 500);
        service.assign(plan, &emails(400));
        let path = format!("/subscriptions/{plan}/licenses/?page_size=");
        service.statements(Method::GET, &format!("{path}10"), None).await;
        let few = service.statements(Method::GET, &format!("{path}10"), None).await;
        let many = service.statements(Method::GET, &format!("{path}500"), None).await;
        assert_as_many(&few, &many);
    });
}

fn provisioning_ten_licenses_and_five_thousand(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let body = |title: &str, licenses: i32| {
            json!({
                "title": title,
                "customer_agreement": service.agreement,
                "start_date": "2030-01-01",
                "expiration_date": "2031-01-01",
                "desired_num_licenses": licenses,
                "change_reason": "new",
                "salesforce_opportunity_line_item": "00k000000000000001",
            })
        };
        let path = "/provisioning-admins/subscriptions/";
        service.statements(Method::POST, path, Some(body("first", 10))).await;
        let few = service.statements(Method::POST, path, Some(body("few", 10))).await;
        let many = service.statements(Method::POST, path, Some(body("many", 5_000))).await;
        assert_as_many(&few, &many);
    });
}

fn renewing_two_licenses_and_five_thousand(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let renewals = "/provisioning-admins/subscription-plan-renewals/";
        service.statements(Method::GET, renewals, None).await;
        let mut statements = Vec::new();
        // Both plans wait with a license, so that copies are made of waiting ones and of new ones, and some stay free.
        for number in [2, 5_000] {
            let [prior, waiting] = [("prior", 6_000), ("waiting", 1)]
                .map(|(title, licenses)| service.plan(&format!("{title} of {number}"), licenses));
            service.assign(prior, &emails(number));
            let terms = RenewalTerms {
                prior_plan: prior,
                renewed_plan: Some(waiting),
                salesforce_opportunity_id: None,
                number_of_licenses: 7_000,
                effective_date: service.manager().now(),
                renewed_expiration_date: service.manager().now() + Duration::days(365),
                renewed_plan_title: None,
                license_types_to_copy: LicenseTypesToCopy::AssignedAndActivated,
                disable_auto_apply_licenses: false,
                exempt_from_batch_processing: false,
            };
            let outcome = service.manager().create_renewal(&Actor::service(), &terms).unwrap();
            let RenewalOutcome::Written(details) = outcome else { panic!("not scheduled: {outcome:?}") };
            let path = format!("{renewals}{}/process/", details.renewal.id);
            statements.push(service.statements(Method::POST, &path, None).await);
        }
        assert_as_many(&statements[0], &statements[1]);
    });
}

fn transferring_two_licenses_and_a_hundred_thousand(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let jobs = "/provisioning-admins/license-transfer-jobs/";
        service.statements(Method::GET, jobs, None).await;
        for all in [true, false] {
            let mut statements = Vec::new();
            for number in [2, if all { 100_000 } else { 5_000 }] {
                let [old, new] = ["old", "new"].map(|title| service.plan(&format!("{title} {all} {number}"), 0));
                service.fill(old, number);
                let licenses = if all {
                    TransferredLicenses::All
                } else {
                    service.assign(old, &emails(number));
                    TransferredLicenses::Named(service.handed_out(old))
                };
                let (agreement, notes, is_dry_run) = (service.agreement, None, false);
                let order = TransferOrder { agreement, old_plan: old, new_plan: new, notes, is_dry_run, licenses };
                let job = service.manager().create_transfer_job(&Actor::service(), &order).unwrap().id;
                statements.push(service.statements(Method::POST, &format!("{jobs}{job}/process/"), None).await);
                let counts = service.manager().plan(new).unwrap().plans[0].counts;
                assert_eq!(counts.total(), number as i64, "they moved");
            }
            assert_as_many(&statements[0], &statements[1]);
        }
    });
}
