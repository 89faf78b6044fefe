//! Outcomes of calls to upstream services, for metrics.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallOutcome {
    /// The service did what was asked.
    Answered,
    /// The service rejected the call, the credential or the mail (HTTP 4xx, SMTP 5xx).
    Refused,
    /// The service asked for fewer calls (HTTP 429).
    Busy,
    /// The service failed (HTTP 5xx, SMTP 4xx).
    Failed,
    /// There was no complete answer: the service could not be reached, timed out or broke off, or no access token could
    /// be fetched for it.
    NoAnswer,
}

license_manager_domain::names!(CallOutcome {
    Answered => "answered",
    Refused => "refused",
    Busy => "busy",
    Failed => "failed",
    NoAnswer => "no_answer",
});

/// Called after every call with the upstream's name, the outcome and the duration.
pub type CallListener = Arc<dyn Fn(&'static str, CallOutcome, Duration) + Send + Sync>;

/// Awaits a call and reports it to the listener. A call that is cancelled is not reported.
pub(crate) async fn observed<T, E>(
    listener: Option<&CallListener>,
    upstream: &'static str,
    call: impl Future<Output = Result<T, E>>,
    outcome: impl FnOnce(&E) -> CallOutcome,
) -> Result<T, E> {
    let start = Instant::now();
    let ended = call.await;
    if let Some(listener) = listener {
        listener(upstream, ended.as_ref().map_or_else(outcome, |_| CallOutcome::Answered), start.elapsed());
    }
    ended
}
