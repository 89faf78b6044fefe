//! Request bodies: JSON of a limited size, and the fields that several of them have.

use std::pin::Pin;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use license_manager_domain::{Email, InvalidEmail};
use serde_json::Value;

use crate::http::error::ApiError;
use crate::http::fields::{Fields, List, Text, list, text};
use crate::state::AppState;

/// Access `A`, and the body of the request as JSON; an empty body is an empty object.
///
/// One extractor for both, because actix-web runs several at once: the body of somebody without access is not read.
#[derive(Debug)]
pub struct WithBody<A> {
    /// Who asks, and what for.
    pub access: A,
    /// The body.
    pub body: Value,
}

impl<A: FromRequest<Error = ApiError> + 'static> FromRequest for WithBody<A> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let access = A::from_request(&request, &mut Payload::None).await?;
            let bytes = read_bytes(&request, &mut payload).await?;
            if bytes.is_empty() {
                return Ok(Self { access, body: Value::Object(serde_json::Map::new()) });
            }
            let media_type =
                request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            if !media_type.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("application/json")) {
                return Err(ApiError::detail(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "Send the body as JSON, with the header Content-Type: application/json.",
                ));
            }
            let body = serde_json::from_slice(&bytes)
                .map_err(|error| ApiError::detail(StatusCode::BAD_REQUEST, format!("The body is no JSON: {error}.")))?;
            Ok(Self { access, body })
        })
    }
}

/// The longest greeting or closing of a mail, in characters.
const MAX_MAIL_TEXT: usize = 10_000;

/// The words of the field `name`, such as `greeting`, for a mail; empty where there are none.
pub fn mail_text(fields: &mut Fields, name: &str) -> String {
    fields.nullable(name, text(0..=MAX_MAIL_TEXT)).value().unwrap_or_default()
}

/// A request's body to its end.
///
/// # Errors
/// 413 where it is larger than the configured limit, 400 where it breaks off.
pub async fn read_bytes(request: &HttpRequest, payload: &mut Payload) -> Result<web::Bytes, ApiError> {
    let limit = AppState::of(request)?.body_limit;
    let too_large = || {
        let message = format!("A request body has at most {limit} bytes.");
        ApiError::detail(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    web::Payload::from_request(request, payload)
        .await
        .map_err(|_| too_large())?
        .to_bytes_limited(limit)
        .await
        .map_err(|_| too_large())?
        .map_err(|_| ApiError::detail(StatusCode::BAD_REQUEST, "The body could not be read to its end."))
}

/// The addresses of the field `user_emails`, which must name at least one. What is no address is noted by its index.
pub fn required_emails(fields: &mut Fields) -> Vec<Email> {
    email_list(fields, "user_emails")
}

/// The addresses of a field that must name at least one. What is no address is noted by its index.
pub fn email_list(fields: &mut Fields, name: &str) -> Vec<Email> {
    let texts = fields.required(name, email_texts());
    parse_emails(fields, name, &texts)
}

/// The addresses of the field `user_emails` where it is there; it must name at least one then.
pub fn optional_emails(fields: &mut Fields) -> Option<Vec<Email>> {
    let texts = fields.nullable("user_emails", email_texts()).value()?;
    Some(parse_emails(fields, "user_emails", &texts))
}

fn email_texts() -> List<Text> {
    list(text(0..=Email::MAX_LENGTH), 1..=usize::MAX)
}

fn parse_emails(fields: &mut Fields, name: &str, texts: &[String]) -> Vec<Email> {
    let mut emails = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(email) => emails.push(email),
            Err(problem @ InvalidEmail) => fields.item_error(name, index, problem.to_string()),
        }
    }
    emails
}
