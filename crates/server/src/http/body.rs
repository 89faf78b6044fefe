//! Request bodies: JSON of a limited size. Fields that several requests share.

use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use deserr::Deserr;
use license_manager_domain::{Email, InvalidEmail};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::{KnownFormat, SchemaFormat};

use crate::http::error::ApiError;
use crate::http::fields::{self, FieldErrors, Kind, List, Problem, Text};
use crate::http::kinds::{describe, text};
use crate::state::AppState;

/// The permission `A`, and the request's body, which is read as a `T`.
///
/// It is one extractor because actix-web runs extractors concurrently, and must not read the body of a caller without the permission.
#[derive(Debug)]
pub struct WithBody<A, T> {
    /// The permission.
    pub access: A,
    /// The body.
    pub body: Body<T>,
}

/// The JSON of a body, which is read as a `T`. An empty body counts as an empty object.
#[derive(Debug)]
pub struct Body<T> {
    json: Value,
    request: PhantomData<fn() -> T>,
}

impl<T: Deserr<FieldErrors>> Body<T> {
    /// Reads the request.
    ///
    /// # Errors
    /// Every error in it.
    pub fn read(self) -> Result<T, FieldErrors> {
        self.part()
    }
}

impl<T: Deserr<FieldErrors> + ToSchema> Body<T> {
    /// Reads an edit. Every field that it names must be one that can be edited.
    ///
    /// # Errors
    /// Every error in it.
    pub fn edit(self) -> Result<T, FieldErrors> {
        let editable = fields::names::<T>();
        let mut errors = FieldErrors::default();
        for name in self.json.as_object().into_iter().flat_map(Map::keys).filter(|name| !editable.contains(*name)) {
            errors.add(name, "This field cannot be edited.");
        }
        errors.and(self.read())
    }
}

impl<T> Body<T> {
    /// Reads only the fields of `P`.
    ///
    /// # Errors
    /// Every error in the fields of `P`.
    pub fn part<P: Deserr<FieldErrors>>(&self) -> Result<P, FieldErrors> {
        fields::read(&self.json)
    }

    /// The JSON of the body.
    pub fn json(&mut self) -> &mut Value {
        &mut self.json
    }
}

/// The first argument of a handler.
pub trait Guarded: FromRequest {
    /// The permission a caller needs.
    type Access: FromRequest<Error = ApiError> + 'static;
}

impl<A: FromRequest<Error = ApiError> + 'static, T> Guarded for WithBody<A, T> {
    type Access = A;
}

impl<A: FromRequest<Error = ApiError> + 'static, T> FromRequest for WithBody<A, T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let access = A::from_request(&request, &mut Payload::None).await?;
            let bytes = read_bytes(&request, &mut payload).await?;
            let body = |json| Body { json, request: PhantomData };
            if bytes.is_empty() {
                return Ok(Self { access, body: body(Value::Object(serde_json::Map::new())) });
            }
            let media_type =
                request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            if !media_type.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("application/json")) {
                return Err(ApiError::detail(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "Send the body as JSON, with the header Content-Type: application/json.",
                ));
            }
            let json = serde_json::from_slice(&bytes)
                .map_err(|error| ApiError::detail(StatusCode::BAD_REQUEST, format!("The body is no JSON: {error}.")))?;
            Ok(Self { access, body: body(json) })
        })
    }
}

/// A request's body to its end.
///
/// # Errors
/// 413 if it exceeds the configured limit, 400 if it ends early.
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

/// The greeting or closing of a mail.
pub type MailText = Text<0, 50_000>;

/// A list of at least one email address.
pub type Emails = List<EmailAddress, 1>;

/// An email address.
pub struct EmailAddress;

impl Kind for EmailAddress {
    type Value = Email;

    fn read(value: Value) -> Result<Email, Problem> {
        let text = Text::<0, { Email::MAX_LENGTH }>::read(value)?;
        text.parse().map_err(|problem: InvalidEmail| Problem::message(problem.to_string()))
    }
}

describe!([] EmailAddress, {
    text(0, Email::MAX_LENGTH).format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
});

/// A list of at least one email address of people who are looked up.
pub type EmailsToLookUp = List<EmailToLookUp, 1>;

/// The email address of a person who is looked up: also one that only older versions accepted.
pub struct EmailToLookUp;

impl Kind for EmailToLookUp {
    type Value = Email;

    fn read(value: Value) -> Result<Email, Problem> {
        let text = Text::<0, { Email::MAX_LENGTH }>::read(value)?;
        Email::to_look_up(&text).map_err(|problem| Problem::message(problem.to_string()))
    }
}

describe!([] EmailToLookUp, {
    text(0, Email::MAX_LENGTH).format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
});
