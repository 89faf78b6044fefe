//! Visits: requests without a credential, which only find out who answers at an address.

use chrono::{DateTime, Utc};
use reqwest::header::{AGE, DATE};
use reqwest::tls::TlsInfo;

use super::client::{Timeouts, chain, client_builder};
use crate::certificates::end_of;

/// What a visit found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The HTTP status of the answer.
    pub status: u16,
    /// When the server's certificate ends; `None` without encryption.
    pub certificate_ends: Option<DateTime<Utc>>,
    /// What time it was there, in whole seconds; `None` if the answer does not say, or was kept by a cache.
    pub date: Option<DateTime<Utc>>,
}

/// Visits addresses.
#[derive(Debug, Clone)]
pub struct Visitor(reqwest::Client);

impl Visitor {
    /// A visitor with these timeouts.
    ///
    /// # Errors
    /// When the system has no usable certificates.
    pub fn new(timeouts: Timeouts) -> Result<Self, String> {
        let client = client_builder(timeouts).tls_info(true).build();
        client.map(Self).map_err(|error| format!("cannot create an HTTP client: {}", chain(&error)))
    }

    /// Asks for the page at an address. Follows no redirects.
    ///
    /// # Errors
    /// Why there was no answer, without the address.
    pub async fn visit(&self, url: &str) -> Result<Visit, String> {
        let answer = self.0.get(url).send().await.map_err(|error| chain(&error.without_url()))?;
        let certificate = answer.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        let headers = answer.headers();
        let date = headers.get(DATE).filter(|_| !headers.contains_key(AGE)).and_then(|date| date.to_str().ok());
        Ok(Visit {
            status: answer.status().as_u16(),
            certificate_ends: certificate.and_then(end_of),
            date: date.and_then(|date| Some(DateTime::parse_from_rfc2822(date).ok()?.to_utc())),
        })
    }
}
