//! Request bodies: JSON of a limited size, and the fields that several of them have.

use std::pin::Pin;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use license_manager_domain::{Email, InvalidEmail};
use serde_json::Value;

use crate::app::AppState;
use crate::error::ApiError;
use crate::wire::fields::{Fields, List, Text, list, text};

/// The body of a request as JSON; an empty body is an empty object.
#[derive(Debug)]
pub struct JsonBody(pub Value);

impl FromRequest for JsonBody {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let limit = AppState::of(&request)?.body_limit;
            let too_large = || {
                let message = format!("A request body has at most {limit} bytes.");
                ApiError::detail(StatusCode::PAYLOAD_TOO_LARGE, message)
            };
            let bytes = web::Payload::from_request(&request, &mut payload)
                .await
                .map_err(|_| too_large())?
                .to_bytes_limited(limit)
                .await
                .map_err(|_| too_large())?
                .map_err(|_| ApiError::detail(StatusCode::BAD_REQUEST, "The body could not be read to its end."))?;
            if bytes.is_empty() {
                return Ok(Self(Value::Object(serde_json::Map::new())));
            }
            let media_type =
                request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            if !media_type.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("application/json")) {
                return Err(ApiError::detail(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "Send the body as JSON, with the header Content-Type: application/json.",
                ));
            }
            let value = serde_json::from_slice(&bytes)
                .map_err(|error| ApiError::detail(StatusCode::BAD_REQUEST, format!("The body is no JSON: {error}.")))?;
            Ok(Self(value))
        })
    }
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
