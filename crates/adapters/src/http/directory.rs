//! The LMS as the one who knows enterprise customers.

use async_trait::async_trait;
use license_manager_domain::ports::{EnterpriseCustomer, EnterpriseDirectory};
use license_manager_domain::{CustomerId, Error};
use serde::Deserialize;

use super::HttpNeighbour;

/// The LMS's enterprise customers, over HTTP.
#[derive(Debug, Clone)]
pub struct HttpDirectory(HttpNeighbour);

impl HttpDirectory {
    /// The LMS at this address.
    pub fn new(neighbour: HttpNeighbour) -> Self {
        Self(neighbour)
    }
}

#[derive(Deserialize)]
struct Answer {
    slug: String,
    name: String,
}

#[async_trait]
impl EnterpriseDirectory for HttpDirectory {
    async fn customer(&self, customer: CustomerId) -> Result<EnterpriseCustomer, Error> {
        let path = format!("/enterprise/api/v1/enterprise-customer/{customer}/");
        let Answer { slug, name } = self.0.get(&path, &[]).await?;
        Ok(EnterpriseCustomer { id: customer, slug, name })
    }
}
