use actix_web::http::Method;
use actix_web::test::TestRequest;
use license_manager::auth::csrf;
use license_manager::config::Config;
use license_manager::state::BrowserPolicy;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const PORTAL: &str = "https://portal.example.com";

fn check(change: impl FnOnce(TestRequest) -> TestRequest) -> bool {
    let request = TestRequest::with_uri("/api/v1/x/").insert_header(("Host", "licenses.example.com"));
    let mut config = Config::default();
    config.server.allowed_origins = vec![PORTAL.to_owned()];
    let browser = BrowserPolicy::from_config(&config);
    csrf::check(&change(request.method(Method::POST)).to_http_request(), &browser).is_ok()
}

fn with_token(request: TestRequest) -> TestRequest {
    request
        .insert_header(("Cookie", format!("license_manager_csrftoken={TOKEN}")))
        .insert_header(("X-CSRFToken", TOKEN))
}

#[test]
fn a_safe_method_needs_no_csrf_token() {
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        assert!(check(|request| request.method(method).insert_header(("Origin", "https://evil.example.com"))));
    }
}

#[test]
fn cookie_and_header_hold_the_same_token() {
    assert!(check(with_token));
    let cookie = |value: &str| ("Cookie", format!("license_manager_csrftoken={value}"));
    assert!(!check(|request| request));
    assert!(!check(|request| request.insert_header(cookie(TOKEN))));
    assert!(!check(|request| request.insert_header(("X-CSRFToken", TOKEN))));
    assert!(!check(|request| with_token(request).insert_header(("X-CSRFToken", &TOKEN[1..]))));
    for same in ["", "short", &TOKEN.replace('0', "-")] {
        assert!(!check(|request| request.insert_header(cookie(same)).insert_header(("X-CSRFToken", same))), "{same}");
    }
}

#[test]
fn the_page_belongs_to_the_server_or_to_an_allowed_application() {
    let from = |origin: &'static str| check(|request| with_token(request).insert_header(("Origin", origin)));
    assert!(from("http://licenses.example.com"));
    assert!(from(PORTAL));
    for origin in [
        "https://licenses.example.com",
        "http://licenses.example.com:8080",
        "http://portal.example.com",
        "https://portal.example.com.evil.example.com",
        "https://evil.example.com",
        "null",
        "",
    ] {
        assert!(!from(origin), "{origin}");
    }
}

#[test]
fn over_https_the_referer_replaces_a_missing_origin() {
    let over_https = |referer: Option<&'static str>| {
        check(|request| {
            let request = with_token(request).insert_header(("X-Forwarded-Proto", "https"));
            match referer {
                Some(referer) => request.insert_header(("Referer", referer)),
                None => request,
            }
        })
    };
    assert!(over_https(Some("https://licenses.example.com/api-docs/?page=1")));
    assert!(over_https(Some("https://portal.example.com/acme/admin")));
    assert!(!over_https(Some("http://licenses.example.com/")));
    assert!(!over_https(Some("https://evil.example.com/https://portal.example.com")));
    assert!(!over_https(Some("")));
    assert!(!over_https(None));
}
