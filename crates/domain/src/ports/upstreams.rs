//! Upstream services that are called while somebody waits for the answer.
//!
//! They may be slow or down, so no use case calls them within a transaction.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::error::Error;
use crate::model::ids::{CatalogId, CustomerId};

/// An enterprise customer of the LMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnterpriseCustomer {
    /// Its id.
    pub id: CustomerId,
    /// Its slug in links.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// The address that its learners ask for help.
    pub contact_email: Option<String>,
    /// The sender's name in its mails.
    pub sender_alias: Option<String>,
    /// The reply address of its mails.
    pub reply_to: Option<String>,
    /// Whether its learners log in through their own identity provider.
    pub has_identity_provider: bool,
    /// Whether its learners search courses in the learner portal even if they log in elsewhere.
    pub has_learner_portal_search: bool,
}

impl EnterpriseCustomer {
    /// A customer with only these fields.
    pub fn new(id: CustomerId, slug: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id,
            slug: slug.into(),
            name: name.into(),
            contact_email: None,
            sender_alias: None,
            reply_to: None,
            has_identity_provider: false,
            has_learner_portal_search: false,
        }
    }
}

/// The owner of a catalog, from the catalog service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogOwner {
    /// The catalog.
    pub catalog: CatalogId,
    /// `None` if the catalog does not exist.
    pub owner: Option<CustomerId>,
}

/// The catalog service.
#[async_trait]
pub trait ContentCatalog: Send + Sync {
    /// Whether the catalog contains any of the courses or course runs.
    ///
    /// # Errors
    /// [`Error::Upstream`] without a usable answer. An adapter MUST NOT return `false` instead.
    async fn contains(&self, catalog: CatalogId, course_keys: &[String]) -> Result<bool, Error>;

    /// The customer that owns the catalog; `None` if the catalog does not exist.
    ///
    /// # Errors
    /// [`Error::Upstream`] without a usable answer.
    async fn owner(&self, catalog: CatalogId) -> Result<Option<CustomerId>, Error>;

    /// The distinct queries of these catalogs, each with its catalogs. Takes at most [`CATALOGS_PER_CALL`].
    ///
    /// # Errors
    /// [`Error::Upstream`] without a usable answer.
    async fn distinct_queries(&self, catalogs: &[CatalogId]) -> Result<BTreeMap<String, Vec<CatalogId>>, Error>;
}

/// The most catalogs per call.
pub const CATALOGS_PER_CALL: usize = 100;

/// The LMS's enterprise customers.
#[async_trait]
pub trait EnterpriseDirectory: Send + Sync {
    /// Whether an LMS is configured. See [`super::NotConfigured`].
    fn is_configured(&self) -> bool {
        true
    }

    /// The customer.
    ///
    /// # Errors
    /// [`Error::Upstream`] without a usable answer.
    async fn customer(&self, customer: CustomerId) -> Result<EnterpriseCustomer, Error>;
}
