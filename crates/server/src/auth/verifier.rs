//! Verifies access tokens.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::{IssuerKeys, KeyError};
use super::token::{AccessToken, Expected, TokenError, check_times};
use crate::config::{AuthConfig, IssuerConfig};

/// Verifies access tokens: HS256 with the issuer's secret, RS256 and RS512 with any key of its JWK set. One instance is
/// shared by all workers.
pub struct TokenVerifier {
    issuers: Vec<Issuer>,
    /// Our names of roles by the issuers' names.
    role_names: BTreeMap<String, String>,
}

/// A trusted issuer and its keys.
struct Issuer {
    expected: Expected,
    secret: Option<DecodingKey>,
    keys: Option<IssuerKeys>,
}

impl TokenVerifier {
    /// Reads the keys from the configuration. A JWK set at a URL is fetched now and again in the background, so this
    /// needs a tokio runtime; a failed fetch is only logged.
    ///
    /// # Errors
    /// [`KeyError`] if an issuer has neither a secret nor a JWK set, or an unusable JWK set.
    pub async fn from_config(config: &AuthConfig) -> Result<Self, KeyError> {
        let refresh = Duration::from_secs(config.jwk_set_refresh_seconds);
        let mut issuers = Vec::new();
        for issuer in config.all_issuers() {
            let keys = match &issuer.jwk_set {
                Some(source) => Some(IssuerKeys::open(source, refresh).await?),
                None => None,
            };
            issuers.push(Issuer::new(issuer, keys, config.require_verified_email)?);
        }
        Ok(Self { issuers, role_names: config.roles_by_name() })
    }

    /// The claims of a token at `now`, whatever it is for: its issuer is trusted, its signature is of that issuer, it is
    /// for this service, and it is valid now.
    ///
    /// # Errors
    /// The first check that failed, see [`TokenError`].
    pub async fn claims(&self, token: &str, now: DateTime<Utc>) -> Result<Map<String, Value>, TokenError> {
        let (_, claims) = self.signed_claims(token, now).await?;
        check_times(&claims, now)?;
        Ok(claims)
    }

    /// Verifies a token at `now`: that its issuer is trusted, its signature with a key of that issuer, then its claims.
    ///
    /// # Errors
    /// The first check that failed, see [`TokenError`].
    pub async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<AccessToken, TokenError> {
        let (issuer, claims) = self.signed_claims(token, now).await?;
        issuer.expected.check(&claims, now, &self.role_names)
    }

    /// The claims of a token that a trusted issuer signed for this service, and that issuer.
    async fn signed_claims(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<(&Issuer, Map<String, Value>), TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        // RFC 7515: a token with an unknown critical extension must be refused. We know none.
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let named = stated_issuer(token)?;
        let mut refusal = TokenError::WrongIssuer;
        // An issuer may be listed twice, with another audience or other keys.
        for issuer in self.issuers.iter().filter(|issuer| issuer.expected.issuer == named) {
            match issuer.verify(token, header.alg, now).await {
                Ok(claims) => return Ok((issuer, claims)),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }
}

impl Issuer {
    fn new(config: IssuerConfig, keys: Option<IssuerKeys>, require_verified_email: bool) -> Result<Self, KeyError> {
        let secret = config.hs256_secret.map(|secret| DecodingKey::from_secret(secret.expose().as_bytes()));
        if secret.is_none() && keys.is_none() {
            return Err(KeyError::NoKey { issuer: config.issuer });
        }
        let expected = Expected { issuer: config.issuer, audience: config.audience, require_verified_email };
        Ok(Self { expected, secret, keys })
    }

    /// The claims of a token that this issuer signed for this service.
    async fn verify(
        &self,
        token: &str,
        algorithm: Algorithm,
        now: DateTime<Utc>,
    ) -> Result<Map<String, Value>, TokenError> {
        let claims = match (algorithm, &self.secret, &self.keys) {
            (Algorithm::HS256, Some(secret), _) => claims(token, algorithm, std::slice::from_ref(secret))?,
            (Algorithm::RS256 | Algorithm::RS512, _, Some(keys)) => match claims(token, algorithm, &keys.current())? {
                Some(claims) => Some(claims),
                None => {
                    keys.look_for_new_ones(now).await;
                    claims(token, algorithm, &keys.current())?
                }
            },
            _ => None,
        };
        let claims = claims.ok_or(TokenError::BadSignature)?;
        if self.expected.is_audience(claims.get("aud")) { Ok(claims) } else { Err(TokenError::WrongAudience) }
    }
}

/// The issuer that a token names, before anything of it is verified: it only selects the keys.
fn stated_issuer(token: &str) -> Result<String, TokenError> {
    #[derive(Deserialize)]
    struct Stated {
        #[serde(default)]
        iss: Value,
    }

    let payload = token.split('.').nth(1).ok_or(TokenError::Malformed)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Malformed)?;
    let stated: Stated = serde_json::from_slice(&payload).map_err(|_| TokenError::Malformed)?;
    match stated.iss {
        Value::String(issuer) => Ok(issuer),
        _ => Err(TokenError::WrongIssuer),
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
