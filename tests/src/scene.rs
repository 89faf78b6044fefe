//! The scene of most tests of refused requests.

use serde_json::{Value, json};

use crate::conformance::differences;
use crate::{Counts, Customer, Database, PROVISIONING, Plan, Response, Server};

/// A server and a customer with a plan of five licenses, one of them assigned to amy.
pub struct Scene {
    /// The server.
    pub server: Server,
    /// The customer.
    pub customer: Customer,
    /// The plan.
    pub plan: Plan,
    // Dropped after the server that uses it.
    database: Database,
}

impl Scene {
    /// Sets it up on a fresh database.
    pub fn new(database: Database) -> Self {
        Self::with_settings(database, &[])
    }

    /// Creates the scene on a new database, on a server with more settings.
    pub fn with_settings(database: Database, settings: &[(&str, &str)]) -> Self {
        let server = Server::start_with(database.url(), settings);
        let customer = Customer::new(&server);
        let plan = customer.plan(5);
        plan.assign(&[customer.email("amy")]).expect(200);
        Self { server, customer, plan, database }
    }

    /// Its database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Runs a statement. Only for what the API cannot do.
    pub fn execute(&self, statement: &str) {
        self.database.execute(statement);
    }

    /// A valid assignment.
    pub fn valid_assignment(&self) -> Value {
        json!({ "user_emails": [self.customer.email("bob")] })
    }

    /// Its path.
    pub fn assign_path(&self) -> String {
        self.plan.path("licenses/assign/")
    }

    /// Checks that the numbers of plans and licenses stay the same.
    pub fn changes_nothing(&self, story: impl FnOnce(&Self)) {
        let before = self.counts();
        story(self);
        assert_eq!(self.counts(), before);
    }

    fn counts(&self) -> (Counts, Value) {
        let path = format!("{PROVISIONING}/subscriptions/?enterprise_customer_uuid={}", self.customer.enterprise);
        let plans = self.customer.operator().get(&path).expect(200);
        (self.plan.counts(), plans["count"].clone())
    }
}

/// Panics unless the answer has this status and a `{"detail": "…"}` body. `about` names the request.
#[track_caller]
pub fn assert_detail(answer: Response, status: u16, about: &str) {
    let detail = json!({"detail": "<text>"});
    let found = differences(&detail, &answer.body);
    assert_eq!(answer.status, status, "{about}: {}", answer.body);
    assert!(found.is_empty(), "{about}: {found:?}");
}
