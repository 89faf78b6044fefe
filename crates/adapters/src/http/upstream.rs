//! An upstream service that is called with access tokens.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use license_manager_domain::{Error, Upstream};
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::client::Client;
use super::service::{Call, Credential, Failure, Service};
use super::tokens::AccessTokens;

/// An upstream service.
#[derive(Debug, Clone)]
pub struct HttpUpstream {
    upstream: Upstream,
    pub(super) service: Service,
    /// Do not call the service before this time.
    retry_at: Arc<Mutex<Option<Instant>>>,
}

impl HttpUpstream {
    /// The service at `base`, a URL without a trailing slash. Requests carry an access token if `tokens` is set.
    pub fn new(upstream: Upstream, base: impl Into<String>, client: Client, tokens: Option<Arc<AccessTokens>>) -> Self {
        let credential = tokens.map_or(Credential::None, Credential::Tokens);
        let service = Service::new(upstream.as_str(), base.into(), client, credential);
        Self { upstream, service, retry_at: Arc::default() }
    }

    /// Whether the service answers a read that finds nothing.
    ///
    /// # Errors
    /// What happened, as a text that follows the service's name.
    pub async fn ask_for_nothing(&self) -> Result<(), String> {
        let nothing = Uuid::nil();
        let call = match self.upstream {
            Upstream::Catalog => {
                let path = format!("/api/v1/enterprise-catalogs/{nothing}/contains_content_items/");
                self.service
                    .done(Call::get(&path, &[("course_run_ids", "nothing")]).or_status(StatusCode::NOT_FOUND))
                    .await
            }
            Upstream::Lms => {
                let path = format!("/enterprise/api/v1/enterprise-customer/{nothing}/");
                self.service.done(Call::get(&path, &[]).or_status(StatusCode::NOT_FOUND)).await
            }
            // The domain may come to know services that this client has no such read for.
            _ => return Err("has no read that finds nothing, so it was not asked".to_owned()),
        };
        call.map_err(|failure| failure.problem)
    }

    /// Makes a call that somebody waits for, and reads the answer as JSON.
    pub(super) async fn ask<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Error> {
        self.answer(call).await.map_err(|failure| self.error(failure))
    }

    /// Like [`HttpUpstream::ask`], with `None` for 404.
    pub(super) async fn find<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<Option<T>, Error> {
        match self.answer(call.allow_missing()).await {
            Ok(answer) => Ok(Some(answer)),
            Err(failure) if failure.status == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(failure) => Err(self.error(failure)),
        }
    }

    /// Makes a call, unless the service asked to be left alone until later.
    pub(super) async fn answer<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Failure> {
        let retry_at = *self.retry_at();
        if retry_at.is_some_and(|until| Instant::now() < until) {
            return Err(Failure::unusable("wants not to be asked for now"));
        }
        let answer = self.service.json(call).await;
        if let Err(failure) = &answer
            && let Some(retry_after) = failure.retry_after_for_callers()
        {
            *self.retry_at() = Some(Instant::now() + retry_after);
        }
        answer
    }

    fn retry_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.retry_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn error(&self, failure: Failure) -> Error {
        Error::Upstream { upstream: self.upstream, problem: failure.problem }
    }
}
