//! Sends answers in parts and in a limited time. An answer that nobody reads is not kept in memory.
//!
//! A client that reads nothing stops the socket, and with it the body below: [`limit_connection`] has the system close such a
//! connection. A client that reads slowly keeps the socket going: [`TimedBody`] ends its answer.

use std::any::Any;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{Extensions, Payload, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::rt::net::TcpStream;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage, HttpRequest};

use crate::http::body_limits::LARGE;
use crate::http::client_timeout::ClientTimeout;
use crate::state::AppState;

/// The bytes of a large answer that are handed to the connection at once.
const PART: usize = 16 * 1024;

/// Middleware for `from_fn`: sends large answers in parts, and keeps the rest of a body that came too slowly until the answer is sent.
pub async fn in_time(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, TimedBody>>, Error> {
    let client_timeout = AppState::of(request.request())?.body_limits.client_timeout;
    let response = next.call(request).await?;
    let unread = Unread::taken(response.request());
    Ok(response.map_body(|_, body| {
        let is_large = matches!(body.size(), BodySize::Sized(size) if size > LARGE as u64);
        if !is_large && unread.is_none() {
            return EitherBody::left(body);
        }
        match body.try_into_bytes() {
            Ok(bytes) => {
                EitherBody::right(TimedBody { bytes, sent: 0, start: Instant::now(), client_timeout, _unread: unread })
            }
            Err(body) => EitherBody::left(body),
        }
    }))
}

/// For `HttpServer::on_connect`: has the system close the connection if its client acknowledges nothing for this long. Other systems
/// than Linux have no such limit.
pub fn limit_connection(patience: Duration) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
    move |connection, _| {
        #[cfg(target_os = "linux")]
        if let Some(stream) = connection.downcast_ref::<TcpStream>() {
            let milliseconds = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
            if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds) {
                tracing::warn!(%error, "a connection has no limit for clients that read nothing");
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (connection.downcast_ref::<TcpStream>(), patience);
    }
}

/// A large answer. It ends early, and with it the connection, if its client reads too slowly.
pub struct TimedBody {
    bytes: Bytes,
    sent: usize,
    start: Instant,
    client_timeout: ClientTimeout,
    _unread: Option<Unread>,
}

impl MessageBody for TimedBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.bytes.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let is_late = self.start.elapsed() > self.client_timeout.time_for(self.sent);
        if self.bytes.is_empty() || is_late {
            // Fewer bytes than announced: the connection is closed.
            self.bytes.clear();
            return Poll::Ready(None);
        }
        let length = self.bytes.len().min(PART);
        let part = self.bytes.split_to(length);
        self.sent += length;
        Poll::Ready(Some(Ok(part)))
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        if self.sent == 0 { Ok(self.bytes) } else { Err(self) }
    }
}

/// The rest of a body that came too slowly. While it is there, the connection counts as one whose body is not read, and is closed after
/// the answer; otherwise the rest would be waited for.
pub struct Unread(#[expect(dead_code, reason = "it only has to be there")] Payload);

impl Unread {
    /// Keeps the rest of a request's body.
    pub fn keep(request: &HttpRequest, payload: Payload) {
        request.extensions_mut().insert(Self(payload));
    }

    fn taken(request: &HttpRequest) -> Option<Self> {
        request.extensions_mut().remove()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn timed_body(bytes: usize, patience: Duration) -> TimedBody {
        let bytes = Bytes::from(vec![7; bytes]);
        TimedBody { bytes, sent: 0, start: Instant::now(), client_timeout: ClientTimeout::new(patience), _unread: None }
    }

    async fn parts(mut body: TimedBody) -> Vec<usize> {
        let mut parts = Vec::new();
        while let Some(Ok(part)) = poll_fn(|context| Pin::new(&mut body).poll_next(context)).await {
            parts.push(part.len());
        }
        parts
    }

    #[actix_web::test]
    async fn an_answer_goes_out_in_parts() {
        let body = timed_body(2 * PART + 1, Duration::from_secs(3_600));
        assert_eq!(body.size(), BodySize::Sized(2 * PART as u64 + 1));
        assert_eq!(parts(body).await, [PART, PART, 1]);
    }

    #[actix_web::test]
    async fn an_answer_ends_when_its_client_is_late() {
        let Some(start) = Instant::now().checked_sub(Duration::from_secs(100)) else { return };
        let body = TimedBody { start, ..timed_body(100 * PART, Duration::from_secs(99)) };
        assert_eq!(parts(body).await, Vec::<usize>::new());
        let body = TimedBody { start, sent: 50 * PART, ..timed_body(2 * PART, Duration::from_secs(99)) };
        assert_eq!(parts(body).await, [PART, PART], "it has read enough for its time");
    }
}
