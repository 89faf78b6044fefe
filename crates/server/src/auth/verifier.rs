//! Verifies access tokens.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::keys::{IssuerKeys, KeyError};
use super::token::{AccessToken, Expected, TokenError};
use crate::config::AuthConfig;

/// Verifies access tokens: HS256 with the issuer's secret, RS256 and RS512 with any key of its JWK set. One instance is
/// shared by all workers.
pub struct TokenVerifier {
    expected: Expected,
    secret: Option<DecodingKey>,
    keys: Option<IssuerKeys>,
}

impl TokenVerifier {
    /// Reads the keys from the configuration. A JWK set at a URL is fetched now and again in the background, so this
    /// needs a tokio runtime; a failed fetch is only logged.
    ///
    /// # Errors
    /// [`KeyError`] without a secret or JWK set, or with an unusable JWK set.
    pub async fn from_config(config: &AuthConfig) -> Result<Self, KeyError> {
        let keys = match &config.jwk_set {
            Some(source) => Some(IssuerKeys::open(source, Duration::from_secs(config.jwk_set_refresh_seconds)).await?),
            None => None,
        };
        let secret = config.hs256_secret.as_ref().map(|secret| DecodingKey::from_secret(secret.expose().as_bytes()));
        if secret.is_none() && keys.is_none() {
            return Err(KeyError::NoKey);
        }
        let expected = Expected { issuer: config.issuer.clone(), audience: config.audience.clone() };
        Ok(Self { expected, secret, keys })
    }

    /// Verifies a token at `now`: its signature, with a key for its algorithm, then its claims.
    ///
    /// # Errors
    /// The first check that failed, see [`TokenError`].
    pub async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<AccessToken, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        // RFC 7515: a token with an unknown critical extension must be refused. We know none.
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

/// The claims, if one of the keys signed the token.
fn claims(token: &str, algorithm: Algorithm, keys: &[DecodingKey]) -> Result<Option<Map<String, Value>>, TokenError> {
    // Only the signature: the claims are checked against the caller's clock.
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
