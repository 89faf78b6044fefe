//! The sections on upstream services.

use std::collections::BTreeMap;

use license_manager_domain::ports::MailKind;
use serde::{Deserialize, Serialize};

use super::read::{optional_text, optional_web_address, web_address};
use super::value::{Secret, SmtpUrl};

/// `[catalog]`: the catalog service.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogConfig {
    /// Its URL; `None`: requests that need it are answered 503.
    #[serde(deserialize_with = "optional_web_address")]
    pub url: Option<String>,
    /// Whether the catalog of a plan or agreement must belong to its customer. Needs `url`. Checked when a plan or
    /// agreement is saved.
    pub validate: bool,
}

/// `[lms]`: the LMS.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LmsConfig {
    /// Its URL; `None`: requests that need it are answered 503.
    #[serde(deserialize_with = "optional_web_address")]
    pub url: Option<String>,
}

/// `[oauth]`: the OAuth client for calls to the LMS and the catalog service. A URL needs the client's id and secret.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OauthConfig {
    /// The URL that `/oauth2/access_token` is appended to; `None`: calls carry no token.
    #[serde(deserialize_with = "optional_web_address")]
    pub url: Option<String>,
    /// The client id.
    pub client_id: Option<String>,
    /// The client secret.
    pub client_secret: Option<Secret>,
}

/// `[braze]`: Braze, which sends mail and collects events of people without an account. A URL needs a key and an app.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrazeConfig {
    /// The URL of its REST API; `None`: mail goes through `[smtp]`.
    #[serde(deserialize_with = "optional_web_address")]
    pub url: Option<String>,
    /// The REST API key.
    pub api_key: Option<Secret>,
    /// The id of the app that events belong to.
    #[serde(deserialize_with = "optional_text")]
    pub app_id: Option<String>,
    /// The campaigns.
    pub campaigns: BrazeCampaigns,
}

/// `[braze.campaigns]`: the campaign id of each kind of mail. Mails of a kind without one are not sent.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // each is the kind of mail of that name
pub struct BrazeCampaigns {
    #[serde(deserialize_with = "optional_text")]
    pub assignment: Option<String>,
    #[serde(deserialize_with = "optional_text")]
    pub reminder: Option<String>,
    #[serde(deserialize_with = "optional_text")]
    pub post_activation: Option<String>,
    #[serde(deserialize_with = "optional_text")]
    pub auto_applied: Option<String>,
    #[serde(deserialize_with = "optional_text")]
    pub auto_applied_no_portal: Option<String>,
    #[serde(deserialize_with = "optional_text")]
    pub revocation_cap: Option<String>,
    #[serde(deserialize_with = "optional_text")]
    pub initial_utilization: Option<String>,
    #[serde(deserialize_with = "optional_text")]
    pub limited_allocations: Option<String>,
    #[serde(deserialize_with = "optional_text")]
    pub no_allocations: Option<String>,
    #[serde(deserialize_with = "optional_text")]
    pub bulk_enrollment_result: Option<String>,
}

impl BrazeCampaigns {
    /// The campaigns that are set.
    pub fn by_kind(&self) -> BTreeMap<MailKind, String> {
        let campaign = |kind| match kind {
            MailKind::Assignment => &self.assignment,
            MailKind::Reminder => &self.reminder,
            MailKind::PostActivation => &self.post_activation,
            MailKind::AutoApplied => &self.auto_applied,
            MailKind::AutoAppliedNoPortal => &self.auto_applied_no_portal,
            MailKind::RevocationCap => &self.revocation_cap,
            MailKind::InitialUtilization => &self.initial_utilization,
            MailKind::LimitedAllocations => &self.limited_allocations,
            MailKind::NoAllocations => &self.no_allocations,
            MailKind::BulkEnrollmentResult => &self.bulk_enrollment_result,
        };
        MailKind::ALL.into_iter().filter_map(|kind| Some((kind, campaign(kind).clone()?))).collect()
    }
}

/// `[segment]`: Segment, which collects events of people with an account.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentConfig {
    /// The URL of its tracking API. Workspaces in the EU have their own.
    #[serde(deserialize_with = "web_address")]
    pub url: String,
    /// The write key of the source; `None`: events are logged instead.
    pub write_key: Option<Secret>,
}

impl Default for SegmentConfig {
    fn default() -> Self {
        Self { url: "https://api.segment.io".to_owned(), write_key: None }
    }
}

/// `[smtp]`: the mail server, used without Braze. Both keys must be set, or neither: then mails are logged.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpConfig {
    /// `smtp://USER:PASSWORD@HOST:PORT`, encrypted if the server supports it and always with `?tls=required`; or
    /// `smtps://…`, always encrypted.
    pub url: Option<SmtpUrl>,
    /// The sender: `licenses@example.com`, or `Licenses <licenses@example.com>`.
    #[serde(deserialize_with = "optional_text")]
    pub from: Option<String>,
}

/// `[s3]`: an S3-compatible bucket for the results of bulk enrollments. All keys but `path_style` must be set, or none:
/// then only the database keeps results.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3Config {
    /// The URL of the service, without the bucket.
    #[serde(deserialize_with = "optional_web_address")]
    pub url: Option<String>,
    /// The bucket's name.
    #[serde(deserialize_with = "optional_text")]
    pub bucket: Option<String>,
    /// The region that requests are signed for. Services without regions accept `us-east-1`.
    #[serde(deserialize_with = "optional_text")]
    pub region: Option<String>,
    /// The id of the access key.
    #[serde(deserialize_with = "optional_text")]
    pub access_key_id: Option<String>,
    /// The secret access key.
    pub secret_access_key: Option<Secret>,
    /// Whether URLs are `{url}/{bucket}/…`, as most services other than Amazon's need, instead of
    /// `https://{bucket}.{host}/…`.
    pub path_style: bool,
}
