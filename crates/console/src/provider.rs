//! Where people sign in.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use license_manager_domain::console::ProviderIds;

/// Somebody who has signed in, as the provider's verified token describes them.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The user name.
    pub username: String,
    /// The email address, if the token has one that is theirs.
    pub email: Option<String>,
    /// Whether the token calls them an administrator.
    pub is_staff: bool,
    /// The roles in the token, as `name:context`.
    pub roles: Vec<String>,
    /// What renews the roles, if the provider gave it.
    pub refresh_token: Option<String>,
    /// How an OpenID Connect provider names the person and its session.
    pub provider: ProviderIds,
}

/// What a verified logout token of an OpenID Connect provider says.
#[derive(Clone, PartialEq, Eq)]
pub struct LoggedOut {
    /// Whose sessions end.
    pub ids: ProviderIds,
    /// The token's id. A token with the same id must not be used again.
    pub token_id: String,
    /// Until when the token can be used.
    pub until: DateTime<Utc>,
}

/// The secrets of one attempt to sign in. The browser keeps them in a cookie until it comes back.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What the provider sends back.
    pub state: String,
    /// What the identity token must contain.
    pub nonce: String,
    /// The verifier of PKCE.
    pub verifier: String,
}

/// Why nobody was signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderError {
    /// The provider or the token's checks refused it. The text says why and names no person.
    Refused(String),
    /// The provider did not answer. A retry may succeed.
    Unavailable(String),
}

/// A provider of identities: the LMS, or an OpenID Connect provider.
#[async_trait]
pub trait IdentityProvider: Send + Sync {
    /// Its name on the sign-in page.
    fn name(&self) -> &str;

    /// Where the browser goes to sign in.
    async fn authorization_url(&self, attempt: &Attempt) -> Result<String, ProviderError>;

    /// Exchanges the code that the browser brought back.
    async fn exchange(&self, code: &str, attempt: &Attempt) -> Result<SignedIn, ProviderError>;

    /// Asks again who somebody is.
    async fn refresh(&self, refresh_token: &str) -> Result<SignedIn, ProviderError>;

    /// Verifies a logout token of the provider; refuses it if the provider has none.
    async fn logged_out(&self, logout_token: &str) -> Result<LoggedOut, ProviderError>;
}

/// Somebody whom the demo signs in.
pub struct DemoPerson {
    /// What the button calls them.
    pub label: &'static str,
    /// Who they are.
    pub person: SignedIn,
}
