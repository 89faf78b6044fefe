//! The measurements, in order.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use license_manager_tests::{Customer, Database, FakeIdentityProvider, PROVISIONING, Person, Plan, Server, at_once};
use serde_json::{Value, json};

use crate::console;
use crate::http::{Connection, request};
use crate::measure::{Pair, Side, in_turn, median, time};
use crate::memory::{self, Memory};
use crate::pages;
use crate::report::{ConsoleFindings, Findings, PageFindings};
use crate::sql::Sql;

/// The numbers of emails per request, each with the number of rounds.
const ASSIGNMENTS: [(usize, usize); 4] = [(1, 30), (100, 20), (1_000, 10), (10_000, 5)];

const ACTIVATIONS: usize = 30;

/// The licenses of the provisioned plan, and the number of rounds.
const PROVISIONING_OF: (usize, usize) = (100_000, 3);

/// The licenses of the plan that is read, and how many of them are assigned.
const READ_PLAN: (usize, usize) = (10_000, 9_000);

const READS: usize = 500;
const PAGES: usize = 100;

/// The number of clients that read learner licenses at the same time, and for how long.
const LOAD: (usize, Duration) = (8, Duration::from_secs(3));

/// The number of admins that assign licenses of one plan at the same time, and its licenses.
const CROWD: (usize, usize) = (16, 30_000);

/// The licenses of the plan that is provisioned while others write.
const MILLION: u32 = 1_000_000;

/// The licenses of the plan that is downloaded.
const SMALL_PLAN: usize = 20;

/// The allowed difference in payload size, because JSON can be spaced differently.
const PAYLOAD_TOLERANCE: f64 = 0.1;

/// Measures everything on a new database. SQLite waits for the disk as `synchronous` says.
pub fn run(database: &Database, synchronous: &str) -> Findings {
    // Without deliveries, which would disturb the measurements of requests.
    let settings = [("LM_WORKER__ENABLED", "false"), ("LM_DATABASE__SQLITE_SYNCHRONOUS", synchronous)];
    let server = Server::start_with(database.url(), &settings);
    let customer = Customer::new(&server);
    let mut bench = Bench { server, customer, sql: Sql::connect(database.url(), synchronous) };
    let name = bench.sql.name();
    let mut memory = vec![("after the start", memory::read(bench.server.id()))];

    eprintln!("{name}: making plans");
    let read_plan = bench.plan(READ_PLAN.0);
    let learners = bench.customer.emails("learner", READ_PLAN.1);
    bench.sql.assign(&read_plan.uuid, &learners);
    let assignment_plans = ASSIGNMENTS.map(|(emails, rounds)| bench.plans(emails * (rounds + 1)));
    let activation_plans = bench.plans(ACTIVATIONS + 1);
    bench.sql.analyze();

    eprintln!("{name}: reading");
    let people = bench.active_learners(&read_plan);
    let ((learner_licenses, rates, pages), used) = bench.watching_memory(|bench| {
        let own: Vec<_> = people.iter().map(|learner| bench.learner_licenses_request(learner)).collect();
        let plans = vec![bench.plans_request(); people.len()];
        let rates = [own, plans].map(|requests| bench.load(&requests));
        (bench.learner_licenses(&people[0]), rates, [1, 50].map(|number| bench.page(&read_plan, number)))
    });
    memory.push(("after reading under load", used));

    let mut assignments = Vec::new();
    for ((emails, rounds), plans) in ASSIGNMENTS.into_iter().zip(&assignment_plans) {
        eprintln!("{name}: assigning {emails}");
        let (pair, used) = bench.watching_memory(|bench| bench.assign(plans, emails, rounds));
        assignments.push((emails, pair));
        if emails == 10_000 {
            memory.push(("after assigning 10,000 emails", used));
        }
    }

    let assignments_per_second = bench.assign_at_once();

    eprintln!("{name}: activating");
    let activation = bench.activate(&activation_plans);

    eprintln!("{name}: provisioning");
    let (provisioning, used) = bench.watching_memory(Bench::provision);
    memory.push(("after provisioning 100,000", used));
    let csv = bench.csv();
    let million = bench.provision_a_million();

    Findings {
        name,
        assignments,
        assignments_per_second,
        activation,
        provisioning,
        learner_licenses,
        learner_licenses_per_second: rates[0],
        plans_per_second: rates[1],
        first_page: pages[0],
        page_50: pages[1],
        csv,
        million,
        memory,
    }
}

/// Measures pages of lists and searches on a new database, in plans of these sizes.
pub fn run_pages(database: &Database, synchronous: &str, sizes: &[usize]) -> PageFindings {
    let server = Server::start_with(database.url(), &[("LM_WORKER__ENABLED", "false")]);
    let customer = Customer::new(&server);
    let mut sql = Sql::connect(database.url(), synchronous);
    PageFindings { name: sql.name(), lines: pages::run(&server, &customer, &mut sql, sizes) }
}

/// Measures pages of the console on a new database, beside plans of these sizes.
pub fn run_console(database: &Database, synchronous: &str, sizes: &[usize]) -> ConsoleFindings {
    let provider = FakeIdentityProvider::start();
    let server = Server::start_with(database.url(), &console::settings(&provider.url()));
    let ran = server.command(&["superuser", "staff"]);
    assert!(ran.succeeded, "{}", ran.stderr);
    let customer = Customer::new(&server);
    let mut sql = Sql::connect(database.url(), synchronous);
    ConsoleFindings { name: sql.name(), lines: console::run(&server, &provider, &customer, &mut sql, sizes) }
}

/// A server and an SQL connection to its database.
struct Bench {
    server: Server,
    customer: Customer,
    sql: Sql,
}

/// Two equal plans: the server writes to one, SQL to the other.
struct Plans {
    server: Plan,
    sql: Plan,
}

impl Plans {
    fn of(&self, side: Side) -> &Plan {
        match side {
            Side::Server => &self.server,
            Side::Sql => &self.sql,
        }
    }
}

impl Bench {
    fn connect(&self) -> Connection {
        Connection::open(&self.server.address())
    }

    /// A plan with all its licenses.
    fn plan(&mut self, licenses: usize) -> Plan {
        let plan = self.customer.plan(u32::try_from(licenses).expect("a plan is smaller"));
        self.wait_for_job(&plan.uuid);
        plan
    }

    fn plans(&mut self, licenses: usize) -> Plans {
        Plans { server: self.plan(licenses), sql: self.plan(licenses) }
    }

    fn wait_for_job(&mut self, plan: &str) {
        while self.sql.has_job(plan) {
            sleep(Duration::from_millis(2));
        }
    }

    /// Runs `work` and reads the server's memory: the peak, and what it holds afterwards.
    fn watching_memory<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> (T, Memory) {
        memory::reset_peak(self.server.id());
        let result = work(self);
        (result, memory::read(self.server.id()))
    }

    fn assign(&mut self, plans: &Plans, number: usize, rounds: usize) -> Pair {
        let pair = in_turn(rounds, |side, round| {
            let name = match side {
                Side::Server => "server",
                Side::Sql => "sql",
            };
            let emails = self.customer.emails(&format!("{name}-{number}-{round}"), number);
            match side {
                Side::Server => {
                    let path = plans.server.path("licenses/assign/");
                    let body = json!({ "user_emails": emails });
                    let admin = self.customer.admin();
                    let mut connection = self.connect();
                    // The connection is open and known before the time counts, as that to the database is.
                    connection.exchange(&request("GET", "/health/live/", &admin, None), 200);
                    let request = request("POST", &path, &admin, Some(&body));
                    time(|| connection.exchange(&request, 200).len()).1
                }
                Side::Sql => self.sql.assign(&plans.sql.uuid, &emails),
            }
        });
        self.assert_same_rows(plans);
        pair
    }

    /// Assignments in a second, of one license each, by many admins to one plan.
    fn assign_at_once(&mut self) -> f64 {
        let plan = self.plan(CROWD.1);
        let (address, customer, path) = (self.server.address(), &self.customer, plan.path("licenses/assign/"));
        let start = Instant::now();
        let answers = at_once(CROWD.0, |client| {
            let mut connection = Connection::open(&address);
            let mut answers = 0_u32;
            while start.elapsed() < LOAD.1 {
                let body = json!({ "user_emails": [customer.email(&format!("crowd-{client}-{answers}"))] });
                connection.exchange(&request("POST", &path, &customer.admin(), Some(&body)), 200);
                answers += 1;
            }
            answers
        });
        f64::from(answers.iter().sum::<u32>()) / start.elapsed().as_secs_f64()
    }

    fn activate(&mut self, plans: &Plans) -> Pair {
        let emails = self.customer.emails("activating", ACTIVATIONS + 1);
        let keys = [Side::Server, Side::Sql].map(|side| {
            self.sql.assign(&plans.of(side).uuid, &emails);
            activation_keys(plans.of(side))
        });
        let pair = in_turn(ACTIVATIONS, |side, round| {
            let user_id = 1_000 + round as i64;
            let key = |side: usize| &keys[side][&emails[round]];
            match side {
                Side::Server => {
                    let learner = self.customer.learner(user_id, &format!("activating-{round}"));
                    let path = format!("/api/v1/license-activation/?activation_key={}", key(0));
                    let request = request("POST", &path, &learner, None);
                    let mut connection = self.connect();
                    // Learners come from the portal, which has read their licenses before.
                    connection.exchange(&self.learner_licenses_request(&learner), 200);
                    time(|| connection.exchange(&request, 200).len()).1
                }
                Side::Sql => self.sql.activate(key(1), user_id),
            }
        });
        self.assert_same_rows(plans);
        pair
    }

    fn provision(&mut self) -> Pair {
        let (licenses, rounds) = PROVISIONING_OF;
        let number = u32::try_from(licenses).expect("a plan is smaller");
        let operator = Person::new(9, "operator@example.com", "operator").role("enterprise_provisioning_admin:*");
        in_turn(rounds, |side, _| {
            let (plan, duration) = match side {
                Side::Server => {
                    let path = format!("{PROVISIONING}/subscriptions/");
                    let request = request("POST", &path, &operator, Some(&self.customer.plan_request(number)));
                    let mut connection = self.connect();
                    time(|| {
                        let plan: Value =
                            serde_json::from_slice(connection.exchange(&request, 201)).expect("a plan is JSON");
                        let plan = plan["uuid"].as_str().expect("a plan has an id").to_owned();
                        self.wait_for_job(&plan);
                        plan
                    })
                }
                Side::Sql => {
                    let plan = self.customer.plan(0).uuid;
                    let duration = self.sql.provision(&plan, licenses);
                    (plan, duration)
                }
            };
            let written = self.sql.written(&plan);
            assert_eq!((written.licenses, written.history), (licenses as i64, licenses as i64));
            duration
        })
    }

    /// The median time of a download of twenty licenses.
    fn csv(&mut self) -> Duration {
        let plan = self.plan(SMALL_PLAN);
        plan.assign(&self.customer.emails("downloaded", SMALL_PLAN)).expect(200);
        let request = request("GET", &plan.path("licenses/csv/"), &self.customer.admin(), None);
        let mut connection = self.connect();
        median((0..PAGES).map(|_| time(|| connection.exchange(&request, 200).len()).1).collect())
    }

    /// How long a million licenses take, and the longest time that an assignment to another plan takes meanwhile.
    fn provision_a_million(&mut self) -> (Duration, Duration) {
        let other = self.plan(READ_PLAN.0);
        let mut connection = self.connect();
        let mut longest = Duration::ZERO;
        let start = Instant::now();
        let plan = self.customer.plan(MILLION);
        for number in 0.. {
            if !self.sql.has_job(&plan.uuid) || number == READ_PLAN.0 {
                break;
            }
            let body = json!({ "user_emails": [self.customer.email(&format!("meanwhile-{number}"))] });
            let request = request("POST", &other.path("licenses/assign/"), &self.customer.admin(), Some(&body));
            longest = longest.max(time(|| connection.exchange(&request, 200).len()).1);
            sleep(Duration::from_millis(20));
        }
        self.wait_for_job(&plan.uuid);
        let took = start.elapsed();
        assert_eq!(plan.counts().total, u64::from(MILLION));
        (took, longest)
    }

    /// Checks that the SQL writes as much as the server; otherwise the comparison is unfair.
    fn assert_same_rows(&mut self, plans: &Plans) {
        let server = self.sql.written(&plans.server.uuid);
        let sql = self.sql.written(&plans.sql.uuid);
        let rows = |written: &crate::sql::Written| (written.licenses, written.history, written.messages);
        let payloads = sql.payload as f64 / server.payload as f64;
        assert!(
            rows(&server) == rows(&sql) && (payloads - 1.0).abs() < PAYLOAD_TOLERANCE,
            "the server writes {server:?}, the SQL {sql:?}"
        );
    }

    /// Learners with an activated license, one per client.
    fn active_learners(&mut self, plan: &Plan) -> Vec<Person> {
        let keys = activation_keys(plan);
        (0..LOAD.0)
            .map(|number| {
                let (name, user_id) = (format!("learner-{number}"), 100 + number as i64);
                self.sql.activate(&keys[&self.customer.email(&name)], user_id);
                self.customer.learner(user_id, &name)
            })
            .collect()
    }

    fn learner_licenses_request(&self, learner: &Person) -> Vec<u8> {
        let path = format!("/api/v1/learner-licenses/?enterprise_customer_uuid={}", self.customer.enterprise);
        request("GET", &path, learner, None)
    }

    fn learner_licenses(&mut self, learner: &Person) -> Duration {
        self.repeat(&self.learner_licenses_request(learner), READS, 1)
    }

    fn page(&mut self, plan: &Plan, number: usize) -> Duration {
        let path = plan.path(&format!("licenses/?page={number}&page_size=100"));
        self.repeat(&request("GET", &path, &self.customer.admin(), None), PAGES, 100)
    }

    /// The median time of a request whose answer has this many results.
    fn repeat(&self, request: &[u8], rounds: usize, results: usize) -> Duration {
        let mut connection = self.connect();
        let body: Value = serde_json::from_slice(connection.exchange(request, 200)).expect("the answer is JSON");
        assert_eq!(body["results"].as_array().map(Vec::len), Some(results), "{body}");
        median((0..rounds).map(|_| time(|| connection.exchange(request, 200).len()).1).collect())
    }

    fn plans_request(&self) -> Vec<u8> {
        let path = format!("/api/v1/subscriptions/?enterprise_customer_uuid={}", self.customer.enterprise);
        request("GET", &path, &self.customer.admin(), None)
    }

    /// Requests answered in a second. Each client repeats one of these, as soon as it is answered.
    fn load(&mut self, requests: &[Vec<u8>]) -> f64 {
        let address = self.server.address();
        let start = Instant::now();
        let answers = at_once(requests.len(), |client| {
            let mut connection = Connection::open(&address);
            let mut answers = 0_u32;
            while start.elapsed() < LOAD.1 {
                connection.exchange(&requests[client], 200);
                answers += 1;
            }
            answers
        });
        f64::from(answers.iter().sum::<u32>()) / start.elapsed().as_secs_f64()
    }
}

/// The activation keys of the plan's assigned licenses, by email address.
fn activation_keys(plan: &Plan) -> HashMap<String, String> {
    let text = |value: &Value| value.as_str().expect("an assigned license has an email and a key").to_owned();
    let licenses = plan.licenses("assigned");
    licenses.iter().map(|license| (text(&license["user_email"]), text(&license["activation_key"]))).collect()
}
