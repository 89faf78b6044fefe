//! The sections on upstream services.

use std::collections::BTreeMap;

use license_manager_domain::ports::MailKind;

use super::read::{optional_text, optional_web_address, web_address};
use super::section::section;
use super::value::{Secret, SmtpUrl};

section! {
    /// `[catalog]`: the catalog service.
    struct CatalogConfig;

    /// Its URL; `None`: requests that need it are answered 503.
    #[serde(deserialize_with = "optional_web_address")]
    url: Option<String>;
    /// Whether the catalog of a plan or agreement must belong to its customer. Needs `url`. Checked when a plan or
    /// agreement is saved.
    validate: bool;
}

section! {
    /// `[lms]`: the LMS.
    struct LmsConfig;

    /// Its URL; `None`: requests that need it are answered 503.
    #[serde(deserialize_with = "optional_web_address")]
    url: Option<String>;
}

section! {
    /// `[oauth]`: the OAuth client for calls to the LMS and the catalog service. A URL needs the client's id and
    /// secret.
    struct OauthConfig;

    /// The URL that `/oauth2/access_token` is appended to; `None`: calls carry no token.
    #[serde(deserialize_with = "optional_web_address")]
    url: Option<String>;
    /// The client id.
    client_id: Option<String>;
    /// The client secret.
    client_secret: Option<Secret>;
}

section! {
    /// `[braze]`: Braze, which sends mail and collects events of people without an account. A URL needs a key and an
    /// app.
    struct BrazeConfig;

    /// The URL of its REST API; `None`: mail goes through `[smtp]`.
    #[serde(deserialize_with = "optional_web_address")]
    url: Option<String>;
    /// The REST API key.
    api_key: Option<Secret>;
    /// The id of the app that events belong to.
    #[serde(deserialize_with = "optional_text")]
    app_id: Option<String>;
    /// The campaigns.
    campaigns: BrazeCampaigns;
}

section! {
    /// `[braze.campaigns]`: the campaign id of each kind of mail. Mails of a kind without one are not sent.
    #[allow(missing_docs)] // each is the kind of mail of that name
    struct BrazeCampaigns;

    #[serde(deserialize_with = "optional_text")]
    assignment: Option<String>;
    #[serde(deserialize_with = "optional_text")]
    reminder: Option<String>;
    #[serde(deserialize_with = "optional_text")]
    post_activation: Option<String>;
    #[serde(deserialize_with = "optional_text")]
    auto_applied: Option<String>;
    #[serde(deserialize_with = "optional_text")]
    auto_applied_no_portal: Option<String>;
    #[serde(deserialize_with = "optional_text")]
    revocation_cap: Option<String>;
    #[serde(deserialize_with = "optional_text")]
    initial_utilization: Option<String>;
    #[serde(deserialize_with = "optional_text")]
    limited_allocations: Option<String>;
    #[serde(deserialize_with = "optional_text")]
    no_allocations: Option<String>;
    #[serde(deserialize_with = "optional_text")]
    bulk_enrollment_result: Option<String>;
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

section! {
    /// `[segment]`: Segment, which collects events of people with an account.
    struct SegmentConfig;

    /// The URL of its tracking API. Workspaces in the EU have their own.
    #[serde(deserialize_with = "web_address")]
    url: String = "https://api.segment.io".to_owned();
    /// The write key of the source; `None`: events are logged instead.
    write_key: Option<Secret>;
}

section! {
    /// `[smtp]`: the mail server, used without Braze. Both keys must be set, or neither: then mails are logged.
    struct SmtpConfig;

    /// `smtp://USER:PASSWORD@HOST:PORT`, always encrypted with a login (except on loopback) or with `?tls=required`,
    /// otherwise if the server supports it; or `smtps://…`, always encrypted.
    url: Option<SmtpUrl>;
    /// The sender: `licenses@example.com`, or `Licenses <licenses@example.com>`.
    #[serde(deserialize_with = "optional_text")]
    from: Option<String>;
}

section! {
    /// `[s3]`: an S3-compatible bucket for the results of bulk enrollments. The URL, the bucket and the region must be
    /// set, or none: then only the database keeps results.
    struct S3Config;

    /// The URL of the service, without the bucket.
    #[serde(deserialize_with = "optional_web_address")]
    url: Option<String>;
    /// The bucket's name.
    #[serde(deserialize_with = "optional_text")]
    bucket: Option<String>;
    /// The region that requests are signed for. Services without regions accept `us-east-1`.
    #[serde(deserialize_with = "optional_text")]
    region: Option<String>;
    /// The id of the access key. Without it, the platform gives the credentials.
    #[serde(deserialize_with = "optional_text")]
    access_key_id: Option<String>;
    /// The secret access key.
    secret_access_key: Option<Secret>;
    /// Whether URLs are `{url}/{bucket}/…`, as most services other than Amazon's need, instead of
    /// `https://{bucket}.{host}/…`.
    path_style: bool;
}
