//! The issuers of access tokens.

use std::collections::BTreeMap;

use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::read::{optional_text, text};
use super::settings::AuthConfig;
use super::value::{JwkSetSource, Secret};

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
    /// As in [`AuthConfig`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hs256_secret: Option<Secret>,
    /// As in [`AuthConfig`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwk_set: Option<JwkSetSource>,
}

impl AuthConfig {
    /// Every trusted issuer. The first is that of the section's own keys, unless it has no key and others are listed.
    pub fn all_issuers(&self) -> Vec<IssuerConfig> {
        let first = IssuerConfig {
            issuer: self.issuer.clone(),
            audience: Some(self.audience.clone()).filter(|audience| audience != "*"),
            hs256_secret: self.hs256_secret.clone(),
            jwk_set: self.jwk_set.clone(),
        };
        let is_used = first.hs256_secret.is_some() || first.jwk_set.is_some() || self.issuers.is_empty();
        is_used.then_some(first).into_iter().chain(self.issuers.iter().cloned()).collect()
    }

    /// The roles by their other names in tokens.
    pub fn roles_by_name(&self) -> BTreeMap<String, String> {
        let pairs = self.role_names.iter().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, role)| (name.to_owned(), role.to_owned())).collect()
    }
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

/// As JSON text, which the file and the environment accept alike.
pub(super) fn as_json<S: Serializer>(issuers: &[IssuerConfig], serializer: S) -> Result<S::Ok, S::Error> {
    match issuers {
        [] => issuers.serialize(serializer),
        _ => serializer.serialize_str(&serde_json::to_string(issuers).map_err(S::Error::custom)?),
    }
}
