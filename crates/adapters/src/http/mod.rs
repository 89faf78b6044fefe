//! Clients of upstream services over HTTP.
//!
//! [`HttpUpstream`] holds what they share: a base URL, limits on the time and size of an answer, and an access token
//! ([`AccessTokens`]) where the service requires one. A failed call becomes
//! [`Error::Upstream`](license_manager_domain::Error::Upstream), or
//! [`Undelivered`](license_manager_domain::ports::Undelivered) for a delivery. Its cause is logged.

mod accounts;
mod backup_files;
mod braze;
mod bucket_credentials;
mod catalog;
mod client;
mod directory;
mod learners;
mod result_files;
mod segment;
mod service;
mod sign_in;
mod tokens;
mod traced;
mod tracking;
mod upstream;
mod visits;
mod webhooks;

pub use accounts::HttpAccounts;
pub use braze::{Braze, BrazeOptions};
pub use bucket_credentials::{Authorization, CredentialSource};
pub use catalog::{CachedCatalog, HttpCatalog};
pub use client::{Client, Timeouts, client};
pub use directory::HttpDirectory;
pub use learners::HttpLearners;
pub use result_files::{BucketOptions, BucketProblem, S3ResultFiles, results_file};
pub use segment::Segment;
pub use sign_in::{AuthorizationRequest, Endpoints, SignInClient, SignInError, Tokens};
pub use tokens::{AccessTokens, Credentials};
pub use tracking::Tracking;
pub use upstream::HttpUpstream;
pub use visits::{Visit, Visitor};
pub use webhooks::WebhookClient;
