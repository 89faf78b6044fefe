//! The contents of a verified token, and the checks of its claims.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use license_manager_domain::Email;
use serde_json::{Map, Value};
use thiserror::Error;
use uuid::Uuid;

/// The allowed difference between the issuer's clock and this one, in seconds.
const LEEWAY_SECONDS: f64 = 1.0;

/// A verified access token. Its superuser claim is ignored; only the database decides that.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The user name; never empty.
    pub username: String,
    /// The email address in its normal form. One that this service does not accept is as the issuer spells it.
    pub email: Option<String>,
    /// Whether the address is known to be the user's. The issuer says so, or does not say otherwise, or it need not.
    pub email_is_verified: bool,
    /// The LMS user id, if the token has it. One below 1 is nobody's.
    pub lms_user_id: Option<i64>,
    /// Whether the issuer marks the user as an administrator.
    pub is_staff: bool,
    /// The roles with a valid context. Others grant nothing.
    pub roles: Vec<TokenRole>,
}

/// Hides the email address from logs.
impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("username", &self.username)
            .field("email", &self.email.as_ref().map(|_| "***"))
            .field("email_is_verified", &self.email_is_verified)
            .field("lms_user_id", &self.lms_user_id)
            .field("is_staff", &self.is_staff)
            .field("roles", &self.roles)
            .finish()
    }
}

/// A role and the customers it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRole {
    /// The issuer's name of the role, such as `enterprise_admin`.
    pub name: String,
    /// The customers it is for.
    pub context: Context,
}

/// The customers a role is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Every customer, written `*`.
    All,
    /// The customer with this UUID.
    Customer(Uuid),
}

impl TokenRole {
    /// Reads `NAME:CONTEXT`; `None` unless the context is `*` or a UUID.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, context) = text.split_once(':')?;
        let context = match context {
            "*" => Context::All,
            uuid => Context::Customer(Uuid::parse_str(uuid).ok()?),
        };
        (!name.is_empty()).then(|| Self { name: name.to_owned(), context })
    }
}

/// Why a token is refused. [`TokenError::Restricted`] becomes 403, all others 401. The messages quote nothing of the
/// token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not a JWT, or `exp` or `iat` is missing.
    #[error("the access token is malformed")]
    Malformed,
    /// The signature is wrong, or its algorithm is not accepted.
    #[error("the access token is not signed by the trusted issuer")]
    BadSignature,
    /// `iss` is another issuer.
    #[error("the access token is from an issuer that is not trusted here")]
    WrongIssuer,
    /// `aud` does not name this service.
    #[error("the access token is meant for another service")]
    WrongAudience,
    /// `exp` has passed.
    #[error("the access token has expired; ask for a new one")]
    Expired,
    /// `iat` or `nbf` lies in the future.
    #[error("the access token is not valid yet; compare the clocks of its issuer and this server")]
    NotYetValid,
    /// `version` is 2 or later, or not a version.
    #[error("the access token has a version that is not supported; versions up to 1.x are")]
    UnsupportedVersion,
    /// Neither `preferred_username` nor `username`.
    #[error("the access token names no user")]
    NoUsername,
    /// `is_restricted` is true.
    #[error("restricted access tokens are not accepted here")]
    Restricted,
}

/// The longest user name, in characters.
pub const MAX_USERNAME_LENGTH: usize = 255;

/// What every token must contain.
pub(super) struct Expected {
    pub(super) issuer: String,
    /// `None`: tokens for any audience are accepted.
    pub(super) audience: Option<String>,
    pub(super) require_verified_email: bool,
}

impl Expected {
    /// Checks the claims of a token whose signature and audience were verified. `role_names` has our names of roles by
    /// the issuers'.
    pub(super) fn check(
        &self,
        claims: &Map<String, Value>,
        now: DateTime<Utc>,
        role_names: &BTreeMap<String, String>,
    ) -> Result<AccessToken, TokenError> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if text("iss") != Some(self.issuer.as_str()) {
            return Err(TokenError::WrongIssuer);
        }
        check_times(claims, now)?;
        check_version(claims.get("version"))?;
        let username = text("preferred_username").or_else(|| text("username")).ok_or(TokenError::NoUsername)?;
        // Postgres cannot store null characters.
        if username.contains('\0') || username.chars().count() > MAX_USERNAME_LENGTH {
            return Err(TokenError::Malformed);
        }
        // Anything other than a clear no counts as yes.
        if !matches!(claims.get("is_restricted"), None | Some(Value::Null | Value::Bool(false))) {
            return Err(TokenError::Restricted);
        }
        let normal = |email: &str| email.parse::<Email>().map_or_else(|_| email.to_owned(), String::from);
        let is_unverified = claims.get("email_verified") == Some(&Value::Bool(false));
        Ok(AccessToken {
            username: username.to_owned(),
            email: text("email").filter(|email| !email.contains('\0')).map(normal),
            email_is_verified: !(self.require_verified_email && is_unverified),
            lms_user_id: claims.get("user_id").and_then(integer).filter(|id| *id > 0),
            is_staff: claims.get("administrator") == Some(&Value::Bool(true)),
            roles: roles(claims.get("roles"), role_names),
        })
    }

    pub(super) fn is_audience(&self, claim: Option<&Value>) -> bool {
        let Some(expected) = self.audience.as_deref() else { return true };
        match claim {
            Some(Value::String(audience)) => audience == expected,
            Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience.as_str() == Some(expected)),
            _ => false,
        }
    }
}

pub(super) fn check_times(claims: &Map<String, Value>, now: DateTime<Utc>) -> Result<(), TokenError> {
    let seconds = |name: &str| claims.get(name).and_then(Value::as_f64);
    // A float like the claims, which may have a fraction; exact to a microsecond for centuries.
    let now = now.timestamp_micros() as f64 / 1e6;
    let expiry = seconds("exp").ok_or(TokenError::Malformed)?;
    let issued = seconds("iat").ok_or(TokenError::Malformed)?;
    if expiry <= now - LEEWAY_SECONDS {
        return Err(TokenError::Expired);
    }
    let valid_from = match claims.get("nbf") {
        None | Some(Value::Null) => issued,
        Some(nbf) => nbf.as_f64().ok_or(TokenError::Malformed)?.max(issued),
    };
    if valid_from > now + LEEWAY_SECONDS { Err(TokenError::NotYetValid) } else { Ok(()) }
}

fn check_version(claim: Option<&Value>) -> Result<(), TokenError> {
    let version = match claim {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(version)) => version.clone(),
        Some(version) => version.to_string(),
    };
    match version.split('.').next().map(str::parse::<u64>) {
        Some(Ok(0 | 1)) => Ok(()),
        _ => Err(TokenError::UnsupportedVersion),
    }
}

/// A whole number, also if it is written as text.
fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn roles(claim: Option<&Value>, names: &BTreeMap<String, String>) -> Vec<TokenRole> {
    let roles = claim.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let roles = roles.iter().filter_map(Value::as_str).filter_map(TokenRole::parse);
    roles.map(|role| TokenRole { name: names.get(&role.name).cloned().unwrap_or(role.name), ..role }).collect()
}
