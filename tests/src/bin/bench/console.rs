//! Pages of the console, beside plans of several sizes: how long a page takes, and its size on the way.

use std::time::Duration;

use chrono::Utc;
use license_manager_tests::{Customer, FakeIdentityProvider, Person, Plan, Server, Visit, text};
use serde_json::json;

use crate::http::Connection;
use crate::measure::{median, time};
use crate::sql::Sql;

/// The rounds of each page.
const ROUNDS: usize = 15;

/// The longest that a page may take.
pub const LIMIT: Duration = Duration::from_millis(100);

/// The most bytes that a page may have on the way, without its stylesheet.
pub const LIMIT_OF_BYTES: usize = 100 * 1024;

/// The median time of a page.
pub struct Line {
    pub licenses: usize,
    pub path: String,
    pub time: Duration,
    /// As the browser receives it, compressed if the server does so.
    pub bytes: usize,
}

/// Everybody's pages.
const PAGES: [&str; 25] = [
    "/console/",
    "/console/search/?q=learner440.wanda",
    "/console/search/?q=wanda",
    "/console/customers/",
    "/console/customers/?order=-created",
    "/console/plans/",
    "/console/plans/?title=plan&order=-expiration_date",
    "/console/renewals/",
    "/console/transfers/",
    "/console/operations/",
    "/console/operations/webhooks/",
    "/console/operations/schedule/",
    "/console/operations/jobs/",
    "/console/operations/enrollments/",
    "/console/operations/actions/",
    "/console/records/",
    "/console/records/plan-types/",
    "/console/records/roles/",
    "/console/records/users/",
    "/console/records/users/one/?name=staff",
    "/console/records/opportunities/",
    "/console/records/notifications/",
    "/console/records/license-events/",
    "/console/sessions/",
    "/console/people/?email=learner440.wanda@company52.example.com",
];

/// Pages of one plan, below its own address.
const OF_PLAN: [&str; 11] = [
    "",
    "?state=assigned&order=email",
    "?state=all&order=activated",
    "?email=wanda",
    "?email=learner440.wanda",
    "as-of/?at=NOW",
    "assign/",
    "edit/",
    "revert/",
    "utilization/",
    "history/",
];

/// The settings of the server.
pub fn settings(provider: &str) -> Vec<(&'static str, &str)> {
    let mut settings = Visit::settings(provider).to_vec();
    settings.push(("LM_WORKER__ENABLED", "false"));
    settings
}

/// Makes a plan of each size and measures the pages.
pub fn run(
    server: &Server,
    provider: &FakeIdentityProvider,
    customer: &Customer,
    sql: &mut Sql,
    sizes: &[usize],
) -> Vec<Line> {
    let person = Person::new(5, "staff@example.com", "staff").claim("administrator", json!(true));
    provider.set_person(Some(person));
    let mut visit = Visit::new(server);
    visit.sign_in();
    let mut lines = Vec::new();
    for &licenses in sizes {
        eprintln!("making a plan of {licenses} licenses");
        let plan = customer.plan(0);
        sql.fill(&plan.uuid, licenses);
        sql.analyze();
        eprintln!("reading pages of the console; the database has {} MiB", sql.size() / 1_048_576);
        let license = one_license(&plan);
        let own = OF_PLAN.map(|path| format!("/console/plans/{}/{path}", plan.uuid));
        let of_license = ["", "edit/"].map(|path| format!("/console/licenses/{license}/{path}"));
        let of_customer = format!("/console/customers/{}/", customer.agreement);
        let pages = PAGES.into_iter().map(str::to_owned).chain(own).chain(of_license).chain([of_customer]);
        let now = Utc::now().format("%Y-%m-%dT%H:%M:%S").to_string();
        for path in pages.map(|path| path.replace("NOW", &now)) {
            let mut connection = Connection::open(&server.address());
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\nCookie: {}\r\n\r\n",
                visit.cookie_header()
            );
            let bytes = connection.exchange(request.as_bytes(), 200).len();
            let rounds = (0..ROUNDS).map(|_| time(|| connection.exchange(request.as_bytes(), 200).len()).1);
            let time = median(rounds.collect());
            let path = path.replace(&plan.uuid, "PLAN").replace(&license, "LICENSE");
            lines.push(Line { licenses, path: path.replace(&customer.agreement, "CUSTOMER"), time, bytes });
        }
    }
    lines
}

/// The id of a license of the plan.
fn one_license(plan: &Plan) -> String {
    let page = plan.admin.get(&plan.path("licenses/?page_size=1&status=activated")).expect(200);
    text(&page["results"][0]["uuid"])
}
