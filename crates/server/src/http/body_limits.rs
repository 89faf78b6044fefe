//! Reads bodies: of a limited size, in a limited time, and only a few large ones at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{HttpMessage, HttpRequest};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::ServerConfig;
use crate::http::client_timeout::ClientTimeout;
use crate::http::error::ApiError;
use crate::http::sending::Unread;
use crate::state::AppState;

/// The size, in bytes, from which on a body counts as large: it is read and checked on a thread for blocking work, when its turn comes.
pub const LARGE: usize = 64 * 1024;

const KIB: usize = 1024;

/// How long a large body waits for its turn.
const WAIT: Duration = Duration::from_secs(30);

/// The limits for bodies.
pub struct BodyLimits {
    /// The largest body, in bytes.
    limit: usize,
    /// How long clients may take.
    pub client_timeout: ClientTimeout,
    /// One permit for each KiB of large bodies that may be held.
    memory: Arc<Semaphore>,
    /// One permit for each large body that may be worked on at once.
    turns: Arc<Semaphore>,
}

impl BodyLimits {
    /// The configured limits.
    pub fn from_config(server: &ServerConfig) -> Self {
        Self {
            limit: server.body_limit_bytes,
            client_timeout: ClientTimeout::new(server.client_timeout()),
            memory: Arc::new(Semaphore::new(
                server.large_bodies_limit_bytes.max(server.body_limit_bytes).div_ceil(KIB),
            )),
            turns: Arc::new(Semaphore::new(server.large_bodies_at_once)),
        }
    }

    /// Waits until a large body may be worked on. The turn ends with the request.
    ///
    /// # Errors
    /// 503 if that takes too long.
    pub async fn take_turn(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let turn = tokio::time::timeout(WAIT, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(busy()) };
        request.extensions_mut().insert(Turn(turn));
        Ok(())
    }

    /// Reserves memory for so many bytes of a request's body, unless it is small or has enough. The memory is free again when the
    /// request ends.
    ///
    /// # Errors
    /// 503 if other large bodies have taken it.
    fn reserve_memory(&self, request: &HttpRequest, bytes: usize) -> Result<(), ApiError> {
        let mut extensions = request.extensions_mut();
        let held = extensions.get::<BodyMemory>().map_or(0, |memory| memory.0.num_permits());
        let missing = bytes.div_ceil(KIB).saturating_sub(held);
        if bytes <= LARGE || missing == 0 {
            return Ok(());
        }
        let missing = u32::try_from(missing).map_err(|_| busy())?;
        let more = self.memory.clone().try_acquire_many_owned(missing).map_err(|_| busy())?;
        match extensions.get_mut::<BodyMemory>() {
            Some(memory) => memory.0.merge(more),
            None => drop(extensions.insert(BodyMemory(more))),
        }
        Ok(())
    }
}

fn busy() -> ApiError {
    let message = "The service is busy with other large requests. Nothing was done; try again shortly.";
    ApiError::detail(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(WAIT.as_secs())
}

/// The memory that is reserved for a request's body, kept in its extensions.
struct BodyMemory(OwnedSemaphorePermit);

/// The turn of a request with a large body, kept in its extensions.
struct Turn(#[expect(dead_code, reason = "it ends when it is dropped")] OwnedSemaphorePermit);

/// A request's body to its end.
///
/// # Errors
/// 413 if it exceeds the configured limit, 408 if it comes too slowly, 400 if it ends early, 503 if it is large and other large bodies
/// have taken the memory for them.
pub async fn read_bytes(request: &HttpRequest, payload: &mut Payload) -> Result<Bytes, ApiError> {
    let state = AppState::of(request)?;
    let body_limits = &state.body_limits;
    let limit = body_limits.limit;
    let too_large = || {
        let message = format!("A request body has at most {limit} bytes.");
        ApiError::detail(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|declared| declared > limit) {
        return Err(too_large());
    }
    body_limits.reserve_memory(request, declared.unwrap_or_default())?;
    let start = Instant::now();
    let mut body = BytesMut::new();
    loop {
        let left = body_limits.client_timeout.time_left(body.len(), start.elapsed());
        match tokio::time::timeout(left, payload.next()).await {
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(Ok(chunk))) if body.len() + chunk.len() > limit => return Err(too_large()),
            // The whole body, which need not be copied.
            Ok(Some(Ok(chunk))) if body.is_empty() && declared == Some(chunk.len()) => return Ok(chunk),
            Ok(Some(Ok(chunk))) => {
                body_limits.reserve_memory(request, body.len() + chunk.len())?;
                if body.is_empty() {
                    // At once, because a buffer that grows needs up to three times the memory.
                    body.reserve(declared.unwrap_or_default().max(chunk.len()));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Some(Err(_))) => {
                return Err(ApiError::detail(StatusCode::BAD_REQUEST, "The body could not be read to its end."));
            }
            Err(_) => {
                Unread::keep(request, payload.take());
                let message = "The body came too slowly. Send it again, over a better connection or in parts.";
                return Err(ApiError::detail(StatusCode::REQUEST_TIMEOUT, message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn large_bodies_share_their_memory() {
        let server = ServerConfig {
            body_limit_bytes: 100 * KIB,
            large_bodies_limit_bytes: 150 * KIB,
            ..ServerConfig::default()
        };
        let body_limits = BodyLimits::from_config(&server);
        let [one, other] = [(); 2].map(|()| TestRequest::default().to_http_request());
        let has_memory = |request: &HttpRequest, bytes| body_limits.reserve_memory(request, bytes).is_ok();
        assert!(has_memory(&one, 80 * KIB) && has_memory(&one, 100 * KIB) && has_memory(&one, 100 * KIB));
        assert!(has_memory(&other, LARGE), "a small body needs none");
        assert!(!has_memory(&other, LARGE + 1));
        drop(one);
        assert!(has_memory(&other, LARGE + 1) && has_memory(&other, 150 * KIB) && !has_memory(&other, 151 * KIB));
    }
}
