//! Pages of lists of licenses, and searches, in plans of several sizes. Half of a plan's licenses are assigned: of ten,
//! five wait for their holder, four are activated and one is revoked.

use std::time::{Duration, Instant};

use license_manager_tests::{Customer, Person, Server};
use serde_json::Value;

use crate::http::{Connection, request};
use crate::measure::{median, time};
use crate::sql::Sql;

/// The sizes of the plans that are measured.
pub const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];

/// The most rounds of each request, and how long they may take if three are done.
const ROUNDS: usize = 15;
const PATIENCE: Duration = Duration::from_secs(3);

/// The most pages that are walked by cursor before the page after them is measured.
const WALK: usize = 200;

/// The lists, each measured at its first and its last page: the name, and the query.
const LISTS: [(&str, &str); 19] = [
    ("usual order", ""),
    ("by status, downwards", "&ordering=-status"),
    ("by email", "&ordering=user_email"),
    ("by email, downwards", "&ordering=-user_email"),
    ("by activation", "&ordering=activation_date"),
    ("by activation, downwards", "&ordering=-activation_date"),
    ("by reminder", "&ordering=last_remind_date"),
    ("by reminder, downwards", "&ordering=-last_remind_date"),
    ("by status and activation", "&ordering=status,-activation_date"),
    ("by activation and email", "&ordering=-activation_date,user_email"),
    ("by activation and reminder", "&ordering=activation_date,last_remind_date"),
    ("by email and activation", "&ordering=user_email,-activation_date"),
    ("by email and reminder", "&ordering=-user_email,last_remind_date"),
    ("by reminder and email", "&ordering=-last_remind_date,user_email"),
    ("by reminder and activation", "&ordering=last_remind_date,-activation_date"),
    ("assigned", "&status=assigned"),
    ("assigned and activated, by email", "&status=assigned,activated&ordering=user_email"),
    ("revoked, by activation", "&status=revoked&ordering=-activation_date"),
    ("without retired", "&ignore_null_emails=1&ordering=user_email"),
];

/// The searches: the name, and the query. The first has one match of a hundred of the assigned licenses.
const SEARCHES: [(&str, &str); 3] = [
    ("a name", "&search=wanda"),
    ("a name, by activation", "&search=wanda&ordering=-activation_date"),
    ("an address", "&search=learner440.wanda"),
];

/// The limit for a page of a list, and for a search.
const LIMIT: Option<Duration> = Some(Duration::from_millis(50));

/// The limit for what shows counts of a plan's licenses.
const LIMIT_OF_COUNTS: Option<Duration> = Some(Duration::from_millis(5));

/// The median time of a request.
pub struct Line {
    pub licenses: usize,
    pub what: String,
    pub time: Duration,
    /// The most that it may be, if there is a limit.
    pub limit: Option<Duration>,
}

/// Makes a plan of each size and measures lists of its licenses, of all that its customer has, and of everybody's.
pub fn run(server: &Server, customer: &Customer, sql: &mut Sql, sizes: &[usize]) -> Vec<Line> {
    let mut lines = Vec::new();
    for &licenses in sizes {
        eprintln!("making a plan of {licenses} licenses");
        let plan = customer.plan(0);
        let took = time(|| sql.fill(&plan.uuid, licenses)).1;
        sql.analyze();
        eprintln!("reading its pages; it took {took:.0?}, and the database has {} MiB", sql.size() / 1_048_576);
        for (what, path) in [
            ("the plan, with its counts", plan.path("")),
            ("its overview", plan.path("licenses/overview/")),
            (
                "the customer's plans",
                format!("/api/v1/subscriptions/?enterprise_customer_uuid={}", customer.enterprise),
            ),
            ("its agreement", format!("/api/v1/customer-agreement/?enterprise_customer_uuid={}", customer.enterprise)),
        ] {
            let time = median_of(server, &request("GET", &path, &customer.admin(), None));
            lines.push(Line { licenses, what: what.to_owned(), time, limit: LIMIT_OF_COUNTS });
        }
        let everybody = Person::new(8, "staff@example.com", "staff").role("enterprise_admin:*");
        let of_plan = Reader { server, person: customer.admin(), path: plan.path("licenses/") };
        let across = |person: Person| Reader { server, person, path: "/api/v1/licenses/".to_owned() };
        // The customer has the plans of the sizes before, too.
        let of_customer = across(customer.admin());
        for (scope, reader) in [("plan", of_plan), ("customer", of_customer), ("all plans", across(everybody))] {
            let mut add = |what: String, time: Duration, limit: Option<Duration>| {
                lines.push(Line { licenses, what: format!("{scope}: {what}"), time, limit });
            };
            for (name, query) in LISTS {
                add(format!("{name}, first page"), reader.time(query), LIMIT);
                add(format!("{name}, last page"), reader.time(&format!("{query}&page=last")), LIMIT);
            }
            for (name, query) in SEARCHES {
                add(format!("search for {name}"), reader.time(query), LIMIT);
            }
            add("page after a cursor".to_owned(), reader.after_cursor(), LIMIT);
            // Pages in the middle of long lists are read by cursor.
            for (name, query) in &LISTS[..3] {
                add(format!("{name}, page in the middle"), reader.middle(query), None);
            }
            add("search for two letters".to_owned(), reader.time("&search=zq"), None);
        }
    }
    lines
}

/// The median time of a request.
fn median_of(server: &Server, request: &[u8]) -> Duration {
    let mut connection = Connection::open(&server.address());
    connection.exchange(request, 200);
    let start = Instant::now();
    let rounds = (0..ROUNDS).take_while(|&round| round < 3 || start.elapsed() < PATIENCE);
    median(rounds.map(|_| time(|| connection.exchange(request, 200).len()).1).collect())
}

/// A person who reads a list.
struct Reader<'a> {
    server: &'a Server,
    person: Person,
    path: String,
}

impl Reader<'_> {
    fn request(&self, query: &str) -> Vec<u8> {
        request("GET", &format!("{}?page_size=100{query}", self.path), &self.person, None)
    }

    fn body(&self, connection: &mut Connection, query: &str) -> Value {
        serde_json::from_slice(connection.exchange(&self.request(query), 200)).expect("the answer is JSON")
    }

    fn time(&self, query: &str) -> Duration {
        median_of(self.server, &self.request(query))
    }

    /// The page in the middle of the list.
    fn middle(&self, query: &str) -> Duration {
        let pages = self.body(&mut Connection::open(&self.server.address()), query)["num_pages"].as_u64();
        self.time(&format!("{query}&page={}", pages.expect("a list has a number of pages").div_ceil(2)))
    }

    /// A page after a cursor.
    fn after_cursor(&self) -> Duration {
        let mut connection = Connection::open(&self.server.address());
        let mut cursor = String::new();
        for _ in 0..WALK {
            let body = self.body(&mut connection, &format!("&cursor={cursor}"));
            match body["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        self.time(&format!("&cursor={cursor}"))
    }
}
