//! The services around this one that are asked while somebody waits for an answer.
//!
//! They may be slow or away; so no use case asks them within a transaction.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::error::Error;
use crate::model::ids::{CatalogId, CustomerId};

/// An enterprise customer, as the LMS knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnterpriseCustomer {
    /// Its id.
    pub id: CustomerId,
    /// Its slug in links.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Where its learners ask for help.
    pub contact_email: Option<String>,
    /// The name its mails come from.
    pub sender_alias: Option<String>,
    /// Where answers to its mails go.
    pub reply_to: Option<String>,
    /// Whether its learners log in through an identity provider of its own.
    pub has_identity_provider: bool,
    /// Whether its learners find courses through the learner portal although they log in elsewhere.
    pub has_learner_portal_search: bool,
}

impl EnterpriseCustomer {
    /// A customer of whom nothing else is known.
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

/// The catalog service.
#[async_trait]
pub trait ContentCatalog: Send + Sync {
    /// Whether the catalog holds any of the courses or course runs.
    ///
    /// # Errors
    /// [`Error::Upstream`] where no answer comes, or none that says so. An adapter MUST NOT take that for a no.
    async fn contains(&self, catalog: CatalogId, course_keys: &[String]) -> Result<bool, Error>;

    /// Whose catalog it is; `None` where there is no such catalog.
    ///
    /// # Errors
    /// [`Error::Upstream`] where no answer comes, or none that says so.
    async fn owner(&self, catalog: CatalogId) -> Result<Option<CustomerId>, Error>;

    /// The distinct queries that these catalogs are made by, each with its catalogs. At most [`CATALOGS_PER_CALL`] catalogs.
    ///
    /// # Errors
    /// [`Error::Upstream`] where no answer comes, or none that says so.
    async fn distinct_queries(&self, catalogs: &[CatalogId]) -> Result<BTreeMap<String, Vec<CatalogId>>, Error>;
}

/// The most catalogs whose queries are asked for in one call.
pub const CATALOGS_PER_CALL: usize = 100;

/// The part of the LMS that knows enterprise customers.
#[async_trait]
pub trait EnterpriseDirectory: Send + Sync {
    /// Whether there is one. See [`super::NotConfigured`].
    fn is_configured(&self) -> bool {
        true
    }

    /// The customer.
    ///
    /// # Errors
    /// [`Error::Upstream`] where no answer comes, or none that describes it.
    async fn customer(&self, customer: CustomerId) -> Result<EnterpriseCustomer, Error>;
}
