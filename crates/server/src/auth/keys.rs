//! The issuer's public keys, from the configuration, a file, or a URL that is fetched regularly.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::config::JwkSetSource;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes read of a JWK set; far above any real one.
const ANSWER_LIMIT_BYTES: usize = 1024 * 1024;
/// The shortest time between two fetches caused by unknown keys.
const REREAD_PAUSE: TimeDelta = TimeDelta::seconds(10);

/// Why tokens cannot be verified with this configuration.
#[derive(Debug, Error)]
pub enum KeyError {
    /// No key is configured for this issuer.
    #[error(
        "no key to verify access tokens of {issuer} with: set LM_AUTH__HS256_SECRET or LM_AUTH__JWK_SET (hs256_secret or jwk_set of an entry of auth.issuers), or try things out with `serve --demo`"
    )]
    NoKey {
        /// The issuer.
        issuer: String,
    },
    /// The JWK set file cannot be read.
    #[error("auth.jwk_set: cannot read the file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The text is not a JWK set, or has no RSA signing key.
    #[error("auth.jwk_set: {0}")]
    JwkSet(&'static str),
    /// The JWK set cannot be fetched.
    #[error("auth.jwk_set: {0}")]
    Fetch(String),
}

/// The RSA keys that tokens may be signed with.
pub(super) struct IssuerKeys {
    current: Arc<Current>,
    refreshing: Option<JoinHandle<()>>,
}

struct Current {
    keys: RwLock<Arc<[DecodingKey]>>,
    remote: Option<Remote>,
}

struct Remote {
    url: Url,
    client: Client,
    /// When an unknown key last caused a fetch.
    last_reread: Mutex<Option<DateTime<Utc>>>,
}

impl IssuerKeys {
    /// Reads the keys. A URL is fetched again every `refresh`, in a task of the current tokio runtime. If the first
    /// fetch fails, no token matches until a later one succeeds.
    pub(super) async fn open(source: &JwkSetSource, refresh: Duration) -> Result<Self, KeyError> {
        let url = match source {
            JwkSetSource::Inline(text) => return Ok(Self::fixed(parse(text.as_bytes())?)),
            JwkSetSource::File(path) => {
                let text = std::fs::read(path).map_err(|source| KeyError::File { path: path.clone(), source })?;
                return Ok(Self::fixed(parse(&text)?));
            }
            JwkSetSource::Url(url) => url.clone(),
        };
        let remote = Remote::new(url)?;
        let current = Arc::new(Current { keys: RwLock::new(Arc::new([])), remote: Some(remote) });
        current.read_again().await;
        let refreshed = Arc::clone(&current);
        let refreshing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(refresh).await;
                refreshed.read_again().await;
            }
        });
        Ok(Self { current, refreshing: Some(refreshing) })
    }

    fn fixed(keys: Arc<[DecodingKey]>) -> Self {
        Self { current: Arc::new(Current { keys: RwLock::new(keys), remote: None }), refreshing: None }
    }

    /// The current keys.
    pub(super) fn current(&self) -> Arc<[DecodingKey]> {
        Arc::clone(&self.current.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches the set again because a token matched no key; the issuer may have added one. Does nothing within 10
    /// seconds of the last such fetch, or if the keys are fixed. Waits for a fetch that is already running.
    pub(super) async fn look_for_new_ones(&self, now: DateTime<Utc>) {
        let Some(remote) = &self.current.remote else {
            return;
        };
        let mut last = remote.last_reread.lock().await;
        if last.is_none_or(|last| (now - last).abs() >= REREAD_PAUSE) {
            *last = Some(now);
            self.current.read_again().await;
        }
    }
}

impl Drop for IssuerKeys {
    fn drop(&mut self) {
        if let Some(task) = &self.refreshing {
            task.abort();
        }
    }
}

impl Current {
    /// Fetches the keys. On failure the old ones stay in use.
    async fn read_again(&self) {
        let Some(remote) = &self.remote else { return };
        match remote.fetch().await {
            Ok(keys) => *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys,
            Err(error) => {
                tracing::warn!(%error, "fetching the issuer's keys failed; the old keys stay in use");
            }
        }
    }
}

impl Remote {
    fn new(url: Url) -> Result<Self, KeyError> {
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .build()
            .map_err(|error| KeyError::Fetch(error.to_string()))?;
        Ok(Self { url, client, last_reread: Mutex::new(None) })
    }

    async fn fetch(&self) -> Result<Arc<[DecodingKey]>, KeyError> {
        // Without the URL, which may hold a password.
        let failed = |error: reqwest::Error| KeyError::Fetch(chain(&error.without_url()));
        let answer = self.client.get(self.url.clone()).send().await.map_err(failed)?;
        let mut answer = answer.error_for_status().map_err(failed)?;
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if text.len() + chunk.len() > ANSWER_LIMIT_BYTES {
                return Err(KeyError::JwkSet("the answer is too long for a JWK set"));
            }
            text.extend_from_slice(&chunk);
        }
        parse(&text)
    }
}

/// Reads the keys once, and returns how many there are.
///
/// # Errors
/// Why there is none.
pub async fn read_keys(source: &JwkSetSource) -> Result<usize, KeyError> {
    let keys = match source {
        JwkSetSource::Url(url) => Remote::new(url.clone())?.fetch().await?,
        JwkSetSource::Inline(_) | JwkSetSource::File(_) => IssuerKeys::open(source, ANSWER_TIMEOUT).await?.current(),
    };
    Ok(keys.len())
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// The RSA signing keys of a JWK set. Other and invalid keys are skipped.
fn parse(text: &[u8]) -> Result<Arc<[DecodingKey]>, KeyError> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }

    let set: Set = serde_json::from_slice(text)
        .map_err(|_| KeyError::JwkSet("this is not a JWK set, a JSON object with `keys`"))?;
    let keys: Arc<[DecodingKey]> = set.keys.into_iter().filter_map(signing_key).collect();
    if keys.is_empty() { Err(KeyError::JwkSet("there is no RSA key for signatures in this JWK set")) } else { Ok(keys) }
}

fn signing_key(key: Value) -> Option<DecodingKey> {
    let key: Jwk = serde_json::from_value(key).ok()?;
    let for_signatures = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    match key.algorithm {
        AlgorithmParameters::RSA(_) if for_signatures => DecodingKey::from_jwk(&key).ok(),
        _ => None,
    }
}
