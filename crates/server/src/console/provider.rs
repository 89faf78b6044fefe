//! The providers of identities: the LMS, and OpenID Connect.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use license_manager_adapters::http::{
    AuthorizationRequest, Client, Credentials, Endpoints, SignInClient, SignInError, Tokens,
};
use license_manager_console::{Attempt, IdentityProvider, LoggedOut, ProviderError, ProviderIds, SignedIn};
use license_manager_domain::ports::Clock as _;
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use crate::auth::{AccessToken, Context, TokenVerifier};
use crate::config::{AuthConfig, ConsoleConfig, JwkSetSource, ProviderKind};
use crate::system::SystemClock;

/// Where browsers come back to, below the public URL.
const CALLBACK: &str = "/console/sign-in/callback";

/// The event of a logout token.
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// How long after its end the id of a logout token is remembered, in seconds.
const LOGOUT_LEEWAY_SECONDS: i64 = 60;

/// This service as a client of the configured provider; `None` if a setting is missing.
pub(crate) fn client_of(settings: &ConsoleConfig, client: Client) -> Option<SignInClient> {
    let credentials = Credentials {
        client_id: settings.client_id.clone()?,
        client_secret: settings.client_secret.as_ref()?.expose().to_owned(),
    };
    let redirect_uri = format!("{}{CALLBACK}", settings.public_url.as_ref()?.trim_end_matches('/'));
    // The LMS has opaque access tokens too.
    let token_type = (settings.provider == ProviderKind::Lms).then_some("jwt");
    Some(SignInClient::new(client, credentials, redirect_uri, token_type))
}

/// The LMS. Its access tokens are verified as those of API callers are.
pub(super) struct LmsProvider {
    endpoints: Endpoints,
    client: SignInClient,
    verifier: Arc<TokenVerifier>,
}

impl LmsProvider {
    pub(super) fn new(url: &str, client: SignInClient, verifier: Arc<TokenVerifier>) -> Self {
        let url = url.trim_end_matches('/');
        let endpoints = Endpoints {
            issuer: String::new(),
            authorization_endpoint: format!("{url}/oauth2/authorize"),
            token_endpoint: format!("{url}/oauth2/access_token"),
            jwks_uri: String::new(),
        };
        Self { endpoints, client, verifier }
    }

    async fn signed_in(&self, tokens: Tokens) -> Result<SignedIn, ProviderError> {
        let token = verified(&self.verifier, &tokens.access_token).await?;
        Ok(signed_in(token, tokens.refresh_token, ProviderIds::default()))
    }
}

#[async_trait]
impl IdentityProvider for LmsProvider {
    fn name(&self) -> &str {
        "the LMS"
    }

    async fn authorization_url(&self, attempt: &Attempt) -> Result<String, ProviderError> {
        let request = AuthorizationRequest {
            scope: "user_id profile email",
            state: &attempt.state,
            nonce: None,
            verifier: &attempt.verifier,
        };
        self.client.authorization_url(&self.endpoints, &request).map_err(told)
    }

    async fn exchange(&self, code: &str, attempt: &Attempt) -> Result<SignedIn, ProviderError> {
        let tokens = self.client.exchange(&self.endpoints, code, &attempt.verifier).await.map_err(told)?;
        self.signed_in(tokens).await
    }

    async fn refresh(&self, refresh_token: &str) -> Result<SignedIn, ProviderError> {
        let tokens = self.client.refresh(&self.endpoints, refresh_token).await.map_err(told)?;
        self.signed_in(tokens).await
    }

    /// The LMS sends browsers to the path that ends a session instead.
    async fn logged_out(&self, _: &str) -> Result<LoggedOut, ProviderError> {
        Err(refused("The LMS sends no logout tokens. Only an OpenID Connect provider does."))
    }
}

/// An OpenID Connect provider. Its identity tokens say who somebody is, and which roles they have.
pub(super) struct OidcProvider {
    issuer: String,
    client_id: String,
    client: SignInClient,
    auth: AuthConfig,
    /// What was discovered, once.
    discovered: OnceCell<Discovered>,
}

struct Discovered {
    endpoints: Endpoints,
    verifier: TokenVerifier,
}

impl OidcProvider {
    pub(super) fn new(issuer: String, client_id: String, client: SignInClient, auth: AuthConfig) -> Self {
        Self { issuer, client_id, client, auth, discovered: OnceCell::new() }
    }

    async fn discovered(&self) -> Result<&Discovered, ProviderError> {
        self.discovered.get_or_try_init(|| self.discover()).await
    }

    async fn discover(&self) -> Result<Discovered, ProviderError> {
        let endpoints = self.client.discover(&self.issuer).await.map_err(told)?;
        let unusable = |problem: String| ProviderError::Unavailable(format!("its keys cannot be used: {problem}"));
        if !endpoints.jwks_uri.starts_with("https://") && !endpoints.jwks_uri.starts_with("http://") {
            return Err(unusable("their address is not one of the web".to_owned()));
        }
        let keys = JwkSetSource::try_from(endpoints.jwks_uri.clone()).map_err(|error| unusable(error.to_string()))?;
        let config = AuthConfig {
            issuer: endpoints.issuer.clone(),
            audience: self.client_id.clone(),
            hs256_secret: None,
            jwk_set: Some(keys),
            issuers: Vec::new(),
            ..self.auth.clone()
        };
        let verifier = TokenVerifier::from_config(&config).await.map_err(|error| unusable(error.to_string()))?;
        Ok(Discovered { endpoints, verifier })
    }

    async fn signed_in(&self, tokens: Tokens, nonce: Option<&str>) -> Result<SignedIn, ProviderError> {
        let Discovered { verifier, .. } = self.discovered().await?;
        let id_token = tokens.id_token.ok_or_else(|| refused("The provider gave no identity token."))?;
        let token = verified(verifier, &id_token).await?;
        let claim = |name: &str| claim_of(&id_token, name);
        if nonce.is_some_and(|nonce| claim("nonce").as_deref() != Some(nonce)) {
            return Err(refused("The identity token belongs to another sign-in. Try again."));
        }
        let ids = ProviderIds { session: claim("sid"), subject: claim("sub") };
        Ok(signed_in(token, tokens.refresh_token, ids))
    }
}

#[async_trait]
impl IdentityProvider for OidcProvider {
    fn name(&self) -> &str {
        "single sign-on"
    }

    async fn authorization_url(&self, attempt: &Attempt) -> Result<String, ProviderError> {
        let request = AuthorizationRequest {
            scope: "openid profile email offline_access",
            state: &attempt.state,
            nonce: Some(&attempt.nonce),
            verifier: &attempt.verifier,
        };
        self.client.authorization_url(&self.discovered().await?.endpoints, &request).map_err(told)
    }

    async fn exchange(&self, code: &str, attempt: &Attempt) -> Result<SignedIn, ProviderError> {
        let endpoints = &self.discovered().await?.endpoints;
        let tokens = self.client.exchange(endpoints, code, &attempt.verifier).await.map_err(told)?;
        self.signed_in(tokens, Some(&attempt.nonce)).await
    }

    async fn refresh(&self, refresh_token: &str) -> Result<SignedIn, ProviderError> {
        let endpoints = &self.discovered().await?.endpoints;
        let tokens = self.client.refresh(endpoints, refresh_token).await.map_err(told)?;
        self.signed_in(tokens, None).await
    }

    async fn logged_out(&self, logout_token: &str) -> Result<LoggedOut, ProviderError> {
        let verifier = &self.discovered().await?.verifier;
        let claims = verifier.claims(logout_token, SystemClock.now()).await;
        logged_out(&claims.map_err(|error| refused(&format!("The logout token is not accepted here: {error}.")))?)
    }
}

fn refused(text: &str) -> ProviderError {
    ProviderError::Refused(text.to_owned())
}

fn told(error: SignInError) -> ProviderError {
    match error {
        SignInError::Refused => refused("The provider refused the sign-in. Try again."),
        SignInError::Unavailable(problem) => ProviderError::Unavailable(format!("the provider {problem}")),
    }
}

async fn verified(verifier: &TokenVerifier, token: &str) -> Result<AccessToken, ProviderError> {
    verifier
        .verify(token, SystemClock.now())
        .await
        .map_err(|error| ProviderError::Refused(format!("The provider's token is not accepted here: {error}.")))
}

/// The text of a claim in a token that was verified.
fn claim_of(token: &str, name: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    text_of(&claims, name)
}

/// The text of a claim. Postgres cannot store null characters.
fn text_of(claims: &Map<String, Value>, name: &str) -> Option<String> {
    claims.get(name)?.as_str().filter(|text| !text.is_empty() && !text.contains('\0')).map(str::to_owned)
}

/// What a logout token says whose issuer, signature, audience and times were verified: OpenID Connect Back-Channel
/// Logout, "Logout Token Validation".
fn logged_out(claims: &Map<String, Value>) -> Result<LoggedOut, ProviderError> {
    let is_logout = claims.get("events").and_then(|events| events.get(LOGOUT_EVENT)).is_some_and(Value::is_object);
    if !is_logout {
        return Err(refused("The token is no logout token: it has no such event."));
    }
    // An identity token has one, and must not be taken for a logout token.
    if claims.contains_key("nonce") {
        return Err(refused("A logout token may have no nonce."));
    }
    let ids = ProviderIds { session: text_of(claims, "sid"), subject: text_of(claims, "sub") };
    if ids == ProviderIds::default() {
        return Err(refused("The logout token names neither a session nor a person."));
    }
    let token_id = text_of(claims, "jti").ok_or_else(|| refused("The logout token has no id."))?;
    let expiry =
        claims.get("exp").and_then(Value::as_f64).map(|seconds| (seconds as i64).saturating_add(LOGOUT_LEEWAY_SECONDS));
    let until = expiry.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let until = until.ok_or_else(|| refused("The end of the logout token cannot be read."))?;
    Ok(LoggedOut { ids, token_id, until })
}

fn signed_in(token: AccessToken, refresh_token: Option<String>, provider: ProviderIds) -> SignedIn {
    let roles = token.roles.iter().map(|role| match role.context {
        Context::All => format!("{}:*", role.name),
        Context::Customer(customer) => format!("{}:{customer}", role.name),
    });
    SignedIn {
        roles: roles.collect(),
        username: token.username,
        email: token.email.filter(|_| token.email_is_verified),
        is_staff: token.is_staff,
        refresh_token,
        provider,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logout_token_is_no_other_token() {
        let right = serde_json::json!({
            "events": { LOGOUT_EVENT: {} }, "sid": "session", "sub": "amy", "jti": "one", "exp": 1_900_000_000,
        });
        let of = |change: &dyn Fn(&mut Map<String, Value>)| {
            let mut claims = right.as_object().unwrap().clone();
            change(&mut claims);
            logged_out(&claims)
        };
        let told = of(&|_| {}).ok().unwrap();
        assert_eq!((told.ids.session.as_deref(), told.token_id.as_str()), (Some("session"), "one"));
        assert_eq!(told.until.timestamp(), 1_900_000_060);
        assert!(of(&|claims| drop(claims.remove("sid"))).is_ok(), "the person is enough");
        type Change<'a> = &'a dyn Fn(&mut Map<String, Value>);
        let refusals: [(&str, Change<'_>); 6] = [
            ("no event", &|claims| drop(claims.remove("events"))),
            ("another event", &|claims| drop(claims.insert("events".to_owned(), serde_json::json!({ "other": {} })))),
            ("an event that is no object", &|claims| {
                drop(claims.insert("events".to_owned(), serde_json::json!({ LOGOUT_EVENT: 1 })))
            }),
            ("a nonce", &|claims| drop(claims.insert("nonce".to_owned(), Value::Null))),
            ("no id", &|claims| drop(claims.remove("jti"))),
            ("nobody", &|claims| claims.retain(|name, _| name != "sid" && name != "sub")),
        ];
        for (about, change) in refusals {
            assert!(matches!(of(change), Err(ProviderError::Refused(_))), "{about}");
        }
    }
}
