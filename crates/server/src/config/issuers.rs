//! The issuers of access tokens.

use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::read::{optional_text, text};
use super::value::{JwkSetSource, Secret, shown};

/// An issuer of access tokens. It needs `hs256_secret`, `jwk_set` or both.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// The `iss` of its tokens.
    #[serde(deserialize_with = "text")]
    pub issuer: String,
    /// The audience that a token's `aud` must be or contain; `None`: tokens for any audience are accepted.
    #[serde(default, deserialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The secret for HS256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hs256_secret: Option<Secret>,
    /// The public keys for RS256 and RS512.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwk_set: Option<JwkSetSource>,
}

/// A list of issuers: tables of the file, or JSON in the environment. Errors quote no value: it may be a secret.
pub(super) fn issuers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IssuerConfig>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Json(String),
        Tables(Vec<Value>),
    }

    const FORM: &str = "it must be a list of issuers with the keys issuer, audience, hs256_secret and jwk_set, in the \
                        environment as JSON";
    let issuers = match Written::deserialize(deserializer).map_err(|_| D::Error::custom(FORM))? {
        Written::Json(text) => serde_json::from_str(&text),
        Written::Tables(tables) => serde_json::from_value(Value::Array(tables)),
    };
    issuers.map_err(|_| D::Error::custom(FORM))
}

/// As JSON text, which the file and the environment accept alike. URLs are without secrets.
pub(super) fn as_json<S: Serializer>(issuers: &[IssuerConfig], serializer: S) -> Result<S::Ok, S::Error> {
    match issuers {
        [] => issuers.serialize(serializer),
        _ => {
            let visible = issuers.iter().map(|issuer| IssuerConfig {
                issuer: shown(&issuer.issuer),
                audience: issuer.audience.as_deref().map(shown),
                ..issuer.clone()
            });
            let visible: Vec<_> = visible.collect();
            serializer.serialize_str(&serde_json::to_string(&visible).map_err(S::Error::custom)?)
        }
    }
}
