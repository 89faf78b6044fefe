//! Calls to upstream services, for whoever counts them.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallOutcome {
    /// The service did what was asked.
    Answered,
    /// It refused: the call, its credential, or the mail was at fault (4xx; of mail servers 5xx).
    Refused,
    /// It had enough for now (429).
    Busy,
    /// It failed (5xx; of mail servers 4xx).
    Failed,
    /// There was no whole answer: it could not be reached, took too long, or broke off; or it was not asked, because the access
    /// token for it could not be had.
    NoAnswer,
}

impl CallOutcome {
    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::NoAnswer => "no_answer",
        }
    }

    /// What a status of HTTP that is no success stands for; `None`: there was none.
    pub(crate) fn of_status(status: Option<reqwest::StatusCode>) -> Self {
        match status {
            None => Self::NoAnswer,
            Some(reqwest::StatusCode::TOO_MANY_REQUESTS) => Self::Busy,
            Some(status) if status.is_server_error() => Self::Failed,
            Some(_) => Self::Refused,
        }
    }
}

/// Is told of every call that ended: the upstream's name, how it ended, and how long it took.
pub type CallListener = Arc<dyn Fn(&'static str, CallOutcome, Duration) + Send + Sync>;

/// Makes a call and tells the listener of it. A call that nobody waits for any more is not told of.
pub(crate) async fn told<T, E>(
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
