//! A customer with an agreement and plans, created through the API.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Client, Person, Response, Server, text};

/// The prefix of the provisioning API.
pub const PROVISIONING: &str = "/api/v1/provisioning-admins";

/// A customer with an agreement.
pub struct Customer {
    base: String,
    run: String,
    /// The customer's id.
    pub enterprise: Uuid,
    /// The agreement's id.
    pub agreement: String,
}

impl Customer {
    /// Creates a customer.
    pub fn new(server: &Server) -> Self {
        let (base, enterprise) = (server.base(), Uuid::new_v4());
        let run = enterprise.simple().to_string()[..10].to_owned();
        let agreement = Client::of(&base, &operator())
            .post(
                &format!("{PROVISIONING}/customer-agreement/"),
                &json!({
                    "enterprise_customer_uuid": enterprise,
                    "enterprise_customer_slug": format!("acme-{run}"),
                    "default_enterprise_catalog_uuid": Uuid::new_v4(),
                }),
            )
            .expect(201);
        Self { base, run, enterprise, agreement: text(&agreement["uuid"]) }
    }

    /// An email address that is unique to this customer.
    pub fn email(&self, name: &str) -> String {
        format!("{name}-{}@example.com", self.run)
    }

    /// This many email addresses: `name-0`, `name-1` and so on.
    pub fn emails(&self, name: &str, count: usize) -> Vec<String> {
        (0..count).map(|number| self.email(&format!("{name}-{number}"))).collect()
    }

    /// An admin of the customer's subscriptions.
    pub fn admin(&self) -> Person {
        self.person(1, "admin").role(format!("enterprise_admin:{}", self.enterprise))
    }

    /// A learner of the customer with the address [`Customer::email`].
    pub fn learner(&self, user_id: i64, name: &str) -> Person {
        self.person(user_id, name).role(format!("enterprise_learner:{}", self.enterprise))
    }

    /// A person with such an address and no role.
    pub fn person(&self, user_id: i64, name: &str) -> Person {
        Person::new(user_id, self.email(name), format!("{name}-{}", self.run))
    }

    /// A client of a provisioning admin.
    pub fn operator(&self) -> Client {
        Client::of(&self.base, &operator())
    }

    /// The request that creates a plan with this many licenses, active and current for decades.
    pub fn plan_request(&self, licenses: u32) -> Value {
        json!({
            "title": format!("Plan {}", Uuid::new_v4()),
            "customer_agreement": self.agreement,
            "start_date": "2020-01-01T00:00:00Z",
            "expiration_date": "2100-01-01T00:00:00Z",
            "desired_num_licenses": licenses,
            "product": 1,
            "is_active": true,
            "change_reason": "new",
            "salesforce_opportunity_line_item": "00k000000000000001",
        })
    }

    /// Creates a plan with this many licenses.
    pub fn plan(&self, licenses: u32) -> Plan {
        let plan =
            self.operator().post(&format!("{PROVISIONING}/subscriptions/"), &self.plan_request(licenses)).expect(201);
        Plan { uuid: text(&plan["uuid"]), admin: Client::of(&self.base, &self.admin()) }
    }
}

/// A plan and an admin of its customer.
pub struct Plan {
    /// Its id.
    pub uuid: String,
    /// A client of the admin.
    pub admin: Client,
}

impl Plan {
    /// The path of the plan, or of something below it, such as `licenses/`.
    pub fn path(&self, below: &str) -> String {
        format!("/api/v1/subscriptions/{}/{below}", self.uuid)
    }

    /// The number of its licenses by status.
    pub fn counts(&self) -> Counts {
        let plan = self.admin.get(&self.path("")).expect(200);
        let count = |status: &str| {
            plan["licenses"][status].as_u64().unwrap_or_else(|| panic!("no count of {status} licenses in {plan}"))
        };
        Counts {
            unassigned: count("unassigned"),
            assigned: count("assigned"),
            activated: count("activated"),
            revoked: count("revoked"),
            total: count("total"),
        }
    }

    /// Assigns licenses to these people.
    pub fn assign(&self, emails: &[String]) -> Response {
        self.admin.post(&self.path("licenses/assign/"), &json!({ "user_emails": emails }))
    }

    /// All licenses with one of these comma-separated statuses, from all pages.
    pub fn licenses(&self, status: &str) -> Vec<Value> {
        let mut licenses = Vec::new();
        for page in 1.. {
            let path = self.path(&format!("licenses/?page={page}&page_size=500&status={status}"));
            let answer = self.admin.get(&path).expect(200);
            let results = answer["results"].as_array().expect("a page has results");
            licenses.extend_from_slice(results);
            if answer["next"].is_null() {
                break;
            }
        }
        licenses
    }

    /// The activation key of this person's license.
    pub fn activation_key(&self, email: &str) -> String {
        let licenses = self.licenses("assigned");
        let license = licenses
            .iter()
            .find(|license| license["user_email"] == email)
            .unwrap_or_else(|| panic!("{email} has no assigned license"));
        text(&license["activation_key"])
    }
}

/// A plan's licenses by status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Free to be assigned.
    pub unassigned: u64,
    /// Assigned and not activated yet.
    pub assigned: u64,
    /// Activated.
    pub activated: u64,
    /// Revoked.
    pub revoked: u64,
    /// All but the revoked ones.
    pub total: u64,
}

/// A provisioning admin for all customers.
fn operator() -> Person {
    Person::new(9, "operator@example.com", "operator").role("enterprise_provisioning_admin:*")
}
