//! The section on the web console.

use serde::{Deserialize, Serialize};

use super::read::{optional_text, optional_web_address, whole_number};
use super::section::section;
use super::value::Secret;

/// The kind of a provider of identities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", rename_all(serialize = "lowercase"))]
pub enum ProviderKind {
    /// The LMS.
    #[default]
    Lms,
    /// An OpenID Connect provider.
    Oidc,
}

impl TryFrom<String> for ProviderKind {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "lms" => Ok(Self::Lms),
            "oidc" => Ok(Self::Oidc),
            _ => Err("it must be lms or oidc"),
        }
    }
}

section! {
    /// `[console]`: the web console at `/console/`. To sign in, the URLs and the client must be set.
    struct ConsoleConfig;

    /// Whether there is a console.
    enabled: bool = true;
    /// Where people sign in: at the LMS (`lms`), or at an OpenID Connect provider (`oidc`).
    provider: ProviderKind;
    /// The URL of the LMS, or the issuer of the OpenID Connect provider.
    #[serde(deserialize_with = "optional_web_address")]
    provider_url: Option<String>;
    /// The id of this service as a client of the provider.
    #[serde(deserialize_with = "optional_text")]
    client_id: Option<String>;
    /// Its secret.
    client_secret: Option<Secret>;
    /// The URL of this service as browsers see it. Browsers come back to it from the provider, at
    /// `/console/sign-in/callback`.
    #[serde(deserialize_with = "optional_web_address")]
    public_url: Option<String>;
    /// Days for which it is kept what people did to the service, here or by the API and commands, from 1 to a century.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 36_500>")]
    action_retention_days: u32 = 730;
}

impl ConsoleConfig {
    /// The settings without which nobody can sign in.
    pub fn missing(&self) -> Vec<&'static str> {
        let settings = [
            ("LM_CONSOLE__PROVIDER_URL", self.provider_url.is_some()),
            ("LM_CONSOLE__CLIENT_ID", self.client_id.is_some()),
            ("LM_CONSOLE__CLIENT_SECRET", self.client_secret.is_some()),
            ("LM_CONSOLE__PUBLIC_URL", self.public_url.is_some()),
        ];
        settings.into_iter().filter(|(_, is_set)| !is_set).map(|(name, _)| name).collect()
    }
}
