//! Tells the issuer's tokens from all others.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::keys::{IssuerKeys, KeyError};
use super::token::{AccessToken, Expected, TokenError};
use crate::config::AuthConfig;

/// Verifies access tokens: HS256 with the issuer's secret, RS256 and RS512 with the keys of its JWK set, of which any may
/// match. One is made at the start and shared by all workers.
pub struct TokenVerifier {
    expected: Expected,
    secret: Option<DecodingKey>,
    keys: Option<IssuerKeys>,
}

impl TokenVerifier {
    /// Takes the keys from the configuration. A JWK set given as a URL is read now and in the background from now on,
    /// so this needs a tokio runtime; that it does not answer yet is no error, only logged.
    ///
    /// # Errors
    ///
    /// [`KeyError`], when there is neither a secret nor a JWK set, or a JWK set that is of no use.
    pub async fn from_config(config: &AuthConfig) -> Result<Self, KeyError> {
        let keys = match &config.jwk_set {
            Some(source) => Some(IssuerKeys::open(source, Duration::from_secs(config.jwk_set_refresh_seconds)).await?),
            None => None,
        };
        Self::new(config, keys)
    }

    pub(super) fn new(config: &AuthConfig, keys: Option<IssuerKeys>) -> Result<Self, KeyError> {
        let secret = config.hs256_secret.as_ref().map(|secret| DecodingKey::from_secret(secret.expose().as_bytes()));
        if secret.is_none() && keys.is_none() {
            return Err(KeyError::NoKey);
        }
        let expected = Expected { issuer: config.issuer.clone(), audience: config.audience.clone() };
        Ok(Self { expected, secret, keys })
    }

    /// What `token` says, if it holds at `now`. The signature is always checked, with a key of the kind that its
    /// algorithm needs.
    ///
    /// # Errors
    ///
    /// The first check that failed, see [`TokenError`].
    pub async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<AccessToken, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        // RFC 7515: what a token calls critical must be understood, and no such extension is.
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let claims = match (header.alg, &self.secret, &self.keys) {
            (Algorithm::HS256, Some(secret), _) => claims(token, header.alg, std::slice::from_ref(secret))?,
            (Algorithm::RS256 | Algorithm::RS512, _, Some(keys)) => match claims(token, header.alg, &keys.current())? {
                Some(claims) => Some(claims),
                None => {
                    keys.look_for_new_ones(now).await;
                    claims(token, header.alg, &keys.current())?
                }
            },
            _ => None,
        };
        self.expected.check(&claims.ok_or(TokenError::BadSignature)?, now)
    }
}

/// The claims of `token` if one of `keys` signed it.
fn claims(token: &str, algorithm: Algorithm, keys: &[DecodingKey]) -> Result<Option<Map<String, Value>>, TokenError> {
    // The signature alone: what the token says is checked against the caller's clock, not this library's.
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    for key in keys {
        match decode(token, key, &validation) {
            Ok(token) => return Ok(Some(token.claims)),
            Err(error) => match error.kind() {
                ErrorKind::InvalidToken | ErrorKind::Base64(_) | ErrorKind::Json(_) | ErrorKind::Utf8(_) => {
                    return Err(TokenError::Malformed);
                }
                _ => {}
            },
        }
    }
    Ok(None)
}
