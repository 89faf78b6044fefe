//! Signing people in: the authorization code flow of OAuth 2 with PKCE, and OpenID Connect's discovery.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::client::{Client, no_answer, read};
use super::tokens::Credentials;
use super::traced::{self, Shown};
use crate::calls::{CallOutcome, observed};

/// The name of the provider in metrics.
const PEER: &str = "sign_in";

/// Why there are no tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInError {
    /// The provider refused the code, the refresh token or this client.
    Refused,
    /// What happened instead of an answer, as a text that follows the provider's name.
    Unavailable(String),
}

/// The addresses of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Endpoints {
    /// The issuer of its tokens.
    #[serde(default)]
    pub issuer: String,
    /// Where browsers go.
    pub authorization_endpoint: String,
    /// Where codes become tokens.
    pub token_endpoint: String,
    /// Its public keys.
    #[serde(default)]
    pub jwks_uri: String,
}

/// The tokens for a code or a refresh token.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Tokens {
    /// The access token.
    pub access_token: String,
    /// OpenID Connect's token about the person.
    pub id_token: Option<String>,
    /// What gets the next ones.
    pub refresh_token: Option<String>,
}

/// What a request for authorization names.
#[derive(Debug, Clone, Copy)]
pub struct AuthorizationRequest<'a> {
    /// What is asked for, separated by spaces.
    pub scope: &'a str,
    /// What comes back with the browser.
    pub state: &'a str,
    /// What the identity token will contain.
    pub nonce: Option<&'a str>,
    /// The verifier of PKCE. Only its hash is sent.
    pub verifier: &'a str,
}

/// This service as a client of a provider.
#[derive(Debug, Clone)]
pub struct SignInClient {
    client: Client,
    credentials: Credentials,
    redirect_uri: String,
    /// Sent with every request for tokens.
    token_type: Option<&'static str>,
}

impl SignInClient {
    /// A client. `token_type` asks for tokens of a type, where the provider has several.
    pub fn new(
        client: Client,
        credentials: Credentials,
        redirect_uri: String,
        token_type: Option<&'static str>,
    ) -> Self {
        Self { client, credentials, redirect_uri, token_type }
    }

    /// Reads the addresses of an OpenID Connect provider, whose URL is its issuer.
    ///
    /// # Errors
    /// [`SignInError::Unavailable`]
    pub async fn discover(&self, issuer: &str) -> Result<Endpoints, SignInError> {
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let found: Endpoints = self.answer(self.client.request(Method::GET, &url)).await?;
        // Another provider's document would let it sign in this one's people.
        if found.issuer.trim_end_matches('/') != issuer.trim_end_matches('/') {
            return Err(SignInError::Unavailable("names another issuer in its configuration".to_owned()));
        }
        Ok(found)
    }

    /// Where the browser goes.
    ///
    /// # Errors
    /// [`SignInError::Unavailable`] if the endpoint is no URL.
    pub fn authorization_url(
        &self,
        endpoints: &Endpoints,
        request: &AuthorizationRequest<'_>,
    ) -> Result<String, SignInError> {
        let url = Url::parse(&endpoints.authorization_endpoint).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        let mut url = url.ok_or_else(|| SignInError::Unavailable("names no address to sign in at".to_owned()))?;
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, request.verifier.as_bytes()));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.credentials.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", request.scope)
            .append_pair("state", request.state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        if let Some(nonce) = request.nonce {
            url.query_pairs_mut().append_pair("nonce", nonce);
        }
        Ok(url.into())
    }

    /// Exchanges a code for tokens.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn exchange(&self, endpoints: &Endpoints, code: &str, verifier: &str) -> Result<Tokens, SignInError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", verifier),
        ];
        self.tokens(endpoints, &form).await
    }

    /// Exchanges a refresh token for new tokens.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn refresh(&self, endpoints: &Endpoints, refresh_token: &str) -> Result<Tokens, SignInError> {
        self.tokens(endpoints, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    async fn tokens(&self, endpoints: &Endpoints, form: &[(&str, &str)]) -> Result<Tokens, SignInError> {
        let mut form = form.to_vec();
        form.push(("client_id", &self.credentials.client_id));
        form.push(("client_secret", &self.credentials.client_secret));
        form.extend(self.token_type.map(|kind| ("token_type", kind)));
        self.answer(self.client.request(Method::POST, &endpoints.token_endpoint).form(&form)).await
    }

    async fn answer<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, SignInError> {
        let unavailable = |problem: String| (SignInError::Unavailable(problem), None::<StatusCode>);
        let call = async {
            let answer =
                traced::send(PEER, Shown::Path, request).await.map_err(|error| unavailable(no_answer(&error)))?;
            match answer.status() {
                status if status.is_success() => read(answer).await.map_err(unavailable),
                status @ (StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) => {
                    Err((SignInError::Refused, Some(status)))
                }
                status => Err((SignInError::Unavailable(format!("answered {status}")), Some(status))),
            }
        };
        let outcome = |(_, status): &(SignInError, Option<StatusCode>)| CallOutcome::of_status(*status);
        let body = observed(self.client.on_call.as_ref(), PEER, call, outcome).await.map_err(|(problem, _)| problem)?;
        serde_json::from_slice(&body)
            .map_err(|_| SignInError::Unavailable("answered something that is not understood".to_owned()))
    }
}
