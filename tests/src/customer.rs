//! An enterprise with an agreement and plans, made through the API as its operators would.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Answer, Client, Person, Server};

/// Where the provisioning API is.
pub const PROVISIONING: &str = "/api/v1/provisioning-admins";

/// An enterprise of a test's own, with an agreement.
pub struct Customer {
    base: String,
    run: String,
    /// The enterprise's id.
    pub enterprise: Uuid,
    /// The agreement's id.
    pub agreement: String,
}

impl Customer {
    /// Makes one.
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

    /// An email address nobody else has.
    pub fn email(&self, name: &str) -> String {
        format!("{name}-{}@example.com", self.run)
    }

    /// So many different email addresses: `name-0`, `name-1` and so on.
    pub fn emails(&self, name: &str, count: usize) -> Vec<String> {
        (0..count).map(|number| self.email(&format!("{name}-{number}"))).collect()
    }

    /// Somebody who may administer the enterprise's subscriptions.
    pub fn admin(&self) -> Person {
        self.person(1, "admin").role(format!("enterprise_admin:{}", self.enterprise))
    }

    /// One of the enterprise's learners, whose email address is [`Customer::email`] of their name.
    pub fn learner(&self, user_id: i64, name: &str) -> Person {
        self.person(user_id, name).role(format!("enterprise_learner:{}", self.enterprise))
    }

    /// Somebody with an email address here and no role at all.
    pub fn person(&self, user_id: i64, name: &str) -> Person {
        Person::new(user_id, self.email(name), format!("{name}-{}", self.run))
    }

    /// A client that is the operators' provisioning admin.
    pub fn operator(&self) -> Client {
        Client::of(&self.base, &operator())
    }

    /// The request that makes a plan of so many licenses, active and current for decades.
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

    /// Makes a plan of so many licenses.
    pub fn plan(&self, licenses: u32) -> Plan {
        let plan =
            self.operator().post(&format!("{PROVISIONING}/subscriptions/"), &self.plan_request(licenses)).expect(201);
        Plan { uuid: text(&plan["uuid"]), admin: Client::of(&self.base, &self.admin()) }
    }
}

/// A plan, as an admin of its enterprise sees it.
pub struct Plan {
    /// Its id.
    pub uuid: String,
    /// The admin.
    pub admin: Client,
}

impl Plan {
    /// The path of the plan, or of something below it such as `licenses/`.
    pub fn path(&self, below: &str) -> String {
        format!("/api/v1/subscriptions/{}/{below}", self.uuid)
    }

    /// How many licenses it has.
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

    /// Asks for a license for each of these people.
    pub fn assign(&self, emails: &[String]) -> Answer {
        self.admin.post(&self.path("licenses/assign/"), &json!({ "user_emails": emails }))
    }

    /// Every license in one of these states (a comma list), over all pages.
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

    /// The key that activates this person's license.
    pub fn activation_key(&self, email: &str) -> String {
        let licenses = self.licenses("assigned");
        let license = licenses
            .iter()
            .find(|license| license["user_email"] == email)
            .unwrap_or_else(|| panic!("{email} has no assigned license"));
        text(&license["activation_key"])
    }
}

/// A plan's licenses by state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Free to be assigned.
    pub unassigned: u64,
    /// Promised to somebody who has not used theirs yet.
    pub assigned: u64,
    /// In use.
    pub activated: u64,
    /// Taken back.
    pub revoked: u64,
    /// All that are not revoked.
    pub total: u64,
}

/// Somebody who may provision agreements and plans for every enterprise.
fn operator() -> Person {
    Person::new(9, "operator@example.com", "operator").role("enterprise_provisioning_admin:*")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
