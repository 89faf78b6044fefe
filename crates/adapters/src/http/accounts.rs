//! Looks up accounts in the LMS.

use async_trait::async_trait;
use license_manager_domain::ports::AccountLookup;
use license_manager_domain::{Email, Error, LmsUserId};
use serde::Deserialize;

use super::service::Call;
use super::upstream::HttpUpstream;

/// The LMS's accounts over HTTP.
#[derive(Debug, Clone)]
pub struct HttpAccounts(HttpUpstream);

impl HttpAccounts {
    /// Uses this LMS.
    pub fn new(upstream: HttpUpstream) -> Self {
        Self(upstream)
    }
}

#[derive(Deserialize)]
struct Account {
    id: i64,
}

#[async_trait]
impl AccountLookup for HttpAccounts {
    async fn account(&self, email: &Email) -> Result<Option<LmsUserId>, Error> {
        let found: Option<Vec<Account>> =
            self.0.find(Call::get("/api/user/v1/accounts", &[("email", email.as_str())])).await?;
        Ok(found.unwrap_or_default().first().and_then(|account| LmsUserId::known(account.id)))
    }
}
