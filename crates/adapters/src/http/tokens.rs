//! Access tokens for calls to upstream services.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::client::{Client, no_answer, read};
use super::traced::{self, Shown};
use crate::calls::{CallOutcome, observed};

/// A token is replaced this long before it expires, so that it stays valid during a call.
const MARGIN: Duration = Duration::from_secs(30);

/// The credentials of this service's OAuth client.
#[derive(Clone)]
pub struct Credentials {
    /// The client id.
    pub client_id: String,
    /// The client secret.
    pub client_secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// The access tokens of one OAuth client. All callers share one token until shortly before it expires. Concurrent
/// callers share the fetch of a new one.
#[derive(Debug)]
pub struct AccessTokens {
    url: String,
    credentials: Credentials,
    client: Client,
    current: Mutex<Option<Token>>,
}

struct Token {
    text: String,
    usable_until: Instant,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("usable_until", &self.usable_until).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    /// In seconds.
    expires_in: u64,
}

impl AccessTokens {
    /// Tokens from the service at `base`, a URL without a trailing slash.
    pub fn new(base: &str, credentials: Credentials, client: Client) -> Self {
        Self { url: format!("{base}/oauth2/access_token"), credentials, client, current: Mutex::new(None) }
    }

    /// Whether the service gives a token.
    ///
    /// # Errors
    /// What happened, as a text that follows the service's name.
    pub async fn ask(&self) -> Result<(), String> {
        self.current().await.map(drop)
    }

    /// A valid token.
    ///
    /// # Errors
    /// What happened, as a text that follows the service's name.
    pub(super) async fn current(&self) -> Result<String, String> {
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref().filter(|token| Instant::now() < token.usable_until) {
            return Ok(token.text.clone());
        }
        let token = self.fetch().await?;
        let text = token.text.clone();
        *current = Some(token);
        Ok(text)
    }

    /// Drops the token; the next call fetches another.
    pub(super) async fn forget(&self) {
        *self.current.lock().await = None;
    }

    async fn fetch(&self) -> Result<Token, String> {
        let asked = Instant::now();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.credentials.client_id),
            ("client_secret", &self.credentials.client_secret),
            ("token_type", "jwt"),
        ];
        let call = async {
            let request = self.client.request(Method::POST, &self.url).form(&form);
            let answer =
                traced::send("oauth", Shown::Path, request).await.map_err(|error| (no_answer(&error), None))?;
            let status = answer.status();
            if !status.is_success() {
                return Err((format!("answered {status}"), Some(status)));
            }
            read(answer).await.map_err(|problem| (problem, None))
        };
        let outcome = |(_, status): &(String, Option<StatusCode>)| CallOutcome::of_status(*status);
        let body =
            observed(self.client.on_call.as_ref(), "oauth", call, outcome).await.map_err(|(problem, _)| problem)?;
        let response: TokenResponse =
            serde_json::from_slice(&body).map_err(|_| "answered something that is not a token".to_owned())?;
        let lifetime = Duration::from_secs(response.expires_in).saturating_sub(MARGIN);
        Ok(Token { text: response.access_token, usable_until: asked + lifetime })
    }
}
