//! Error responses: the one place that gives a domain error its status and body.
//!
//! The bodies have three forms (docs/API.md, "Errors"): `{"detail": "…"}`, `{"field": ["…"]}`, or a bare text.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use license_manager_domain::{Conflict, Entity, Error, FieldErrors, Refusal};
use serde_json::{Value, json};

use crate::auth::TokenError;
use crate::http::field_errors::MAX_TOLD;
use crate::http::fields;

/// An error response.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    body: Value,
    /// The header `Allow`.
    allow: Option<String>,
    /// The header `Retry-After`, in seconds.
    retry_after: Option<u64>,
}

impl ApiError {
    /// `{"detail": message}`.
    pub fn detail(status: StatusCode, message: impl Into<String>) -> Self {
        Self::body(status, json!({ "detail": message.into() }))
    }

    /// A bare text.
    pub fn text(status: StatusCode, message: impl Into<String>) -> Self {
        Self::body(status, Value::String(message.into()))
    }

    /// 400 with messages by field: `{"field": ["…"]}`.
    fn fields(body: Value) -> Self {
        Self::body(StatusCode::BAD_REQUEST, body)
    }

    /// A body of the endpoint's own form.
    pub fn body(status: StatusCode, body: Value) -> Self {
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        Self { status, body, allow: None, retry_after }
    }

    /// The same error inside `{"error": …}`.
    pub fn in_error_key(self) -> Self {
        Self { body: json!({ "error": self.body }), ..self }
    }

    /// 401: no valid token.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::detail(StatusCode::UNAUTHORIZED, message)
    }

    /// 403: the caller lacks a permission.
    pub fn forbidden() -> Self {
        Self::detail(StatusCode::FORBIDDEN, "Your roles do not permit this.")
    }

    /// 405. `allowed` lists the methods of the path, separated by commas.
    pub fn method_not_allowed(allowed: String) -> Self {
        let error = Self::detail(StatusCode::METHOD_NOT_ALLOWED, format!("This path answers only {allowed}."));
        Self { allow: Some(allowed), ..error }
    }

    /// The same error with the header `Retry-After`, in seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// 404: no such path or page.
    pub fn no_such_page() -> Self {
        Self::detail(StatusCode::NOT_FOUND, "There is nothing here.")
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.status)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status).json(&self.body);
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("JWT realm=\"api\""));
        }
        if let Some(allowed) = self.allow.as_deref().and_then(|allowed| HeaderValue::from_str(allowed).ok()) {
            headers.insert(ALLOW, allowed);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound(_) => Self::detail(StatusCode::NOT_FOUND, message),
            Error::Invalid(errors) => Self::fields(by_field(&errors)),
            Error::UnknownReference { field, entity } => {
                Self::fields(json!({ field: [format!("No {entity} has this id.")] }))
            }
            Error::Conflict(conflict) => match conflict {
                Conflict::AgreementOfCustomer => Self::fields(json!({ "enterprise_customer_uuid": [message] })),
                Conflict::AgreementSlug => Self::fields(json!({ "enterprise_customer_slug": [message] })),
                Conflict::PlanTitle => Self::fields(json!({ "non_field_errors": [message] })),
                Conflict::ProductNetsuiteId => Self::fields(json!({ "netsuite_id": [message] })),
                Conflict::LiveLicense(held) if held.is_empty() => Self::text(StatusCode::UNPROCESSABLE_ENTITY, message),
                Conflict::LiveLicense(held) => {
                    let told: Vec<_> = held.iter().take(MAX_TOLD).map(|held| held.email.as_str()).collect();
                    let more = match held.len() - told.len() {
                        0 => String::new(),
                        more => format!(", and {more} more"),
                    };
                    let message = format!("{message} They are: {}{more}.", told.join(", "));
                    Self::text(StatusCode::UNPROCESSABLE_ENTITY, message)
                }
                _ => Self::text(StatusCode::UNPROCESSABLE_ENTITY, message),
            },
            Error::Refused(refusal) => match refusal {
                Refusal::NotEnoughLicenses { .. }
                | Refusal::RevocationCap { .. }
                | Refusal::TooManyMatches { .. }
                | Refusal::TooManyEnrollments { .. }
                | Refusal::CustomerIsFixed
                | Refusal::AgreementIsFixed => Self::text(StatusCode::BAD_REQUEST, message),
                Refusal::NobodyToRemind => Self::text(StatusCode::NOT_FOUND, message),
                _ => Self::text(StatusCode::UNPROCESSABLE_ENTITY, message),
            },
            Error::Upstream { .. } | Error::UnknownCatalogOwner(_) => Self::detail(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{message} Nothing was changed; try again later."),
            ),
            Error::Unavailable => Self::detail(
                StatusCode::SERVICE_UNAVAILABLE,
                "The service cannot reach its database just now. Try again shortly.",
            ),
            error => {
                tracing::error!(%error, "a use case failed");
                Self::detail(StatusCode::INTERNAL_SERVER_ERROR, "The service failed. The request changed nothing.")
            }
        }
    }
}

impl From<fields::FieldErrors> for ApiError {
    fn from(errors: fields::FieldErrors) -> Self {
        Self::fields(json!(errors))
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        let status = match error {
            TokenError::Restricted => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        };
        Self::detail(status, error.to_string())
    }
}

/// A blocking task that panicked or was cancelled.
impl From<actix_web::error::BlockingError> for ApiError {
    fn from(error: actix_web::error::BlockingError) -> Self {
        Error::internal(error).into()
    }
}

fn by_field(errors: &FieldErrors) -> Value {
    errors.iter().map(|(field, messages)| (field.to_owned(), json!(messages))).collect::<serde_json::Map<_, _>>().into()
}

/// An error of a plan provisioning endpoint: a text, or messages by field, inside `{"error": …}`.
pub fn plan_provisioning_error(error: Error) -> ApiError {
    let message = error.to_string();
    match error {
        Error::Invalid(errors) => {
            let messages: Vec<&str> = errors.iter().flat_map(|(_, messages)| messages).map(String::as_str).collect();
            ApiError::text(StatusCode::BAD_REQUEST, messages.join(" ")).in_error_key()
        }
        Error::NotFound(Entity::Agreement) | Error::Refused(Refusal::AgreementIsFixed) => {
            ApiError::text(StatusCode::BAD_REQUEST, message).in_error_key()
        }
        Error::NotFound(_) => ApiError::text(StatusCode::NOT_FOUND, message).in_error_key(),
        Error::UnknownReference { .. } | Error::Conflict(_) | Error::Refused(_) => ApiError::from(error).in_error_key(),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_breaks_rules_is_answered_with_their_texts_alone() {
        let mut errors = FieldErrors::one("title", "This may not be blank.");
        errors.add("expiration_date", "A plan must expire after it starts.");
        let answer = plan_provisioning_error(Error::Invalid(errors));
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let texts = "A plan must expire after it starts. This may not be blank.";
        assert_eq!(answer.body, json!({ "error": texts }));
    }
}
