//! A service of which requests and their statements are known.

use actix_web::http::{Method, StatusCode};
use actix_web::{test, web};
use license_manager::app::app;
use license_manager::state::AppState;
use license_manager::system::RandomIds;
use license_manager_domain::ports::{IdSource, StoreExt};
use license_manager_domain::{Actor, AgreementId, AssignmentMail, LicenseId, LicenseManager, PlanId};
use license_manager_tests::{Database, Person};
use serde_json::Value;

use super::recorded::{CUSTOMER, Recorded, beginnings};

/// A service that records its statements.
pub struct Service {
    pub state: web::Data<AppState>,
    pub agreement: AgreementId,
    pub recorded: Recorded,
}

impl Service {
    /// A service with one customer, in a database.
    pub async fn new(database: Database) -> Self {
        let recorded = Recorded::new(database);
        let agreement = recorded.agreement(CUSTOMER, "customer");
        // Who is known is not stored beside the statements that are counted.
        let now = recorded.manager.now();
        for (name, is_staff) in [("admin", false), ("staff", true)] {
            let email = format!("{name}@example.com");
            recorded.manager.store().write(|unit| unit.users().remember(name, Some(&email), is_staff, now)).unwrap();
        }
        let state = recorded.state().await;
        Self { state, agreement, recorded }
    }

    pub fn manager(&self) -> &LicenseManager {
        &self.recorded.manager
    }

    /// Adds a plan of the customer that is current.
    pub fn plan(&self, title: &str, licenses: i32) -> PlanId {
        self.recorded.plan(self.agreement, title, licenses)
    }

    /// Adds any number of unassigned licenses.
    pub fn fill(&self, plan: PlanId, number: usize) {
        let mut ids: Vec<LicenseId> = (0..number).map(|_| LicenseId(RandomIds.next())).collect();
        ids.sort_unstable();
        let change = Actor::service().change(self.manager().now());
        self.manager().store().write(|unit| unit.licenses().add_unassigned(plan, &ids, &change)).unwrap();
    }

    /// The ids of the plan's licenses that were ever assigned.
    pub fn handed_out(&self, plan: PlanId) -> Vec<LicenseId> {
        let licenses = self.manager().handed_out_licenses(plan, None, i64::MAX).unwrap();
        licenses.iter().map(|license| license.id).collect()
    }

    pub fn assign(&self, plan: PlanId, emails: &[String]) {
        let learners = emails.iter().map(|email| (email.parse().unwrap(), None)).collect();
        self.manager().assign(&Actor::service(), plan, &learners, &AssignmentMail::default()).unwrap();
    }

    /// The statements of an admin's request, which must succeed.
    pub async fn statements(&self, method: Method, path: &str, body: Option<Value>) -> Vec<String> {
        self.statements_of(&admin(), method, path, body).await
    }

    /// The statements of a request, which must succeed; their beginnings, to be shown.
    pub async fn statements_of(&self, person: &Person, method: Method, path: &str, body: Option<Value>) -> Vec<String> {
        beginnings(self.whole_statements_of(person, method, path, body).await)
    }

    /// As [`Service::statements_of`], to their ends.
    pub async fn whole_statements_of(
        &self,
        person: &Person,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Vec<String> {
        let (status, statements) = self.answer(Some(person), method, path, body).await;
        assert!(status.is_success(), "{path}: {status}");
        statements
    }

    /// The status of the answer to a request, and the statements to their ends.
    pub async fn answer(
        &self,
        person: Option<&Person>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Vec<String>) {
        let app = test::init_service(app(self.state.clone(), None)).await;
        let mut request = test::TestRequest::default().method(method).uri(&format!("/api/v1{path}"));
        if let Some(person) = person {
            request = request.insert_header(("Authorization", person.authorization()));
        }
        if let Some(body) = body {
            request = request.set_json(body);
        }
        self.recorded.record();
        let status = test::call_service(&app, request.to_request()).await.status();
        (status, self.recorded.whole_statements())
    }
}

/// An admin of the customer, who may also provision.
pub fn admin() -> Person {
    Person::new(1, "admin@example.com", "admin")
        .role(format!("enterprise_admin:{CUSTOMER}"))
        .role("enterprise_provisioning_admin:*")
}

/// The addresses of this many learners.
pub fn emails(number: usize) -> Vec<String> {
    (0..number).map(|index| format!("learner{index}@example.com")).collect()
}
