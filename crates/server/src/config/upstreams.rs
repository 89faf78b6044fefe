//! Where the services around this one are, and what this one is to them.

use std::collections::BTreeMap;

use license_manager_domain::ports::MailKind;
use serde::{Deserialize, Serialize};

use super::read::{optional_text, optional_web_address, web_address};
use super::value::{Secret, SmtpUrl};

/// `[catalog]`: the catalog service, which knows the courses of a plan's catalog.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogConfig {
    /// Its address; `None`: whatever needs it is answered 503.
    #[serde(deserialize_with = "optional_web_address")]
    pub url: Option<String>,
    /// Whether the catalog of a plan or an agreement must be its customer's, which needs `url`. Asked when one is saved.
    pub validate: bool,
}

/// `[lms]`: the LMS, which knows enterprise customers, their learners and their enrollments.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LmsConfig {
    /// Its address; `None`: whatever needs it is answered 503.
    #[serde(deserialize_with = "optional_web_address")]
    pub url: Option<String>,
}

/// `[oauth]`: where access tokens for calls to the LMS and the catalog service come from. With an address, the client's id
/// and secret must be set too.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OauthConfig {
    /// The address that `/oauth2/access_token` is appended to; `None`: calls carry no token.
    #[serde(deserialize_with = "optional_web_address")]
    pub url: Option<String>,
    /// The id of this service's OAuth client.
    pub client_id: Option<String>,
    /// The client's secret.
    pub client_secret: Option<Secret>,
}

/// `[braze]`: Braze, which mails people and collects events of those without an account. With an address, key and app must be
/// set too.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrazeConfig {
    /// The address of its REST API; `None`: mails go by `[smtp]`.
    #[serde(deserialize_with = "optional_web_address")]
    pub url: Option<String>,
    /// The key of the REST API.
    pub api_key: Option<Secret>,
    /// The id of the app that events belong to.
    #[serde(deserialize_with = "optional_text")]
    pub app_id: Option<String>,
    /// The campaigns.
    pub campaigns: BrazeCampaigns,
}

/// `[braze.campaigns]`: the id of the campaign behind each kind of mail; mails of a kind without one are not sent.
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
    /// The address of its tracking API. Workspaces in the EU have one of their own.
    #[serde(deserialize_with = "web_address")]
    pub url: String,
    /// The write key of the source; `None`: these events are written to the log.
    pub write_key: Option<Secret>,
}

impl Default for SegmentConfig {
    fn default() -> Self {
        Self { url: "https://api.segment.io".to_owned(), write_key: None }
    }
}

/// `[smtp]`: the mail server that mails go by where Braze is not configured. Both keys must be set, or neither: then mails
/// are written to the log.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpConfig {
    /// `smtp://USER:PASSWORD@HOST:PORT`, which is encrypted where the server offers it and, with `?tls=required`, in any case;
    /// or `smtps://…`, encrypted from the first byte.
    pub url: Option<SmtpUrl>,
    /// Who mails are from: `licenses@example.com`, or with a name, `Licenses <licenses@example.com>`.
    #[serde(deserialize_with = "optional_text")]
    pub from: Option<String>,
}

/// `[s3]`: an S3-compatible bucket that the results of bulk enrollments are put into. Every key but `path_style` must be set, or
/// none: then the database alone keeps them.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3Config {
    /// The address of the service, without the bucket.
    #[serde(deserialize_with = "optional_web_address")]
    pub url: Option<String>,
    /// The bucket's name.
    #[serde(deserialize_with = "optional_text")]
    pub bucket: Option<String>,
    /// The bucket's region, which requests are signed for. Services without regions take `us-east-1`.
    #[serde(deserialize_with = "optional_text")]
    pub region: Option<String>,
    /// The id of the access key.
    #[serde(deserialize_with = "optional_text")]
    pub access_key_id: Option<String>,
    /// The access key.
    pub secret_access_key: Option<Secret>,
    /// Whether addresses are `{url}/{bucket}/…`, as most services other than Amazon's want it, rather than
    /// `https://{bucket}.{host}/…`.
    pub path_style: bool,
}
