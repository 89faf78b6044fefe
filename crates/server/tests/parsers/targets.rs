//! What is fuzzed. Each function takes any bytes, and panics if the service breaks a promise.

use std::cell::OnceCell;
use std::sync::Arc;

use actix_web::body::to_bytes;
use actix_web::cookie::Cookie;
use actix_web::dev::Service;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, Uri};
use actix_web::rt::{System, SystemRunner};
use actix_web::test::{TestRequest, init_service};
use actix_web::web;
use chrono::{DateTime, TimeDelta, Utc};
use license_manager::app::app;
use license_manager::auth::TokenVerifier;
use license_manager::auth::mint::DevelopmentToken;
use license_manager::config::Config;
use license_manager::database::{Database, seed_products};
use license_manager::http::Query;
use license_manager::http::page::PageRequest;
use license_manager::state::AppState;
use license_manager::system::SystemClock;
use license_manager::telemetry::metrics::Metrics;
use license_manager::telemetry::monitor::Monitor;
use license_manager_domain::Email;
use license_manager_domain::model::results_with_normal_addresses;
use license_manager_domain::operations::CronExpression;
use license_manager_domain::ports::Clock;
use tokio::sync::Notify;

const SECRET: &str = "the-secret-of-the-fuzzed-service-0123456789";

/// A moment at which nothing in particular happens.
const NOW: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).expect("a moment");

fn config(settings: &[(&str, &str)]) -> Config {
    let secret = [("LM_AUTH__HS256_SECRET", SECRET), ("LM_THROTTLE__ENABLED", "false")];
    let settings = secret.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(None, settings).expect("the settings are valid")
}

/// Nobody without the secret has a valid token.
pub fn token(bytes: &[u8]) {
    thread_local! {
        static VERIFIER: OnceCell<(SystemRunner, TokenVerifier)> = const { OnceCell::new() };
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    VERIFIER.with(|verifier| {
        let (system, verifier) = verifier.get_or_init(|| {
            let system = System::new();
            let verifier = system.block_on(TokenVerifier::from_config(&config(&[]).auth));
            (system, verifier.expect("the secret is a key"))
        });
        let verified = system.block_on(verifier.verify(text, NOW));
        assert!(verified.is_err(), "{verified:?}");
    });
}

/// A query is read without a panic, and its page lies in bounds.
pub fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let query = Query::parse(text);
    let _ = (query.customer(), query.flag("flag"), query.uuid("subscription_uuid"));
    let page = PageRequest::from_query(&query, 500);
    assert!((1..=500).contains(&page.size()), "{page:?}");
    if let Ok(page) = page.resolve(1_000_000) {
        assert!(page.offset() < 1_000_000 && page.limit() <= 500, "{page:?}");
    }
}

/// The normal form of an address is its own normal form.
pub fn email(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(email) = text.parse::<Email>() {
        assert_eq!(email.as_str().parse::<Email>(), Ok(email.clone()));
        assert!(email.as_smtp().is_ascii() && !email.as_str().contains(['\r', '\n', '\0']), "{email:?}");
    }
}

/// A cron expression is due in the future, again and again.
pub fn cron(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(expression) = text.parse::<CronExpression>() {
        let mut moment = NOW;
        for _ in 0..3 {
            let Some(next) = expression.next_after(moment) else { return };
            assert!(next > moment && next < moment + TimeDelta::days(366 * 41), "{expression}: {next}");
            moment = next;
        }
    }
}

/// Results with normal addresses stay as they are.
pub fn results(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(normal) = results_with_normal_addresses(text) {
        assert_eq!(results_with_normal_addresses(&normal), None, "{normal:?}");
    }
}

/// A request as text: a line with the method and the target, lines with headers, an empty line, and the body. `Admin:`
/// stands for the token of somebody who may do everything, `Cookie:` is sent as it is.
///
/// No request is an error of the server.
pub fn request(bytes: &[u8]) {
    let Some(request) = parsed(bytes) else { return };
    thread_local! {
        static SERVICE: OnceCell<(SystemRunner, web::Data<AppState>, tempfile::TempDir)> = const { OnceCell::new() };
    }
    SERVICE.with(|service| {
        let (system, state, _) = service.get_or_init(started);
        system.block_on(async {
            let app = init_service(app(state.clone(), None)).await;
            if let Ok(answer) = app.call(request.to_request()).await {
                let (status, body) = (answer.status(), to_bytes(answer.into_body()).await);
                let body = body.map(|body| String::from_utf8_lossy(&body).into_owned()).unwrap_or_default();
                assert!(!status.is_server_error(), "{status}: {body}");
            }
        });
    });
}

/// A service with an empty database, and the folder of the database.
fn started() -> (SystemRunner, web::Data<AppState>, tempfile::TempDir) {
    let (system, folder) = (System::new(), tempfile::tempdir().expect("a folder"));
    let url = format!("sqlite:{}", folder.path().join("fuzz.db").display());
    let config = config(&[("DATABASE_URL", &url)]);
    let database = Arc::new(Database::open(&config).expect("the database opens"));
    database.migrate().expect("the database is migrated");
    let manager = database.manager(&config);
    seed_products(&manager).expect("the products are stored");
    let metrics = Arc::new(Metrics::new().expect("the metrics are valid"));
    let monitor = Monitor::new(&config, metrics, database, manager.clone());
    monitor.started();
    let state = AppState::new(&config, manager, Arc::new(monitor), Arc::new(Notify::new()));
    let state = system.block_on(state).expect("the secret is a key");
    (system, web::Data::new(state), folder)
}

/// The token of somebody who may do everything.
fn admin() -> String {
    let token = DevelopmentToken {
        user_id: 1,
        email: "admin@example.com".to_owned(),
        username: "admin".to_owned(),
        roles: vec!["enterprise_provisioning_admin:*".to_owned(), "enterprise_admin:*".to_owned()],
        is_staff: true,
        lifetime_seconds: 86_400,
    };
    token.mint(&config(&[]).auth, SystemClock.now()).expect("the secret is set")
}

fn parsed(bytes: &[u8]) -> Option<TestRequest> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let target: Uri = target.parse().ok().filter(|target: &Uri| target.path().starts_with('/'))?;
    let mut request =
        TestRequest::default().method(Method::from_bytes(method.as_bytes()).ok()?).uri(&target.to_string());
    for line in lines {
        let (name, value) = line.split_once(':')?;
        request = match name {
            "Admin" => request.insert_header(("Authorization", format!("JWT {}", admin()))),
            "Cookie" => value
                .split(';')
                .filter_map(|one| Cookie::parse(one.trim().to_owned()).ok())
                .fold(request, TestRequest::cookie),
            name => {
                let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
                request.insert_header((name, HeaderValue::from_bytes(value.trim().as_bytes()).ok()?))
            }
        };
    }
    Some(request.set_payload(bytes.get(end + 2..).unwrap_or_default().to_vec()))
}
