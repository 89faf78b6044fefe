//! A page of the console runs the same number of SQL statements however many rows it shows or acts on.

use actix_web::cookie::Cookie;
use actix_web::http::{Method, StatusCode};
use actix_web::{rt, test, web};
use license_manager::app::app;
use license_manager::console::console;
use license_manager::http::turns::Access;
use license_manager::state::AppState;
use license_manager_adapters::http::{Timeouts, client};
use license_manager_console::Console;
use license_manager_domain::{AgreementId, CustomerId};
use license_manager_tests::{Database, on_both_databases};
use tokio::time::timeout;
use uuid::Uuid;

use super::recorded::{Recorded, assert_as_many, run};
use super::turns::{LONG, SOON, all_turns};

on_both_databases!(
    listing_plans_one_and_twenty,
    looking_at_an_action_on_one_plan_and_twenty,
    listing_renewals_one_and_twenty,
    looking_at_the_processing_of_one_renewal_and_twenty,
    showing_a_customer_with_one_plan_and_twenty,
    the_use_of_a_session_is_noted_once_at_a_time,
    a_session_is_looked_up_while_readers_have_all_their_turns,
);

/// The provisioner among the people of the demo.
const PROVISIONER: &str = "person=3";

/// The address of a page and, if a form is sent there, its fields.
pub type Request<'a> = (&'a str, Option<&'a str>);

/// What it took to answer a request.
#[derive(Debug)]
pub struct Answer {
    pub statements: Vec<String>,
    /// The rows of the page's tables, with their heads.
    pub rows: usize,
    /// Whether it leads to another page, as what was done does.
    pub is_done: bool,
}

/// A service with the console.
pub struct Service {
    state: web::Data<AppState>,
    console: web::Data<Console>,
    pub recorded: Recorded,
}

impl Service {
    pub async fn new(database: Database) -> Self {
        let recorded = Recorded::new(database);
        let state = recorded.state().await;
        let Recorded { config, manager, opened, .. } = &recorded;
        let console = console(config, manager, opened, &state, client(Timeouts::default()).unwrap(), true).unwrap();
        Self { state, console, recorded }
    }

    /// What it takes to answer the requests of somebody who signs in. All of them must succeed.
    pub async fn answers(&self, person: &str, requests: &[Request<'_>]) -> Vec<Answer> {
        let app = test::init_service(app(self.state.clone(), Some(self.console.clone()))).await;
        let sign_in = form("/console/sign-in/demo/", person);
        let response = test::call_service(&app, sign_in.to_request()).await;
        let cookie: Cookie<'static> = response.response().cookies().next().expect("a cookie").into_owned();
        let sessions = test::TestRequest::get().uri("/console/sessions/").cookie(cookie.clone());
        let page = test::call_and_read_body(&app, sessions.to_request()).await;
        let page = String::from_utf8(page.to_vec()).unwrap();
        let token = page.split_once("name=\"form_token\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
        let mut answers = Vec::new();
        for &(path, fields) in requests {
            let request = match fields {
                Some(fields) => form(path, &format!("form_token={token}&{fields}")),
                None => test::TestRequest::default().method(Method::GET).uri(path),
            };
            self.recorded.record();
            let response = test::call_service(&app, request.cookie(cookie.clone()).to_request()).await;
            let status = response.status();
            let statements = self.recorded.statements();
            let page = test::read_body(response).await;
            let is_done = fields.is_some() && status == StatusCode::SEE_OTHER;
            assert!(status.is_success() || is_done, "{path}: {status}: {}", String::from_utf8_lossy(&page));
            let rows = String::from_utf8_lossy(&page).matches("<tr").count();
            answers.push(Answer { statements, rows, is_done });
        }
        answers
    }

    /// The statements of a provisioner's requests.
    async fn statements<const N: usize>(&self, requests: [Request<'_>; N]) -> [Vec<String>; N] {
        let answers = self.answers(PROVISIONER, &requests).await;
        let statements: Vec<_> = answers.into_iter().map(|answer| answer.statements).collect();
        statements.try_into().unwrap()
    }
}

/// A service with two customers: one with a plan and a renewal, one with twenty.
async fn of_one_and_twenty(database: Database) -> (Service, [AgreementId; 2]) {
    let service = Service::new(database).await;
    let agreements = [customer(&service.recorded, 1, 1), customer(&service.recorded, 2, 20)];
    (service, agreements)
}

fn form(path: &str, fields: &str) -> test::TestRequest {
    let request = test::TestRequest::post().uri(path);
    request.insert_header(("Content-Type", "application/x-www-form-urlencoded")).set_payload(fields.to_owned())
}

/// A customer with so many plans, each with a renewal.
pub fn customer(recorded: &Recorded, number: u128, plans: usize) -> AgreementId {
    let agreement = recorded.agreement(CustomerId(Uuid::from_u128(number)), &format!("customer {number}"));
    for plan in 0..plans {
        let plan = recorded.plan(agreement, &format!("plan {plan} of customer {number}"), 2);
        recorded.renewal(plan, None, 5);
    }
    agreement
}

#[track_caller]
fn assert_same([few, many]: [Vec<String>; 2]) {
    assert_as_many(&few, &many);
}

fn listing_plans_one_and_twenty(database: Database) {
    run(async {
        let (service, _) = of_one_and_twenty(database).await;
        let list = |customer: u8| format!("/console/plans/?title=customer+{customer}");
        assert_same(service.statements([(&list(1), None), (&list(2), None)]).await);
    });
}

fn looking_at_an_action_on_one_plan_and_twenty(database: Database) {
    run(async {
        let (service, _) = of_one_and_twenty(database).await;
        let act = "/console/plans/act/";
        let [one, all] = ["act=freeze&all=yes&title=customer+1", "act=freeze&all=yes&title=customer+2"];
        assert_same(service.statements([(act, Some(one)), (act, Some(all))]).await);
    });
}

fn listing_renewals_one_and_twenty(database: Database) {
    run(async {
        let (service, [few, many]) = of_one_and_twenty(database).await;
        let list = |agreement| format!("/console/renewals/?agreement={agreement}");
        assert_same(service.statements([(&list(few), None), (&list(many), None)]).await);
    });
}

fn looking_at_the_processing_of_one_renewal_and_twenty(database: Database) {
    run(async {
        let (service, [few, many]) = of_one_and_twenty(database).await;
        let act = "/console/renewals/act/";
        let all = |agreement| format!("act=process&all=yes&agreement={agreement}");
        let (one, many) = (all(few), all(many));
        assert_same(service.statements([(act, Some(one.as_str())), (act, Some(many.as_str()))]).await);
    });
}

fn showing_a_customer_with_one_plan_and_twenty(database: Database) {
    run(async {
        let (service, [few, many]) = of_one_and_twenty(database).await;
        let show = |agreement| format!("/console/customers/{agreement}/");
        assert_same(service.statements([(&show(few), None), (&show(many), None)]).await);
    });
}

/// Otherwise each page of a session would add one more that waits, as long as writers are held up.
fn the_use_of_a_session_is_noted_once_at_a_time(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let recorded = &service.recorded;
        let app = test::init_service(app(service.state.clone(), Some(service.console.clone()))).await;
        let response = test::call_service(&app, form("/console/sign-in/demo/", PROVISIONER).to_request()).await;
        let cookie: Cookie<'static> = response.response().cookies().next().expect("a cookie").into_owned();
        let is_sqlite = recorded.database.url().starts_with("sqlite:");
        let minutes = if is_sqlite { "120000000" } else { "interval '2 minutes'" };
        recorded.database.execute(&format!("UPDATE console_session SET last_used = last_used - {minutes}"));
        let turns = all_turns(&service.state.turns, Access::Write).await;
        recorded.record();
        for _ in 0..3 {
            let page = test::TestRequest::get().uri("/console/sessions/").cookie(cookie.clone());
            assert_eq!(test::call_service(&app, page.to_request()).await.status(), StatusCode::OK);
        }
        drop(turns);
        rt::time::sleep(4 * SOON).await;
        let statements = recorded.whole_statements();
        let notes = |statement: &&String| statement.starts_with("UPDATE") && statement.contains("console_session");
        assert_eq!(statements.iter().filter(notes).count(), 1, "{statements:#?}");
    });
}

/// Otherwise those who want to write would wait for slow reads.
fn a_session_is_looked_up_while_readers_have_all_their_turns(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let app = test::init_service(app(service.state.clone(), Some(service.console.clone()))).await;
        let response = test::call_service(&app, form("/console/sign-in/demo/", PROVISIONER).to_request()).await;
        let cookie: Cookie<'static> = response.response().cookies().next().expect("a cookie").into_owned();
        let _reading = all_turns(&service.state.turns, Access::Read).await;
        for (request, status) in [
            // A form without its token.
            (form("/console/sign-out/", ""), StatusCode::BAD_REQUEST),
            (test::TestRequest::get().uri("/logout/"), StatusCode::OK),
        ] {
            let answering = test::call_service(&app, request.cookie(cookie.clone()).to_request());
            assert_eq!(timeout(LONG, answering).await.expect("it waits for nobody").status(), status);
        }
    });
}
