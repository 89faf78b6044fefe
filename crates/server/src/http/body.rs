//! Request bodies: JSON of a limited size. Fields that several requests share.

use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, dev::Payload};
use deserr::Deserr;
use license_manager_domain::{Email, InvalidEmail};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::{KnownFormat, SchemaFormat};

use crate::http::body_limits::{LARGE, read_bytes};
use crate::http::error::ApiError;
use crate::http::fields::{self, FieldErrors, Kind, List, Problem, Text};
use crate::http::kinds::{describe, text};
use crate::http::measure::{MAX_ITEMS, MAX_VALUES, Unfit, measure};
use crate::http::response::{ApiResult, on_thread};
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
    is_large: bool,
    request: PhantomData<fn() -> T>,
}

impl<T: Deserr<FieldErrors> + Send + 'static> Body<T> {
    /// Reads the request.
    ///
    /// # Errors
    /// Every error in it.
    pub async fn read(self) -> ApiResult<Result<T, FieldErrors>> {
        self.done(|json| fields::read(json)).await
    }
}

impl<T: Deserr<FieldErrors> + ToSchema + Send + 'static> Body<T> {
    /// Reads an edit. Every field that it names must be one that can be edited.
    ///
    /// # Errors
    /// Every error in it.
    pub async fn edit(self) -> ApiResult<Result<T, FieldErrors>> {
        self.done(|json| {
            let editable = fields::names::<T>();
            let mut errors = FieldErrors::default();
            for name in json.as_object().into_iter().flat_map(Map::keys).filter(|name| !editable.contains(*name)) {
                errors.add(name, "This field cannot be edited.");
            }
            errors.and(fields::read(json))
        })
        .await
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

    /// Does something with the JSON: at once, or on a blocking thread if it is large.
    async fn done<R: Send + 'static>(self, work: impl FnOnce(&Value) -> R + Send + 'static) -> ApiResult<R> {
        let Self { json, is_large, .. } = self;
        if is_large { on_thread(move || Ok(work(&json))).await } else { Ok(work(&json)) }
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
    /// The extractor that checks the whole permission of a request.
    type Whole: FromRequest + 'static;
}

impl<A: FromRequest<Error = ApiError> + 'static, T: 'static> Guarded for WithBody<A, T> {
    type Access = A;
    type Whole = Self;
}

impl<A: FromRequest<Error = ApiError> + 'static, T> FromRequest for WithBody<A, T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let access = A::from_request(&request, &mut Payload::None).await?;
            let body = Body::from_payload(&request, &mut payload).await?;
            Ok(Self { access, body })
        })
    }
}

impl<T> Body<T> {
    /// The body of a request whose caller has the permission.
    ///
    /// # Errors
    /// 400 if it is no JSON or holds too much, 415 if it is not called JSON, and what [`read_bytes`] answers.
    pub async fn from_payload(request: &HttpRequest, payload: &mut Payload) -> ApiResult<Self> {
        let bytes = read_bytes(request, payload).await?;
        let is_large = bytes.len() > LARGE;
        let body = |json| Self { json, is_large, request: PhantomData };
        if bytes.is_empty() {
            return Ok(body(Value::Object(Map::new())));
        }
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !media_type.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("application/json")) {
            return Err(ApiError::detail(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send the body as JSON, with the header Content-Type: application/json.",
            ));
        }
        if is_large {
            AppState::of(request)?.body_limits.take_turn(request).await?;
            return on_thread(move || parse(&bytes)).await.map(body);
        }
        parse(&bytes).map(body)
    }
}

/// The JSON of a body, unless it holds too much.
fn parse(bytes: &[u8]) -> ApiResult<Value> {
    let no_json = |error| ApiError::detail(StatusCode::BAD_REQUEST, format!("The body is no JSON: {error}."));
    measure(bytes).map_err(|unfit| match unfit {
        Unfit::NoJson(error) => no_json(error),
        Unfit::LongList(field) => {
            let message = format!("This list may have at most {MAX_ITEMS} items.");
            field.map_or_else(|| FieldErrors::whole(&message), |name| FieldErrors::field(&name, &message)).into()
        }
        Unfit::ManyValues => FieldErrors::whole(format!("A body may have at most {MAX_VALUES} values.")).into(),
    })?;
    serde_json::from_slice(bytes).map_err(no_json)
}

/// The greeting or closing of a mail.
pub type MailText = Text<0, 50_000>;

/// A list of at least one email address.
pub type Emails = List<EmailAddress, 1, MAX_ITEMS>;

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
pub type EmailsToLookUp = List<EmailToLookUp, 1, MAX_ITEMS>;

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
