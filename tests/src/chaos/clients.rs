//! What clients do.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::dice::Dice;
use super::records::{People, Slot, Status};
use super::{FailureOfOthers, PAUSE, Plans, Shared};
use crate::{Client as Caller, Customer, PROVISIONING, Person, Request, Response, text};

/// How often a request is sent before the servers count as gone.
const MOST_TRIES: usize = 2_400;

/// A client with people of its own.
pub(super) struct Client<'a> {
    shared: &'a Shared<'a>,
    customer: &'a Customer,
    plans: &'a Plans,
    people: &'a People<'a>,
    dice: Dice,
    has_renewed: bool,
}

/// An answer, and whether the request had been sent before without an answer.
struct Answered {
    answer: Response,
    is_repeated: bool,
}

impl Answered {
    /// The body, provided that the answer has this status. A repeated request may also be answered with `again`: it may
    /// have been done before.
    #[track_caller]
    fn expect(self, status: u16, again: &[u16]) -> Value {
        if self.is_repeated && again.contains(&self.answer.status) {
            return self.answer.body;
        }
        self.answer.expect(status)
    }
}

impl<'a> Client<'a> {
    pub(super) fn new(
        shared: &'a Shared<'a>,
        customer: &'a Customer,
        plans: &'a Plans,
        number: usize,
        dice: Dice,
    ) -> Self {
        Self { shared, customer, plans, people: &shared.people[number], dice, has_renewed: false }
    }

    /// Sends requests until enough were answered.
    pub(super) fn run(mut self) {
        let _guard = FailureOfOthers(self.shared);
        while self.shared.goes_on() {
            self.shared.keep_pace();
            match self.dice.below(100) {
                0..40 => self.assign(),
                40..60 => self.activate(),
                60..72 => self.revoke(),
                72..80 => self.remind(),
                80..87 => self.transfer(),
                87..89 => self.renew(),
                89..91 => self.retire(),
                _ => self.read(),
            }
        }
    }

    fn slot(&mut self) -> Slot {
        Slot::ALL[self.dice.below(Slot::ALL.len())]
    }

    fn assign(&mut self) {
        let slot = self.slot();
        let number = 1 + self.dice.below(4);
        let people = self.dice.some(self.people.of_whom(|known| !known.held.contains_key(&slot)), number);
        if people.is_empty() {
            return self.read();
        }
        self.people.open(&people);
        let body = json!({ "user_emails": self.emails(&people) });
        let path = self.plans.of(slot).path("licenses/assign/");
        let answered = self.send(&self.customer.admin(), &Request::new("POST", path).json(&body));
        if slot == Slot::Old && answered.answer.status == 400 {
            self.people.close(&people, |_| {});
            return self.provision();
        }
        let body = answered.expect(200, &[]);
        let counted = ["num_successful_assignments", "num_already_associated"].map(|name| body[name].as_u64());
        assert_eq!(counted.iter().flatten().sum::<u64>(), people.len() as u64, "{body}");
        self.people.close(&people, |known| {
            known.held.insert(slot, Status::Assigned);
        });
    }

    /// Gives the old plan as many licenses as it should have: transfers take some away.
    fn provision(&mut self) {
        let path = format!("{PROVISIONING}/subscriptions/{}/provision/", self.plans.old.uuid);
        self.send(&operator(), &Request::new("POST", path)).expect(200, &[]);
    }

    fn activate(&mut self) {
        let slot = self.slot();
        let Some(person) = self.one_of_whom(slot, Status::Assigned) else { return self.read() };
        let license = self.license(slot, person);
        let path = format!("/api/v1/license-activation/?activation_key={}", text(&license["activation_key"]));
        self.people.open(&[person]);
        let caller = self.people.person(person);
        let body = self.send(&caller, &Request::new("POST", path)).expect(200, &[]);
        assert_eq!((&body["uuid"], body["status"].as_str()), (&license["uuid"], Some("activated")), "{body}");
        self.people.close(&[person], |known| {
            known.held.insert(slot, Status::Activated);
            known.reminded.retain(|reminded| *reminded != slot);
            known.has_called = true;
        });
    }

    fn revoke(&mut self) {
        let slot = self.slot();
        let number = 1 + self.dice.below(3);
        let people = self.dice.some(self.people.of_whom(|known| known.held.contains_key(&slot)), number);
        if people.is_empty() {
            return self.read();
        }
        self.people.open(&people);
        let body = json!({ "user_emails": self.emails(&people) });
        let path = self.plans.of(slot).path("licenses/bulk-revoke/");
        let request = Request::new("POST", path).json(&body);
        // Who was revoked by the first try has no license at the second.
        self.send(&self.customer.admin(), &request).expect(200, &[404]);
        self.people.close(&people, |known| {
            known.held.remove(&slot);
            known.reminded.retain(|reminded| *reminded != slot);
        });
    }

    fn remind(&mut self) {
        let slot = self.slot();
        let Some(person) = self.one_of_whom(slot, Status::Assigned) else { return self.read() };
        self.people.open(&[person]);
        let body = json!({ "user_emails": self.emails(&[person]), "greeting": "Hello" });
        let path = self.plans.of(slot).path("licenses/remind/");
        self.send(&self.customer.admin(), &Request::new("POST", path).json(&body)).expect(204, &[]);
        self.people.close(&[person], |known| known.reminded.push(slot));
    }

    fn transfer(&mut self) {
        let movable =
            |known: &super::records::Known| known.held.contains_key(&Slot::Old) && !known.held.contains_key(&Slot::New);
        let Some(person) = self.dice.some(self.people.of_whom(movable), 1).pop() else { return self.read() };
        let license = self.license(Slot::Old, person);
        self.people.open(&[person]);
        let order = json!({
            "customer_agreement": self.customer.agreement,
            "old_subscription_plan": self.plans.old.uuid,
            "new_subscription_plan": self.plans.new.uuid,
            "license_uuids": [license["uuid"]],
        });
        let operator = operator();
        let path = format!("{PROVISIONING}/license-transfer-jobs/");
        let job = self.send(&operator, &Request::new("POST", &path).json(&order)).expect(201, &[]);
        let path = format!("{path}{}/process/", job["id"]);
        let request = Request::new("POST", path).json(&json!({ "is_dry_run": false }));
        let job = self.send(&operator, &request).expect(200, &[]);
        assert!(job["completed_at"].is_string(), "{job}");
        self.people.close(&[person], |known| {
            if let Some(status) = known.held.remove(&Slot::Old) {
                known.held.insert(Slot::New, status);
            }
            known.reminded.retain(|reminded| *reminded != Slot::Old);
        });
    }

    /// Renews the old plan, once.
    fn renew(&mut self) {
        if self.has_renewed {
            return self.read();
        }
        let operator = operator();
        let path = format!("{PROVISIONING}/subscription-plan-renewals/");
        let renewal = json!({
            "prior_subscription_plan": self.plans.old.uuid,
            // More than could ever be carried over.
            "number_of_licenses": 20 * super::PEOPLE,
            "salesforce_opportunity_id": null,
            "effective_date": "2100-01-02T00:00:00Z",
            "renewed_expiration_date": "2101-01-01T00:00:00Z",
        });
        let renewal = self.send(&operator, &Request::new("POST", &path).json(&renewal)).expect(201, &[200]);
        let request = Request::new("POST", format!("{path}{}/process/", renewal["id"]));
        let renewal = self.send(&operator, &request).expect(201, &[200]);
        assert_eq!(renewal["processed"], true, "{renewal}");
        self.has_renewed = true;
    }

    /// Retires somebody whose user name is known. A newcomer takes their place.
    fn retire(&mut self) {
        let Some(number) = self.dice.some(self.people.of_whom(|known| known.has_called), 1).pop() else {
            return self.read();
        };
        let person = self.people.person(number);
        self.people.open(&[number]);
        let body = json!({ "lms_user_id": person.user_id(), "original_username": person.username() });
        let worker = Person::new(6, "worker@example.com", "retirement_worker");
        self.send(&worker, &Request::new("POST", "/api/v1/retire_user/").json(&body)).expect(204, &[404]);
        self.people.close(&[number], |known| {
            known.held.clear();
            known.reminded.clear();
            known.is_retired = true;
        });
        self.people.welcome();
    }

    fn read(&mut self) {
        let slot = self.slot();
        let plan = self.plans.of(slot);
        let request = Request::new("GET", plan.path("licenses/?page_size=20"));
        let page = self.send(&self.customer.admin(), &request).expect(200, &[]);
        assert!(page["count"].as_u64().is_some_and(|count| count > 0), "{page}");
    }

    fn emails(&self, people: &[usize]) -> Vec<String> {
        let known = self.people.known();
        people.iter().map(|&person| known[person].email.clone()).collect()
    }

    fn one_of_whom(&mut self, slot: Slot, status: Status) -> Option<usize> {
        let people = self.people.of_whom(|known| known.held.get(&slot) == Some(&status));
        self.dice.some(people, 1).pop()
    }

    /// The live license of a person.
    fn license(&mut self, slot: Slot, person: usize) -> Value {
        let (email, status) = {
            let known = &self.people.known()[person];
            (known.email.clone(), known.held[&slot].as_str())
        };
        let path = self.plans.of(slot).path(&format!("licenses/?search={email}&status={status}"));
        let page = self.send(&self.customer.admin(), &Request::new("GET", path)).expect(200, &[]);
        let found = page["results"].as_array().expect("a page has results");
        let own: Vec<&Value> = found.iter().filter(|license| license["user_email"] == email.as_str()).collect();
        assert_eq!(own.len(), 1, "{email} was answered to have one {status} license of the plan {slot:?}: {page}");
        own[0].clone()
    }

    /// Sends a request to any server until one does it or refuses it for good. 408 is for a request that arrived too
    /// slowly, as from a client that gets no time to run.
    fn send(&mut self, person: &Person, request: &Request) -> Answered {
        // The clock of the server may be slow, and a token of its future would be refused.
        let a_minute_ago = chrono::Utc::now().timestamp() - 60;
        let person = person.clone().claim("iat", json!(a_minute_ago));
        for tries in 0..MOST_TRIES {
            let base = &self.shared.bases[self.dice.below(self.shared.bases.len())];
            let counter = match Caller::of(base, &person).try_send(request.clone()) {
                Ok(answer) if ![408, 503].contains(&answer.status) => {
                    assert!(answer.status < 500, "{}: {} {}", answer.request, answer.status, answer.body);
                    self.shared.answered.fetch_add(1, Ordering::SeqCst);
                    return Answered { answer, is_repeated: tries > 0 };
                }
                Ok(_) => &self.shared.refused,
                Err(_) => &self.shared.unanswered,
            };
            counter.fetch_add(1, Ordering::SeqCst);
            assert!(!self.shared.has_failed.load(Ordering::SeqCst), "something else failed");
            std::thread::sleep(PAUSE);
        }
        panic!("{request:?} was not answered {MOST_TRIES} times");
    }
}

fn operator() -> Person {
    Person::new(9, "operator@example.com", "operator").role("enterprise_provisioning_admin:*")
}
