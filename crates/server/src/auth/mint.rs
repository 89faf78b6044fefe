//! Creates access tokens for development, signed with the issuer's secret.

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;
use thiserror::Error;

use super::TokenRole;
use crate::config::AuthConfig;

/// The contents of a development token.
#[derive(Debug, Clone)]
pub struct DevelopmentToken {
    /// The user's id in the LMS.
    pub user_id: i64,
    /// The user's email address.
    pub email: String,
    /// The user name.
    pub username: String,
    /// Roles as `NAME:CONTEXT`, where the context is a customer's UUID or `*`.
    pub roles: Vec<String>,
    /// Whether the user is staff.
    pub is_staff: bool,
    /// How long the token is valid, in seconds.
    pub lifetime_seconds: u32,
}

/// Why no token was created.
#[derive(Debug, Error)]
pub enum MintError {
    /// No HS256 secret is configured.
    #[error("there is no secret to sign the token with: set LM_AUTH__HS256_SECRET to the secret of the server")]
    NoSecret,
    /// A role that would grant nothing.
    #[error("the role `{0}` would grant nothing: write NAME:CONTEXT, where CONTEXT is a customer's UUID or *")]
    Role(String),
    /// Signing failed.
    #[error("the token cannot be signed: {0}")]
    Signing(String),
}

impl DevelopmentToken {
    /// A token issued at `now` and signed HS256 with the configured secret.
    ///
    /// # Errors
    /// See [`MintError`].
    pub fn mint(&self, config: &AuthConfig, now: DateTime<Utc>) -> Result<String, MintError> {
        let secret = config.hs256_secret.as_ref().ok_or(MintError::NoSecret)?;
        if let Some(role) = self.roles.iter().find(|role| TokenRole::parse(role).is_none()) {
            return Err(MintError::Role(role.escape_debug().to_string()));
        }
        let claims = json!({
            "iss": config.issuer,
            "aud": config.audience,
            "iat": now.timestamp(),
            "exp": (now + TimeDelta::seconds(i64::from(self.lifetime_seconds))).timestamp(),
            "version": "1.2.0",
            "sub": self.username,
            "preferred_username": self.username,
            "email": self.email,
            "user_id": self.user_id,
            "administrator": self.is_staff,
            "is_restricted": false,
            "roles": self.roles,
        });
        encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.expose().as_bytes()))
            .map_err(|error| MintError::Signing(error.to_string()))
    }
}
