//! Authentication and authorization: access tokens, cookies and CSRF, permissions, rate limits, and tokens for
//! development.

pub mod caller;
pub mod csrf;
pub mod deferred_updates;
pub mod identity;
mod keys;
pub mod mint;
pub mod permissions;
pub mod throttle;
mod token;
pub mod user_updates;
mod verifier;

pub use keys::{KeyError, read_keys};
pub use token::{AccessToken, Context, MAX_USERNAME_LENGTH, TokenError, TokenRole};
pub use verifier::TokenVerifier;

/// The token in an `Authorization` header: exactly two words, the first `JWT` in any case. `None` for anything else.
pub fn header_credential(value: &str) -> Option<&str> {
    let mut words = value.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(scheme), Some(token), None) if scheme.eq_ignore_ascii_case("JWT") => Some(token),
        _ => None,
    }
}
