//! A clock, an issuer's secret and tokens for the tests.

use chrono::{DateTime, Utc};
use jsonwebtoken::{EncodingKey, Header, encode};
use license_manager::config::{AuthConfig, Secret};
use serde_json::{Value, json};

pub const SECRET: &str = "the-issuer's-secret-the-issuer's-secret";

pub fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub fn claims() -> Value {
    json!({
        "iss": "http://localhost:18000/oauth2", "aud": "license-manager", "version": "1.2.0",
        "iat": now().timestamp() - 10, "exp": now().timestamp() + 3600,
        "preferred_username": "ada", "email": "Ada@example.com", "user_id": 7,
        "administrator": false, "superuser": true, "is_restricted": false, "roles": [],
    })
}

/// The usual claims with changes; `null` removes a claim.
pub fn claims_with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

pub fn sign_with(secret: &str, claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

pub fn secret_config() -> AuthConfig {
    AuthConfig { hs256_secret: Some(Secret::try_from(SECRET.to_owned()).unwrap()), ..AuthConfig::default() }
}
