//! Looks up enterprise customers in the LMS.

use async_trait::async_trait;
use license_manager_domain::ports::{EnterpriseCustomer, EnterpriseDirectory};
use license_manager_domain::{CustomerId, Error};
use serde::Deserialize;

use super::service::Call;
use super::upstream::HttpUpstream;

/// The LMS's enterprise customers over HTTP.
#[derive(Debug, Clone)]
pub struct HttpDirectory(HttpUpstream);

impl HttpDirectory {
    /// Uses this LMS.
    pub fn new(upstream: HttpUpstream) -> Self {
        Self(upstream)
    }
}

#[derive(Deserialize)]
struct CustomerResponse {
    slug: String,
    name: String,
    #[serde(default)]
    contact_email: Option<String>,
    #[serde(default)]
    sender_alias: Option<String>,
    #[serde(default)]
    reply_to: Option<String>,
    /// An id, or an object that describes the provider; null if there is none.
    #[serde(default)]
    identity_provider: Option<serde_json::Value>,
    #[serde(default)]
    enable_integrated_customer_learner_portal_search: bool,
}

#[async_trait]
impl EnterpriseDirectory for HttpDirectory {
    async fn customer(&self, customer: CustomerId) -> Result<EnterpriseCustomer, Error> {
        let path = format!("/enterprise/api/v1/enterprise-customer/{customer}/");
        let response: CustomerResponse = self.0.ask(Call::get(&path, &[])).await?;
        Ok(EnterpriseCustomer {
            id: customer,
            slug: response.slug,
            name: response.name,
            contact_email: response.contact_email,
            sender_alias: response.sender_alias,
            reply_to: response.reply_to,
            has_identity_provider: response.identity_provider.is_some(),
            has_learner_portal_search: response.enable_integrated_customer_learner_portal_search,
        })
    }
}
