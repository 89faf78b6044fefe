//! The clients: learners who look at their licenses and activate them, admins who look at lists and assign licenses.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use license_manager_tests::{Customer, Person, Plan, Server, text};
use serde_json::json;

use crate::filled;
use crate::http::{Connection, request};
use crate::report::Times;

/// How many there are.
pub const CLIENTS: usize = 64;

/// The first three assign licenses, the next three activate some, three more look at lists, and the others at their own
/// licenses. Each does one of these only, so that a request that waits for a bulk transaction holds up no other kind.
const ASSIGNING: usize = 3;
const ACTIVATING: usize = 6;
const LOOKING: usize = 9;

/// The learners of the plan.
const LEARNERS: usize = 20_000;

/// The licenses of the plan that are left for new learners.
const FREE: usize = 50_000;

/// How many learners are assigned by one request.
const ASSIGNED_AT_ONCE: usize = 10_000;

/// The learners whose requests are made beforehand: a signature costs a client more than a request costs the server.
const READERS: usize = 1_000;

/// The lifetime of tokens in seconds.
const DAY: i64 = 24 * 3_600;

/// The learner with this number.
fn learner(customer: &Customer, number: usize) -> Person {
    customer.learner(1_000 + number as i64, &format!("learner-{number}")).expiring_in(DAY)
}

/// What the clients ask for.
pub struct World {
    address: String,
    plan: Plan,
    customer_run: String,
    /// Each learner's request for their licenses.
    readers: Vec<Vec<u8>>,
    /// The activation of each license.
    activations: Vec<Vec<u8>>,
    next_activation: AtomicUsize,
    next_learner: AtomicUsize,
    lists: Vec<(&'static str, Vec<u8>)>,
    admin: Person,
}

impl World {
    /// A plan whose learners have yet to activate their licenses.
    pub fn new(server: &Server, customer: &Customer) -> Self {
        let plan = filled(customer, LEARNERS + FREE);
        let learners = customer.emails("learner", LEARNERS);
        learners.chunks(ASSIGNED_AT_ONCE).for_each(|learners| drop(plan.assign(learners).expect(200)));
        let activations: Vec<Vec<u8>> = plan
            .licenses("assigned")
            .iter()
            .map(|license| {
                let email = text(&license["user_email"]);
                let number = email.split('-').nth(1).and_then(|number| number.parse().ok());
                let learner = learner(customer, number.expect("a learner has a number"));
                let key = text(&license["activation_key"]);
                request("POST", &format!("/api/v1/license-activation/?activation_key={key}"), &learner, None)
            })
            .collect();
        let path = format!("/api/v1/learner-licenses/?enterprise_customer_uuid={}", customer.enterprise);
        let readers = (0..READERS)
            .map(|number| {
                let learner = learner(customer, number);
                request("GET", &path, &learner, None)
            })
            .collect();
        let admin = customer.admin().expiring_in(DAY);
        let read = |name, below: &str| (name, request("GET", &plan.path(below), &admin, None));
        let lists = vec![
            read("page of licenses", "licenses/?page_size=100&status=assigned,activated"),
            read("search", "licenses/?search=learner-123"),
            read("overview", "licenses/overview/"),
            read("plan", ""),
        ];
        Self {
            address: server.address(),
            customer_run: customer.email("of"),
            plan,
            readers,
            activations,
            next_activation: AtomicUsize::new(0),
            next_learner: AtomicUsize::new(0),
            lists,
            admin,
        }
    }

    /// Sends requests until it is done, and tells how long each took: from when it was due, so that a request that waits
    /// for the one before it counts as slow. `pace` is the mean time from one to the next; without one, each is due
    /// when the last is answered.
    pub fn client(&self, number: usize, pace: Option<Duration>, done: &AtomicBool) -> Times {
        let mut times = Times::default();
        let mut connection = Connection::open(&self.address);
        // The same requests in the same order in every run, other ones for each client.
        let mut dice = number as u64 + 1;
        let mut roll = |sides: usize| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) as usize % sides
        };
        let mut due = Instant::now();
        while !done.load(Ordering::Relaxed) {
            match pace {
                // Exponential, as of people who know nothing of each other.
                Some(pace) => due += pace.mul_f64(-((roll(1_000) as f64 + 0.5) / 1_000.0).ln()),
                None => due = Instant::now(),
            }
            sleep(due.saturating_duration_since(Instant::now()));
            let (kind, request) = match number {
                0..ASSIGNING => ("assignment of one", self.assignment()),
                ASSIGNING..ACTIVATING => ("activation", self.activation()),
                ACTIVATING..LOOKING => self.lists[roll(self.lists.len())].clone(),
                _ => ("learner-licenses", self.readers[roll(READERS)].clone()),
            };
            connection.exchange(&request, 200);
            times.note(kind, due.elapsed());
        }
        times
    }

    /// The activation of the next license; again that of the first ones after the last.
    fn activation(&self) -> Vec<u8> {
        let number = self.next_activation.fetch_add(1, Ordering::Relaxed);
        self.activations[number % self.activations.len()].clone()
    }

    /// The assignment of a license to the next new learner; again to the first ones when no license is free.
    fn assignment(&self) -> Vec<u8> {
        let number = self.next_learner.fetch_add(1, Ordering::Relaxed) % FREE;
        let email = format!("new-{number}-{}", self.customer_run);
        request("POST", &self.plan.path("licenses/assign/"), &self.admin, Some(&json!({ "user_emails": [email] })))
    }
}
