use std::time::{Duration, Instant};

use actix_web::ResponseError;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::test::TestRequest;
use license_manager::auth::AccessToken;
use license_manager::auth::throttle::Throttle;
use license_manager::config::ThrottleConfig;

/// A throttle with its own clock.
struct Clocked {
    throttle: Throttle,
    now: Instant,
}

impl Clocked {
    fn new(config: ThrottleConfig) -> Self {
        Self { throttle: Throttle::new(&config, false), now: Instant::now() }
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    /// How many requests are admitted now, and after how many seconds the next one will be.
    fn admits(&self, user: Option<&AccessToken>, peer: &str) -> (usize, u64) {
        let peer = format!("{peer}:1000").parse().unwrap();
        let request = TestRequest::default().peer_addr(peer).to_http_request();
        for admitted in 0..10_000 {
            if let Err(error) = self.throttle.admit(&request, user, self.now) {
                let response = error.error_response();
                assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
                let seconds = response.headers().get(RETRY_AFTER).unwrap().to_str().unwrap();
                return (admitted, seconds.parse().unwrap());
            }
        }
        (10_000, 0)
    }
}

fn user(name: &str, id: i64) -> AccessToken {
    AccessToken {
        username: name.to_owned(),
        email: None,
        email_is_verified: true,
        lms_user_id: Some(id),
        is_staff: false,
        roles: Vec::new(),
    }
}

const PEER: &str = "192.0.2.1";

#[test]
fn a_user_has_so_many_requests_a_second_and_so_many_a_minute() {
    let mut clocked = Clocked::new(ThrottleConfig::default());
    let amy = user("amy", 7);
    for _ in 0..19 {
        assert_eq!(clocked.admits(Some(&amy), PEER), (18, 1));
        clocked.pass(1000);
    }
    assert_eq!(clocked.admits(Some(&amy), PEER), (18, 41), "20 times 18 are the minute's 360");
    clocked.pass(1000);
    assert_eq!(clocked.admits(Some(&amy), PEER), (0, 40), "the minute's requests are used up");
    clocked.pass(39_999);
    assert_eq!(clocked.admits(Some(&amy), PEER), (0, 1), "whole seconds, rounded up");
    clocked.pass(1);
    assert_eq!(clocked.admits(Some(&amy), PEER), (18, 1));
}

#[test]
fn no_minute_exceeds_its_limit_wherever_it_starts() {
    let mut clocked = Clocked::new(ThrottleConfig { anonymous_per_minute: 10, ..ThrottleConfig::default() });
    clocked.pass(50_000);
    assert_eq!(clocked.admits(None, PEER), (10, 60));
    clocked.pass(59_999);
    assert_eq!(clocked.admits(None, PEER), (0, 1));
    clocked.pass(1);
    assert_eq!(clocked.admits(None, PEER), (10, 60));
}

#[test]
fn callers_are_counted_separately() {
    let config = ThrottleConfig { anonymous_per_minute: 3, user_per_minute: 5, ..ThrottleConfig::default() };
    let clocked = Clocked::new(config);
    assert_eq!(clocked.admits(Some(&user("amy", 7)), PEER).0, 5);
    assert_eq!(clocked.admits(Some(&user("bob", 8)), PEER).0, 5);
    assert_eq!(clocked.admits(None, PEER).0, 3);
    assert_eq!(clocked.admits(None, "192.0.2.2").0, 3);
    assert_eq!(clocked.admits(None, "[2001:db8:1:2::3]").0, 3);
    assert_eq!(clocked.admits(None, "[2001:db8:1:2:ffff::4]").0, 0, "the same network of a customer");
    assert_eq!(clocked.admits(None, "[2001:db8:1:3::3]").0, 3);
    assert_eq!(clocked.admits(None, "[::ffff:192.0.2.2]").0, 0, "an IPv4 address in other clothes");
}

#[test]
fn exempt_users_have_no_limit_and_without_the_setting_nobody_has_one() {
    let limited = ThrottleConfig { user_per_minute: 1, exempt_user_ids: vec![7], ..ThrottleConfig::default() };
    let clocked = Clocked::new(limited.clone());
    assert_eq!(clocked.admits(Some(&user("amy", 7)), PEER).0, 10_000);
    assert_eq!(clocked.admits(Some(&user("bob", 8)), PEER).0, 1);
    let open = Clocked::new(ThrottleConfig { enabled: false, ..limited });
    assert_eq!(open.admits(Some(&user("bob", 8)), PEER).0, 10_000);
    assert_eq!(open.admits(None, PEER).0, 10_000);
}

#[test]
fn a_forwarded_address_counts_only_where_a_proxy_is_trusted() {
    let config = ThrottleConfig { anonymous_per_minute: 1, ..ThrottleConfig::default() };
    let from = |throttle: &Throttle, forwarded: &'static str| {
        let peer = "127.0.0.1:1000".parse().unwrap();
        let request = TestRequest::default().peer_addr(peer).insert_header(("X-Forwarded-For", forwarded));
        throttle.admit(&request.to_http_request(), None, Instant::now()).is_ok()
    };
    let trusting = Throttle::new(&config, true);
    assert!(from(&trusting, "192.0.2.1"));
    assert!(!from(&trusting, "198.51.100.7, 192.0.2.1"), "what the client itself wrote does not count");
    assert!(from(&trusting, "192.0.2.1, 198.51.100.7"));
    for same in ["192.0.2.1:4711", "192.0.2.1:9"] {
        assert!(!from(&trusting, same), "a port is not a caller of its own");
    }
    assert!(from(&trusting, "[2001:db8::1]:4711"));
    for same in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:9"] {
        assert!(!from(&trusting, same), "{same}");
    }
    assert!(from(&trusting, "nonsense"), "then the peer counts");
    assert!(!from(&trusting, "more nonsense"));
    let wary = Throttle::new(&config, false);
    assert!(from(&wary, "192.0.2.1"));
    assert!(!from(&wary, "192.0.2.2"));
}
