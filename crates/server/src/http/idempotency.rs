//! The header `Idempotency-Key`: a request that is sent again with the same key is not repeated, and gets the response of the first
//! one. See docs/adr/0007.

use std::io::{Read, Write};
use std::time::Duration;

use actix_web::body::{EitherBody, MessageBody, to_bytes};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::guard::GuardContext;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, ResponseError, rt};
use aws_lc_rs::digest::{Context, SHA256};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use license_manager_domain::LicenseManager;
use license_manager_domain::model::{IdempotencyKey, StoredAnswer, StoredBody};
use license_manager_domain::use_cases::{Begun, Claim};
use opentelemetry::context::FutureExt;
use tracing::Instrument;

use crate::auth::identity;
use crate::http::body_limits::{LARGE, read_bytes};
use crate::http::error::ApiError;
use crate::http::response::{ApiResult, in_turn, on_thread};
use crate::http::turns::{Access, OfRequest};
use crate::state::{AppState, State};

/// The header with the key.
pub const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The header that marks a replayed response.
pub const REPLAYED_HEADER: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest key, in characters.
const MAX_KEY: usize = 255;

/// The longest path with idempotency keys, in characters. No endpoint has a longer one.
const MAX_PATH: usize = 900;

/// The size, in bytes, from which on a response body is compressed before it is stored.
const WORTH_COMPRESSING: usize = 256;

/// How long a client whose answers fill their room should wait. Answers expire, and their room with them, a day after the request.
const FULL_RETRY_SECONDS: u64 = 3_600;

/// How long a request waits for an earlier one with the same key.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first pause between two checks, and the longest one. Each pause is twice as long as the one before.
const LOOK: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(400));

/// Middleware, for `from_fn`, inside of [`identity::identify`]: performs a request with a key only once.
///
/// Keys are per user, method and path. Requests without a valid token pass, because they are refused later.
pub async fn once(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let refuse = |request: ServiceRequest, error: ApiError| {
        Ok(request.into_response(error.error_response()).map_into_right_body())
    };
    let key = match key(&request) {
        Ok(Some(key)) => key,
        Ok(None) => return Ok(next.call(request).await?.map_into_left_body()),
        Err(error) => return refuse(request, error),
    };
    let state = AppState::of(request.request())?;
    let mut payload = request.take_payload();
    let body = match read_bytes(request.request(), &mut payload).await {
        Ok(body) => body,
        Err(error) => return refuse(request, error),
    };
    let fingerprint = fingerprint(request.request(), body.clone()).await;
    request.set_payload(Payload::from(body));
    let begun = match fingerprint {
        Ok(fingerprint) => begin(&state, key, fingerprint).await,
        Err(error) => Err(error),
    };
    match begun {
        Err(error) => refuse(request, error),
        // The route checks the permission once more, because it may be lost since.
        Ok(Beginning::Replay(answer)) => {
            request.extensions_mut().insert(Kept(answer));
            Ok(next.call(request).await?.map_into_left_body())
        }
        Ok(Beginning::Do(claim)) => {
            // A client that disconnects cancels this future. The work must go on, because the client will ask again for the response.
            let work = perform(state.clone(), claim, OfRequest::under_way(), request, next);
            let done = rt::spawn(work.in_current_span().with_current_context()).await;
            let response =
                done.map_err(|_| ApiError::from(license_manager_domain::Error::internal("a request ended early")))??;
            Ok(response.map_into_right_body())
        }
    }
}

/// The request's key, if it has one and the endpoint supports it.
fn key(request: &ServiceRequest) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut keys = request.headers().get_all(KEY_HEADER);
    let Some(key) = keys.next() else { return Ok(None) };
    let path = request.path();
    let concerned = !request.method().is_safe() && path.starts_with("/api/v1/") && request.match_pattern().is_some();
    if !concerned || path.len() > MAX_PATH {
        return Ok(None);
    }
    let Ok(token) = identity::token(request.request()) else { return Ok(None) };
    let sound = |key: &&str| (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    match key.to_str().ok().filter(sound).filter(|_| keys.next().is_none()) {
        Some(key) => {
            let operation = format!("{} {path}", request.method());
            Ok(Some(IdempotencyKey { username: token.username, key: key.to_owned(), operation }))
        }
        None => Err(ApiError::detail(
            StatusCode::BAD_REQUEST,
            format!("A request has one Idempotency-Key, of 1 to {MAX_KEY} visible ASCII characters."),
        )),
    }
}

/// The digest of method, path, query and body.
async fn fingerprint(request: &HttpRequest, body: Bytes) -> Result<[u8; 32], ApiError> {
    let mut context = Context::new(&SHA256);
    for part in [request.method().as_str(), request.path(), request.query_string()] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let is_large = body.len() > LARGE;
    let finish = move || {
        context.update(&body);
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Ok(digest)
    };
    if is_large { on_thread(finish).await } else { finish() }
}

/// What to do with a request that has a key.
enum Beginning {
    Do(Claim),
    Replay(StoredAnswer),
}

/// Claims the key, or waits for the request that holds it. Its turns to write are not the request's, which has written
/// nothing yet.
async fn begin(state: &AppState, key: IdempotencyKey, fingerprint: [u8; 32]) -> Result<Beginning, ApiError> {
    let (mut waited, mut pause) = (Duration::ZERO, LOOK.0);
    loop {
        let (manager, key) = (state.manager.clone(), key.clone());
        let turn = state.turns.take(Access::Write).await?;
        match in_turn(Some(turn), move || Ok(manager.begin_once(&key, fingerprint)?)).await? {
            Begun::First(claim) => return Ok(Beginning::Do(claim)),
            Begun::Answered(answer) => return Ok(Beginning::Replay(answer)),
            Begun::OtherRequest => {
                let message = "This Idempotency-Key belongs to another request. Use a new key for a new request.";
                return Err(ApiError::detail(StatusCode::UNPROCESSABLE_ENTITY, message));
            }
            Begun::NoRoom => {
                let message = "There is no room to keep the answer of another request with an Idempotency-Key. Nothing was done. \
                               Answers are kept for a day; send the request later, or without a key.";
                let error = ApiError::detail(StatusCode::TOO_MANY_REQUESTS, message);
                return Err(error.retry_after(FULL_RETRY_SECONDS));
            }
            Begun::Underway if waited < PATIENCE => {
                rt::time::sleep(pause).await;
                waited += pause;
                pause = (2 * pause).min(LOOK.1);
            }
            Begun::Underway => {
                let message = "The first request with this Idempotency-Key is still being done. Ask again shortly.";
                return Err(ApiError::detail(StatusCode::CONFLICT, message).retry_after(1));
            }
        }
    }
}

/// Performs the request, which takes its turns at the database, and stores its response. The claim takes turns of its
/// own, and the request goes on while the claim waits: it may hold the turn that the claim waits for.
async fn perform(
    state: State,
    claim: Claim,
    turns: OfRequest,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let mut done = std::pin::pin!(turns.during(answer(request, next)));
    let answered = loop {
        let renewal = async {
            rt::time::sleep(LicenseManager::CLAIM_RENEWAL).await;
            let claim = claim.clone();
            note(write_claim(&state, move |manager| Ok(manager.renew_claim(&claim)?)).await);
        };
        tokio::select! {
            answered = &mut done => break answered,
            () = renewal => {}
        }
    };
    let keep = match &answered {
        Ok((response, body)) if is_kept(response.status()) => {
            let content_type = content_type(response.headers().get(CONTENT_TYPE));
            Some((response.status().as_u16(), content_type, body.clone()))
        }
        _ => None,
    };
    let most = usize::try_from(state.manager.settings().answer_quota.answer).unwrap_or(usize::MAX);
    let kept = match keep {
        // Compressed before there is a turn, which others wait for.
        Some((status, content_type, body)) => {
            on_thread(move || Ok(Some(StoredAnswer { status, content_type, body: stored(&body, most) }))).await
        }
        None => Ok(None),
    };
    // The work is done: the caller gets the response even if it cannot be stored.
    note(match kept {
        Ok(Some(answer)) => write_claim(&state, move |manager| Ok(manager.complete_claim(&claim, &answer)?)).await,
        Ok(None) => write_claim(&state, move |manager| Ok(manager.release_claim(&claim).map(|()| true)?)).await,
        Err(error) => Err(error),
    });
    let (response, body) = answered?;
    let (request, response) = response.into_parts();
    Ok(ServiceResponse::new(request, response.set_body(body).map_into_boxed_body()))
}

/// Writes a claim when its turn comes, however long that takes: a response that is not stored would let the request be
/// done twice.
async fn write_claim(
    state: &AppState,
    write: impl FnOnce(&LicenseManager) -> ApiResult<bool> + Send + 'static,
) -> ApiResult<bool> {
    let (turn, manager) = (state.turns.take_patiently(Access::Write).await, state.manager.clone());
    in_turn(turn, move || write(&manager)).await
}

/// The handler's response, and its body.
async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<(ServiceResponse<()>, Bytes), Error> {
    let (request, response) = next.call(request).await?.into_parts();
    let (response, body) = response.into_parts();
    let body = to_bytes(body).await.map_err(|error| {
        let error: Box<dyn std::error::Error> = error.into();
        ApiError::from(license_manager_domain::Error::internal(error.to_string()))
    })?;
    Ok((ServiceResponse::new(request, response), body))
}

/// Whether the response is stored. Failures of the service, and refusals for the caller's identity or rate, can differ the next time.
fn is_kept(status: StatusCode) -> bool {
    let about_the_caller = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];
    !status.is_server_error() && !about_the_caller.contains(&status)
}

fn content_type(value: Option<&HeaderValue>) -> Option<String> {
    value.and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn note(outcome: Result<bool, ApiError>) {
    match outcome {
        Ok(true) => {}
        Ok(false) => tracing::warn!("the claim of a request with an idempotency key ended before the request was done"),
        Err(error) => tracing::warn!(%error, "the claim of a request with an idempotency key could not be written"),
    }
}

/// The body as it is stored; `None` if it exceeds `most` bytes even then.
fn stored(body: &[u8], most: usize) -> Option<StoredBody> {
    let stored = match body.len() {
        ..WORTH_COMPRESSING => StoredBody::Plain(body.to_vec()),
        _ => {
            let mut compressed = ZlibEncoder::new(Vec::new(), Compression::fast());
            StoredBody::Compressed(compressed.write_all(body).and_then(|()| compressed.finish()).ok()?)
        }
    };
    (stored.bytes().len() <= most).then_some(stored)
}

/// The body as it was sent.
fn sent(stored: StoredBody) -> ApiResult<Vec<u8>> {
    match stored {
        StoredBody::Plain(bytes) => Ok(bytes),
        StoredBody::Compressed(bytes) => {
            let mut body = Vec::new();
            let read = ZlibDecoder::new(bytes.as_slice()).read_to_end(&mut body);
            read.map_err(license_manager_domain::Error::internal)?;
            Ok(body)
        }
    }
}

/// The stored response to a request that was done before, in the extensions of its repetition.
pub struct Kept(StoredAnswer);

impl Kept {
    /// Whether the request is such a repetition.
    pub fn is_in(request: &GuardContext<'_>) -> bool {
        request.req_data().get::<Self>().is_some()
    }

    /// Replays the stored response.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub async fn answer(request: &HttpRequest) -> ApiResult<HttpResponse> {
        let kept = request.extensions_mut().remove::<Self>();
        let Some(Self(answer)) = kept else {
            return Err(license_manager_domain::Error::internal("no answer was kept for this request").into());
        };
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
        let mut response = match answer.body {
            Some(body) => {
                let body = on_thread(move || sent(body)).await?;
                let mut response = HttpResponse::build(status);
                if let Some(content_type) = answer.content_type {
                    response.insert_header((CONTENT_TYPE, content_type));
                }
                if body.is_empty() { response.finish() } else { response.body(body) }
            }
            None => {
                let message = format!("The request was done and answered {status}; its answer was too large to keep.");
                ApiError::detail(StatusCode::CONFLICT, message).error_response()
            }
        };
        response.headers_mut().insert(REPLAYED_HEADER, HeaderValue::from_static("true"));
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_stored_small_and_comes_back_as_it_was() {
        let large = br#"{"license": "11a14bbd", "user_email": "amy@example.com"},"#.repeat(10_000);
        for body in [&b""[..], b"{}", &large] {
            let stored = stored(body, 1 << 20).expect("it is small enough");
            assert!(stored.bytes().len() <= body.len() && stored.bytes().len() < 20_000);
            assert_eq!(sent(stored).expect("it can be read"), body);
        }
    }

    #[test]
    fn a_body_that_is_too_large_is_not_stored() {
        let body = vec![0; 255];
        assert!(stored(&body, 255).is_some() && stored(&body, 254).is_none());
        let random: Vec<u8> = (0..4_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        assert!(stored(&random, 4_000).is_none());
    }
}
