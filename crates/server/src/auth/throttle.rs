//! Rate limits per caller.
//!
//! A limit holds for every window of its length, wherever it starts: the times of each caller's admitted requests of
//! the last minute are kept. Refused requests do not count. Memory grows with the requests of the last two minutes: 8
//! bytes each, and about 100 per caller.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::http::StatusCode;

use crate::auth::AccessToken;
use crate::config::ThrottleConfig;
use crate::http::error::ApiError;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The IPv6 prefix that counts as one caller: a client usually controls all addresses of a /64.
const IPV6_PREFIX: Ipv6Addr = Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0xffff, 0, 0, 0, 0);

/// Whom a request counts for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Caller {
    User(String),
    Address(IpAddr),
}

/// A number of requests per window.
#[derive(Debug, Clone, Copy)]
struct Limit {
    requests: usize,
    span: Duration,
}

/// Counts requests. One instance is shared by all workers.
#[derive(Debug)]
pub struct Throttle {
    config: ThrottleConfig,
    trust_forwarded_for: bool,
    admitted: Mutex<Admitted>,
}

/// The times of the requests admitted in the last minute by caller, oldest first.
#[derive(Debug, Default)]
struct Admitted {
    by_caller: HashMap<Caller, VecDeque<Instant>>,
    swept: Option<Instant>,
}

impl Throttle {
    /// A throttle without any requests. With `trust_forwarded_for`, the last address in `X-Forwarded-For`, the one that
    /// the proxy in front of this server saw, identifies the client.
    pub fn new(config: &ThrottleConfig, trust_forwarded_for: bool) -> Self {
        Self { config: config.clone(), trust_forwarded_for, admitted: Mutex::default() }
    }

    /// Counts a request at `now` for its user, or for its address without a user. `now` must not be much earlier than
    /// in previous calls.
    ///
    /// # Errors
    /// 429 with `Retry-After`.
    pub fn admit(&self, request: &HttpRequest, user: Option<&AccessToken>, now: Instant) -> Result<(), ApiError> {
        if !self.config.enabled {
            return Ok(());
        }
        let waiting = match user {
            Some(user) if user.lms_user_id.is_some_and(|id| self.config.exempt_user_ids.contains(&id)) => None,
            Some(user) => self.count_user(&user.username, now),
            None => self.count_address(request, now),
        };
        waiting.map_or(Ok(()), |wait| Err(too_many(wait)))
    }

    /// Counts a request like [`Throttle::admit`], for the name of a user whose LMS user id is unknown.
    ///
    /// # Errors
    /// How long to wait.
    pub fn admit_named(&self, request: &HttpRequest, user: Option<&str>, now: Instant) -> Result<(), Duration> {
        let waiting = match user {
            _ if !self.config.enabled => None,
            Some(name) => self.count_user(name, now),
            None => self.count_address(request, now),
        };
        waiting.map_or(Ok(()), Err)
    }

    fn count_user(&self, name: &str, now: Instant) -> Option<Duration> {
        let limits = [
            Limit { requests: self.config.user_per_second as usize, span: SECOND },
            Limit { requests: self.config.user_per_minute as usize, span: MINUTE },
        ];
        self.count(Caller::User(name.to_owned()), &limits, now)
    }

    fn count_address(&self, request: &HttpRequest, now: Instant) -> Option<Duration> {
        let limits = [Limit { requests: self.config.anonymous_per_minute as usize, span: MINUTE }];
        self.count(Caller::Address(self.address(request)?), &limits, now)
    }

    /// Counts a request, or returns how long to wait for the next one.
    fn count(&self, caller: Caller, limits: &[Limit], now: Instant) -> Option<Duration> {
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        admitted.sweep(now);
        let moments = admitted.by_caller.entry(caller).or_default();
        forget(moments, now);
        let wait = limits.iter().filter_map(|limit| limit.wait(moments, now)).max();
        if wait.is_none() {
            moments.push_back(now);
        }
        wait
    }

    fn address(&self, request: &HttpRequest) -> Option<IpAddr> {
        let forwarded = || {
            let last = request.headers().get_all("x-forwarded-for").last()?.to_str().ok()?;
            let last = last.rsplit(',').next()?.trim();
            // Some proxies append the port; `[2001:db8::1]` is an address of IPv6 in the form of URLs.
            let address = || last.parse().ok().map(|address: SocketAddr| address.ip());
            last.trim_matches(['[', ']']).parse().ok().or_else(address)
        };
        let peer = || request.peer_addr().map(|address| address.ip());
        let address = if self.trust_forwarded_for { forwarded().or_else(peer) } else { peer() };
        Some(match address?.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(address & IPV6_PREFIX),
            address => address,
        })
    }
}

impl Limit {
    /// How long to wait until the limit allows one more request; `None` if it does now.
    fn wait(self, moments: &VecDeque<Instant>, now: Instant) -> Option<Duration> {
        let oldest = moments.get(moments.len().checked_sub(self.requests)?)?;
        (*oldest + self.span).checked_duration_since(now).filter(|wait| !wait.is_zero())
    }
}

impl Admitted {
    /// Once a minute, removes callers without requests in the last minute.
    fn sweep(&mut self, now: Instant) {
        let swept = *self.swept.get_or_insert(now);
        if now.saturating_duration_since(swept) >= MINUTE {
            self.by_caller.retain(|_, moments| {
                forget(moments, now);
                !moments.is_empty()
            });
            self.by_caller.shrink_to(2 * self.by_caller.len());
            self.swept = Some(now);
        }
    }
}

/// Removes times older than a minute.
fn forget(moments: &mut VecDeque<Instant>, now: Instant) {
    while moments.front().is_some_and(|&oldest| now.saturating_duration_since(oldest) >= MINUTE) {
        moments.pop_front();
    }
}

fn too_many(wait: Duration) -> ApiError {
    let seconds = wait.as_millis().div_ceil(1000) as u64;
    let message = format!("There were too many requests. Send the next one in {seconds} s.");
    ApiError::detail(StatusCode::TOO_MANY_REQUESTS, message).retry_after(seconds)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn idle_callers_are_removed() {
        let throttle = Throttle::new(&ThrottleConfig { anonymous_per_minute: 1, ..ThrottleConfig::default() }, false);
        let admit = |peer: String, now| {
            let peer = format!("{peer}:1000").parse().unwrap();
            throttle.admit(&TestRequest::default().peer_addr(peer).to_http_request(), None, now).unwrap();
        };
        let now = Instant::now();
        for number in 0..200 {
            admit(format!("192.0.2.{number}"), now);
        }
        admit("198.51.100.1".to_owned(), now + MINUTE);
        let admitted = throttle.admitted.lock().unwrap();
        assert_eq!(admitted.by_caller.len(), 1);
        assert!(admitted.by_caller.capacity() < 100, "{}", admitted.by_caller.capacity());
    }
}
