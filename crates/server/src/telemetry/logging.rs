//! Sets up the log, and writes one line per request.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, web};
use license_manager_domain::ports::IdSource as _;
use tracing::{Instrument, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{LogFormat, LoggingConfig};
use crate::system::RandomIds;
use crate::telemetry::monitor::{Monitor, Phase, is_health_check};
use crate::telemetry::traces;

/// The header with a request's id, in requests and answers.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

const REQUEST_ID_LIMIT: usize = 128;

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is invalid.
    #[error("logging.filter: {0}")]
    Filter(String),
    /// Another logger is already installed in this process.
    #[error("the log is set up already")]
    AlreadySetUp,
}

/// Sends this process's log to standard error, as configured.
///
/// # Errors
/// See [`LoggingError`]. A filter from [`crate::config::Config::load`] is valid.
pub fn init(config: &LoggingConfig) -> Result<(), LoggingError> {
    subscriber(config, std::io::stderr, std::io::stderr().is_terminal())?
        .try_init()
        .map_err(|_| LoggingError::AlreadySetUp)
}

fn subscriber<W>(
    config: &LoggingConfig,
    writer: W,
    colored: bool,
) -> Result<impl Subscriber + Send + Sync + use<W>, LoggingError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = with_quiet_targets(&config.filter);
    let filter = EnvFilter::try_new(filter).map_err(|error| LoggingError::Filter(error.to_string()))?;
    let lines = tracing_subscriber::fmt::layer().with_ansi(colored);
    let lines = match config.format {
        LogFormat::Text => lines.with_writer(OneLine { to: writer, colored }).boxed(),
        LogFormat::Json => lines.with_writer(writer).json().flatten_event(true).with_span_list(false).boxed(),
    };
    Ok(tracing_subscriber::registry().with(filter).with(lines))
}

/// Targets that write a line for what others send, with the level from which on their lines are logged unless the filter
/// names them: actix calls it an error of the server when a client sends something that is not HTTP, and the parser of
/// HTML warns of every mistake in a text.
const QUIET: [(&str, &str); 2] = [("actix_http", "off"), ("html5ever", "error")];

/// The filter without the lines of [`QUIET`] targets.
fn with_quiet_targets(filter: &str) -> String {
    let quiet = QUIET.iter().filter(|(target, _)| !filter.contains(target));
    quiet.fold(filter.to_owned(), |filter, (target, level)| format!("{filter},{target}={level}"))
}

/// Writes each event as one line. An event may quote what others sent, and a line break in it would look like the end
/// of the line. The JSON format escapes line breaks itself.
struct OneLine<W> {
    to: W,
    /// Whether events have escape sequences of their own.
    colored: bool,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for OneLine<W> {
    type Writer = OneLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLine { to: self.to.make_writer(), colored: self.colored }
    }
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let stays = |c: char| c == '\t' || (c == '\x1b' && self.colored);
        let breaks = |c: char| (c.is_control() && !stays(c)) || matches!(c, '\u{2028}' | '\u{2029}');
        if !line.contains(breaks) {
            return self.to.write_all(event).map(|()| event.len());
        }
        let mut escaped = String::with_capacity(line.len() + 16);
        for c in line.chars() {
            if breaks(c) { escaped.extend(c.escape_default()) } else { escaped.push(c) }
        }
        escaped.push('\n');
        self.to.write_all(escaped.as_bytes()).map(|()| event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A request's id: the client's if it is valid, otherwise a new UUID. [`request_log`] stores it in the request's
/// extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The client's id, if it is 1 to 128 ASCII letters, digits and characters of `-_.:/+=`: safe in a header and in
    /// a log line, where spaces, quotes and braces separate fields.
    fn sent(headers: &HeaderMap) -> Option<Self> {
        let id = headers.get(REQUEST_ID_HEADER)?.as_bytes();
        let is_safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
        let sane = (1..=REQUEST_ID_LIMIT).contains(&id.len()) && id.iter().all(is_safe);
        sane.then(|| Self(String::from_utf8_lossy(id).into_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Middleware for `from_fn`, outermost: assigns the [`RequestId`], logs one line per answered request, and sends the id
/// back in the answer. The line of a health check that goes as planned is for debugging: probes ask every few seconds.
/// Log lines written during the request carry a span with the id, the method, the route and, if
/// recorded, the trace. The route is the pattern: paths and queries may hold an email address.
pub async fn request_log(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let start = Instant::now();
    let id = RequestId::sent(request.headers()).unwrap_or_else(|| RequestId(RandomIds.next().to_string()));
    let route = request.match_pattern();
    let span = tracing::info_span!(
        "request",
        request_id = %id,
        method = %request.method(),
        route = route.as_deref().unwrap_or("unmatched"),
        trace_id = tracing::field::Empty,
    );
    if let Some(trace_id) = traces::current_trace_id() {
        span.record("trace_id", trace_id);
    }
    request.extensions_mut().insert(id.clone());
    let is_check = is_health_check(request.path());
    let monitor = request.app_data::<web::Data<Monitor>>().cloned();

    let answer = next.call(request).instrument(span.clone()).await;
    let _entered = span.entered();
    let phase = monitor.map_or(Phase::Running, |monitor| monitor.phase());
    let is_planned = |status| is_check && goes_as_planned(status, phase);
    match answer {
        Ok(mut response) => {
            log_answer(response.status(), is_planned(response.status()), start);
            echo(&id, response.headers_mut());
            Ok(response)
        }
        // actix turns a middleware's error into an answer only outside of this one, so do it here to log it.
        Err(error) => {
            let mut response = error.error_response();
            log_answer(response.status(), is_planned(response.status()), start);
            echo(&id, response.headers_mut());
            Err(InternalError::from_response(error, response).into())
        }
    }
}

/// Whether a health check with this status tells nothing new. A process that starts or stops is expected to be not ready.
fn goes_as_planned(status: StatusCode, phase: Phase) -> bool {
    status.is_success() || (phase != Phase::Running && status == StatusCode::SERVICE_UNAVAILABLE)
}

fn log_answer(status: StatusCode, is_planned: bool, start: Instant) {
    let latency_ms = start.elapsed().as_micros() as f64 / 1000.0;
    let status_code = status.as_u16();
    if is_planned {
        tracing::debug!(status = status_code, latency_ms, "health check answered");
    } else if status.is_server_error() {
        tracing::error!(status = status_code, latency_ms, "request failed");
    } else {
        tracing::info!(status = status_code, latency_ms, "request answered");
    }
}

fn echo(id: &RequestId, headers: &mut HeaderMap) {
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID_HEADER, value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service, try_call_service};
    use actix_web::{App, HttpRequest, HttpResponse};
    use serde_json::Value;
    use tracing::instrument::WithSubscriber;

    use super::*;

    /// Collects log lines.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }

        fn json(&self) -> Vec<Value> {
            self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn config(format: LogFormat, filter: &str) -> LoggingConfig {
        LoggingConfig { format, filter: filter.to_owned() }
    }

    async fn plan(request: HttpRequest) -> HttpResponse {
        let id = request.extensions().get::<RequestId>().cloned();
        tracing::info!("in the handler");
        HttpResponse::Ok().body(id.map(|id| id.to_string()).unwrap_or_default())
    }

    async fn broken() -> HttpResponse {
        HttpResponse::InternalServerError().finish()
    }

    async fn refusing(
        _: ServiceRequest,
        _: Next<actix_web::body::BoxBody>,
    ) -> Result<ServiceResponse<actix_web::body::BoxBody>, Error> {
        Err(actix_web::error::ErrorForbidden("no"))
    }

    /// The answer's status, its X-Request-ID and the log lines of the request.
    async fn answer(request: TestRequest) -> (StatusCode, String, Lines) {
        answer_filtered("info", request).await
    }

    async fn answer_filtered(filter: &str, request: TestRequest) -> (StatusCode, String, Lines) {
        let lines = Lines::default();
        let log = lines.clone();
        let subscriber = subscriber(&config(LogFormat::Json, filter), move || log.clone(), false).unwrap();
        let answered = async {
            let app = init_service(
                App::new()
                    .route("/plans/{plan}/", web::get().to(plan))
                    .route("/broken/", web::get().to(broken))
                    .route("/health/live/", web::get().to(plan))
                    .route("/health/ready/", web::get().to(broken))
                    .service(web::scope("/closed").wrap(from_fn(refusing)).route("/", web::get().to(plan)))
                    .wrap(from_fn(request_log)),
            )
            .await;
            match try_call_service(&app, request.to_request()).await {
                Ok(response) => response.map_into_boxed_body().into_parts().1,
                Err(error) => error.error_response(),
            }
        };
        let response = answered.with_subscriber(subscriber).await;
        let id = response.headers().get(REQUEST_ID_HEADER).unwrap().to_str().unwrap().to_owned();
        (response.status(), id, lines)
    }

    #[actix_web::test]
    async fn a_request_leaves_one_line_with_its_id_route_status_and_latency() {
        let request =
            TestRequest::with_uri("/plans/7/?user_email=ada@example.com").insert_header(("X-Request-ID", "abc-1"));
        let (status, id, lines) = answer(request).await;
        assert_eq!((status, id.as_str()), (StatusCode::OK, "abc-1"));
        let logged = lines.json();
        let [inside, end] = logged.as_slice() else { panic!("{logged:?}") };
        assert_eq!(inside["span"]["request_id"], "abc-1");
        assert_eq!(end["span"]["request_id"], "abc-1");
        assert_eq!(end["span"]["method"], "GET");
        assert_eq!(end["span"]["route"], "/plans/{plan}/");
        assert_eq!(end["status"], 200);
        assert_eq!(end["level"], "INFO");
        assert!(end["latency_ms"].as_f64().unwrap() >= 0.0);
        assert!(!lines.text().contains("example.com"), "{}", lines.text());
    }

    #[actix_web::test]
    async fn a_request_without_a_valid_id_gets_a_new_one() {
        let long = "x".repeat(129);
        let mut ids = std::collections::HashSet::new();
        for sent in
            [None, Some(""), Some("two words"), Some("caf\u{e9}"), Some("a}:b"), Some("a\",b"), Some(long.as_str())]
        {
            let mut request = TestRequest::with_uri("/plans/7/");
            if let Some(sent) = sent {
                let value = HeaderValue::from_bytes(sent.as_bytes()).unwrap();
                request = request.insert_header((REQUEST_ID_HEADER, value));
            }
            let (_, id, _) = answer(request).await;
            assert!(uuid::Uuid::parse_str(&id).is_ok(), "{id}");
            assert!(ids.insert(id));
        }
        let longest = "x".repeat(128);
        let request = TestRequest::with_uri("/plans/7/").insert_header(("X-Request-ID", longest.as_str()));
        assert_eq!(answer(request).await.1, longest);
    }

    #[actix_web::test]
    async fn handlers_find_the_id_in_the_request() {
        let app =
            init_service(App::new().route("/plans/{plan}/", web::get().to(plan)).wrap(from_fn(request_log))).await;
        let request = TestRequest::with_uri("/plans/7/").insert_header(("X-Request-ID", "abc-2")).to_request();
        let body = actix_web::test::read_body(call_service(&app, request).await).await;
        assert_eq!(body, "abc-2");
    }

    #[actix_web::test]
    async fn errors_of_every_origin_carry_the_id_and_are_logged() {
        for (path, status, route, level) in [
            ("/nowhere/ada@example.com", 404, "unmatched", "INFO"),
            ("/broken/", 500, "/broken/", "ERROR"),
            ("/closed/", 403, "/closed/", "INFO"),
        ] {
            let (answered, id, lines) =
                answer(TestRequest::with_uri(path).insert_header(("X-Request-ID", "abc-3"))).await;
            assert_eq!((answered.as_u16(), id.as_str()), (status, "abc-3"), "{path}");
            let logged = lines.json();
            let [end] = logged.as_slice() else { panic!("{logged:?}") };
            assert_eq!((&end["status"], &end["level"]), (&Value::from(status), &Value::from(level)));
            assert_eq!(end["span"]["route"], route);
            assert!(!lines.text().contains("example.com"), "{}", lines.text());
        }
    }

    #[actix_web::test]
    async fn health_checks_are_logged_when_they_fail() {
        let levels = async |filter: &str, path: &str| {
            let (_, _, lines) = answer_filtered(filter, TestRequest::with_uri(path)).await;
            let logged = lines.json().into_iter().filter(|line| line.get("status").is_some());
            logged.map(|line| line["level"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let no_line: [&str; 0] = [];
        assert_eq!(levels("info", "/health/live/").await, no_line);
        assert_eq!(levels("debug", "/health/live/").await, ["DEBUG"]);
        assert_eq!(levels("info", "/health/ready/").await, ["ERROR"]);
        assert_eq!(levels("info", "/plans/7/").await, ["INFO"]);
        for (status, phase, expected) in [
            (StatusCode::OK, Phase::Running, true),
            (StatusCode::SERVICE_UNAVAILABLE, Phase::Starting, true),
            (StatusCode::SERVICE_UNAVAILABLE, Phase::Running, false),
            (StatusCode::SERVICE_UNAVAILABLE, Phase::Stopping, true),
            (StatusCode::INTERNAL_SERVER_ERROR, Phase::Stopping, false),
        ] {
            assert_eq!(goes_as_planned(status, phase), expected, "{status}, {phase:?}");
        }
    }

    #[test]
    fn the_filter_decides_what_is_logged_and_the_format_how() {
        let logged = |format, filter: &str| {
            let lines = Lines::default();
            let log = lines.clone();
            let subscriber = subscriber(&config(format, filter), move || log.clone(), false).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                tracing::info!(plans = 3, "quiet");
                tracing::warn!(plans = 4, "loud");
            });
            lines.text()
        };
        let text = logged(LogFormat::Text, "warn");
        assert!(text.contains("loud plans=4") && !text.contains("quiet"), "{text}");
        let json: Value = serde_json::from_str(logged(LogFormat::Json, "warn").trim()).unwrap();
        assert_eq!((&json["message"], &json["plans"]), (&Value::from("loud"), &Value::from(4)));
        assert!(subscriber(&config(LogFormat::Text, "a=b=c"), std::io::sink, false).is_err());
    }

    #[test]
    fn what_others_sent_cannot_begin_a_line() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let lines = Lines::default();
            let log = lines.clone();
            let subscriber = subscriber(&config(format, "info"), move || log.clone(), false).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                let name = "Acme\r\n2026-01-01T00:00:00Z ERROR forged\u{2028}\u{85}\x1b[31m";
                let _span = tracing::info_span!("customer", %name).entered();
                tracing::info!(%name, also = ?name, "told {name}");
            });
            let text = lines.text();
            assert!(text.ends_with('\n') && text.matches(['\n', '\r']).count() == 1, "{format:?}: {text:?}");
            // JSON has no other line breaks.
            assert!(format == LogFormat::Json || !text.contains(['\u{2028}', '\u{85}']), "{text:?}");
            assert!(!text.contains('\x1b'), "{format:?}: {text:?}");
        }
    }

    #[test]
    fn what_others_send_is_logged_only_on_demand() {
        assert_eq!(with_quiet_targets("info"), "info,actix_http=off,html5ever=error");
        assert_eq!(with_quiet_targets("info,actix_http=debug"), "info,actix_http=debug,html5ever=error");
        assert_eq!(with_quiet_targets("html5ever=warn"), "html5ever=warn,actix_http=off");
        assert_eq!(with_quiet_targets(""), ",actix_http=off,html5ever=error");
        assert!(EnvFilter::try_new(with_quiet_targets("")).is_ok());
    }
}
