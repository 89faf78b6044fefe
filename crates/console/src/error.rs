//! Why a page is not shown, as a page.

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use license_manager_domain::{Error, FieldErrors};
use maud::html;

use crate::layout;

/// Why a page is not shown.
#[derive(Debug)]
pub(crate) enum PageError {
    /// Nobody is signed in. Afterwards the browser comes back to this path.
    SignIn(String),
    /// Their roles do not permit it.
    Forbidden,
    /// Somebody is signed in who has no role here.
    NoRole {
        /// Who.
        username: String,
        /// For the button that signs out.
        form_token: String,
    },
    /// There is no such page, or they may not know that there is.
    NotFound,
    /// The form is not of this session, or cannot be read.
    BadForm(&'static str),
    /// There were too many requests.
    TooMany(u64),
    /// Too many requests wait for the database.
    Busy,
    /// The provider did not answer.
    ProviderUnavailable,
    /// A use case failed.
    Domain(Error),
}

impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(_) => Self::NotFound,
            error => Self::Domain(error),
        }
    }
}

impl PageError {
    /// What a form shows where people can mend it: the errors of its fields, or the whole refusal if it is about no
    /// field.
    ///
    /// # Errors
    /// The error itself, if it is none of a form's.
    pub(crate) fn in_form(self) -> Result<(FieldErrors, Option<String>), Self> {
        match self {
            Self::Domain(Error::Invalid(errors)) => Ok((errors, None)),
            Self::Domain(error @ (Error::Refused(_) | Error::Conflict(_) | Error::UnknownReference { .. })) => {
                Ok((FieldErrors::default(), Some(error.to_string())))
            }
            error => Err(error),
        }
    }
}

impl std::fmt::Display for PageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.status_code())
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::SignIn(_) => StatusCode::FOUND,
            Self::Forbidden | Self::NoRole { .. } => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::BadForm(_) => StatusCode::BAD_REQUEST,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::ProviderUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Domain(Error::Unavailable | Error::Upstream { .. } | Error::UnknownCatalogOwner(_)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Domain(Error::Internal(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Domain(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::SignIn(next) = self {
            let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
            let mut response = HttpResponse::Found();
            return response.insert_header((LOCATION, format!("/console/sign-in?next={next}"))).finish();
        }
        let (title, text) = self.words();
        let page = html! {
            h1 { (title) }
            p { (text) }
            @if let Self::NoRole { form_token, .. } = self {
                form method="post" action="/console/sign-out/" {
                    input type="hidden" name="form_token" value=(form_token);
                    button { "Sign out" }
                }
            } @else {
                p { a href="/console/" { "Back to the console" } }
            }
        };
        let mut response = layout::alone(self.status_code(), title, &page);
        match self {
            Self::TooMany(seconds) => {
                response.headers_mut().insert(RETRY_AFTER, (*seconds).into());
            }
            _ if self.status_code() == StatusCode::SERVICE_UNAVAILABLE => {
                response.headers_mut().insert(RETRY_AFTER, 5.into());
            }
            _ => {}
        }
        response
    }
}

impl PageError {
    /// Why, in one sentence or two.
    pub(crate) fn told(&self) -> String {
        self.words().1
    }

    fn words(&self) -> (&'static str, String) {
        match self {
            Self::SignIn(_) => ("Sign in", "You are not signed in.".to_owned()),
            Self::Forbidden => ("Not permitted", "Your roles do not permit this.".to_owned()),
            Self::NoRole { username, .. } => (
                "No role",
                format!(
                    "You are signed in as {username}, and have no role in the license manager. An operator can give you \
                     one. If you just got one in the LMS, sign out and in again."
                ),
            ),
            Self::NotFound => {
                ("Nothing here", "It does not exist, or it belongs to a customer whom you may not see.".to_owned())
            }
            Self::BadForm(problem) => ("The form was not sent right", (*problem).to_owned()),
            Self::TooMany(seconds) => {
                ("Too many requests", format!("There were too many requests. Try again in {seconds} s."))
            }
            Self::Busy => {
                ("Busy", "The service is busy with other requests. Nothing was changed; try again shortly.".to_owned())
            }
            Self::ProviderUnavailable => (
                "Your roles cannot be checked",
                "The service that you sign in with does not answer. Nothing was changed; try again shortly.".to_owned(),
            ),
            Self::Domain(Error::Unavailable) => {
                ("Not available", "The service cannot reach its database. Nothing was changed; try again.".to_owned())
            }
            Self::Domain(Error::Internal(cause)) => {
                tracing::error!(%cause, "a page failed");
                ("The service failed", "The request changed nothing. The log says why.".to_owned())
            }
            Self::Domain(error) => ("Nothing was changed", error.to_string()),
        }
    }
}
