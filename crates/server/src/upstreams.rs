//! Builds the clients of the configured upstream services.

use std::sync::Arc;
use std::time::Duration;

use license_manager_adapters::calls::CallListener;
use license_manager_adapters::http::{
    AccessTokens, Braze, BrazeOptions, BucketOptions, BucketProblem, CachedCatalog, CredentialSource, Credentials,
    HttpAccounts, HttpCatalog, HttpDirectory, HttpLearners, HttpUpstream, S3ResultFiles, Segment, Timeouts, Tracking,
    WebhookClient, client,
};
use license_manager_adapters::mail::{LogMail, Misconfigured, SmtpMail};
use license_manager_adapters::sqlite::SqliteBackups;
use license_manager_domain::ports::{
    AccountLookup, Backups, CampaignMail, ContentCatalog, EnterpriseDirectory, EventTracking, LearnerRegistry,
    ResultFiles, WebhookSender,
};
use license_manager_domain::{LicenseManager, Upstream};

use crate::config::{BackupConfig, BrazeConfig, Config, DatabaseUrl, OauthConfig, S3Config, Secret, SmtpConfig};
use crate::database::busy_timeout;
use crate::system::SystemClock;

/// The timeout for sending a mail, connecting included.
const SMTP_TIMEOUT: Duration = Duration::from_secs(30);

/// The timeout for uploading a file to the bucket.
const PUT_TIMEOUT: Duration = Duration::from_secs(120);

/// The upstream services as adapters of the ports. The LMS and the catalog service are optional. Mails and events go to
/// the log if no service for them is configured.
#[derive(Clone)]
pub struct Upstreams {
    /// The catalog service.
    pub catalog: Option<Arc<dyn ContentCatalog>>,
    /// The LMS's customers.
    pub directory: Option<Arc<dyn EnterpriseDirectory>>,
    /// The LMS's accounts.
    pub accounts: Option<Arc<dyn AccountLookup>>,
    /// The LMS's learners and enrollments.
    pub learner_registry: Option<Arc<dyn LearnerRegistry>>,
    /// Braze, otherwise the mail server, otherwise the log.
    pub mail: Arc<dyn CampaignMail>,
    /// Segment and Braze, otherwise the log.
    pub event_tracking: Arc<dyn EventTracking>,
    /// The bucket for the results of bulk enrollments.
    pub result_files: Option<Arc<dyn ResultFiles>>,
    /// The registered webhook endpoints.
    pub webhooks: Arc<dyn WebhookSender>,
    /// The place for copies of a SQLite database.
    pub backups: Option<Arc<dyn Backups>>,
}

impl Upstreams {
    /// The configured upstreams. Calls none of them.
    ///
    /// # Errors
    /// When the settings of one are incomplete or invalid; one line that names the setting.
    pub fn from_config(config: &Config) -> Result<Self, String> {
        Self::watched(config, None)
    }

    /// Like [`Upstreams::from_config`]; reports every call to the listener.
    ///
    /// # Errors
    /// The same.
    pub fn watched(config: &Config, on_call: Option<CallListener>) -> Result<Self, String> {
        let mut client = client(Timeouts::default())?;
        if let Some(listener) = on_call.clone() {
            client = client.with_listener(listener);
        }
        let tokens = oauth_client(&config.oauth)?
            .map(|(url, credentials)| Arc::new(AccessTokens::new(url, credentials, client.clone())));
        let upstream = |which, url: &String| HttpUpstream::new(which, url, client.clone(), tokens.clone());
        let clock = Arc::new(SystemClock);
        let lms = config.lms.url.as_ref().map(|url| upstream(Upstream::Lms, url));
        let braze = braze(&config.braze)?.map(|options| Arc::new(Braze::new(options, client.clone(), clock.clone())));
        let segment = config
            .segment
            .write_key
            .as_ref()
            .map(|key| Segment::new(&config.segment.url, key.expose().to_owned(), client.clone(), clock.clone()));
        let smtp = smtp(&config.smtp, SMTP_TIMEOUT)?.map(|smtp| match on_call {
            Some(listener) => smtp.with_listener(listener),
            None => smtp,
        });
        let mail: Arc<dyn CampaignMail> = match (&braze, smtp) {
            (Some(braze), _) => braze.clone(),
            (None, Some(smtp)) => Arc::new(smtp),
            (None, None) => Arc::new(LogMail::new()?),
        };
        if config.catalog.validate && config.catalog.url.is_none() {
            return Err("catalog.validate is set, and catalog.url is not: set it, or do not validate".to_owned());
        }
        let catalog = config.catalog.url.as_ref().map(|url| upstream(Upstream::Catalog, url));
        let allow_private = config.webhooks.allow_private_addresses;
        let webhooks = WebhookClient::new(Timeouts::default(), Arc::new(SystemClock), allow_private)?;
        let bucket = bucket(&config.s3, PUT_TIMEOUT)?.map(Arc::new);
        let backups = backups(config, bucket.as_ref())?;
        Ok(Self {
            catalog: catalog.map(|catalog| Arc::new(CachedCatalog::new(Arc::new(HttpCatalog::new(catalog)))) as _),
            directory: lms.clone().map(|lms| Arc::new(HttpDirectory::new(lms)) as _),
            accounts: lms.clone().map(|lms| Arc::new(HttpAccounts::new(lms)) as _),
            learner_registry: lms.map(|lms| Arc::new(HttpLearners::new(lms, clock)) as _),
            mail,
            event_tracking: Arc::new(Tracking::new(segment, braze)),
            result_files: bucket.map(|files| files as _),
            webhooks: Arc::new(webhooks),
            backups,
        })
    }

    /// The license manager with these upstreams.
    pub fn of(self, mut manager: LicenseManager) -> LicenseManager {
        if let Some(catalog) = self.catalog {
            manager = manager.with_catalog(catalog);
        }
        if let Some(directory) = self.directory {
            manager = manager.with_directory(directory);
        }
        if let Some(accounts) = self.accounts {
            manager = manager.with_account_lookup(accounts);
        }
        if let Some(learners) = self.learner_registry {
            manager = manager.with_learner_registry(learners);
        }
        if let Some(files) = self.result_files {
            manager = manager.with_result_files(files);
        }
        if let Some(backups) = self.backups {
            manager = manager.with_backups(backups);
        }
        manager.with_mail(self.mail).with_event_tracking(self.event_tracking).with_webhooks(self.webhooks)
    }
}

/// The error for a setting that another one requires.
fn missing(set: &str, missing: &str) -> String {
    format!("{set} is set, and {missing} is not: set it, or leave both out")
}

fn revealed(secret: Option<&Secret>, missing: impl FnOnce() -> String) -> Result<String, String> {
    secret.map(|secret| secret.expose().to_owned()).ok_or_else(missing)
}

pub(crate) fn oauth_client(config: &OauthConfig) -> Result<Option<(&str, Credentials)>, String> {
    let Some(url) = &config.url else { return Ok(None) };
    let missing = |setting| move || missing("oauth.url", setting);
    let client_id = config.client_id.clone().ok_or_else(missing("oauth.client_id"))?;
    let client_secret = revealed(config.client_secret.as_ref(), missing("oauth.client_secret"))?;
    Ok(Some((url, Credentials { client_id, client_secret })))
}

pub(crate) fn braze(config: &BrazeConfig) -> Result<Option<BrazeOptions>, String> {
    let campaigns = config.campaigns.by_kind();
    let Some(url) = config.url.clone() else {
        let set = match campaigns.keys().next() {
            _ if config.api_key.is_some() => "braze.api_key".to_owned(),
            Some(kind) => format!("braze.campaigns.{}", kind.as_str()),
            None => return Ok(None),
        };
        return Err(missing(&set, "braze.url"));
    };
    let missing = |setting| move || missing("braze.url", setting);
    let api_key = revealed(config.api_key.as_ref(), missing("braze.api_key"))?;
    let app_id = config.app_id.clone().ok_or_else(missing("braze.app_id"))?;
    Ok(Some(BrazeOptions { url, api_key, app_id, campaigns }))
}

pub(crate) fn smtp(config: &SmtpConfig, timeout: Duration) -> Result<Option<SmtpMail>, String> {
    match (&config.url, &config.from) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(missing("smtp.url", "smtp.from")),
        (None, Some(_)) => Err(missing("smtp.from", "smtp.url")),
        (Some(url), Some(from)) => SmtpMail::new(url.expose(), from, timeout).map(Some).map_err(|error| match error {
            Misconfigured::Url(problem) => format!("smtp.url: {problem}"),
            Misconfigured::From(problem) => format!("smtp.from: {problem}"),
            Misconfigured::Templates(problem) => problem,
        }),
    }
}

fn backups(config: &Config, bucket: Option<&Arc<S3ResultFiles>>) -> Result<Option<Arc<dyn Backups>>, String> {
    let BackupConfig { folder, keep, to_bucket } = &config.backup;
    if !config.backup.is_set() {
        return Ok(None);
    }
    let DatabaseUrl::Sqlite(database) = config.database.url_or_default() else {
        let set = if folder.is_some() { "backup.folder" } else { "backup.to_bucket" };
        return Err(format!(
            "{set} is set, and copies are made of SQLite only: back up Postgres with its own programs"
        ));
    };
    let bucket = match (to_bucket, bucket) {
        (false, _) => None,
        (true, Some(bucket)) => Some(bucket.clone()),
        (true, None) => return Err(missing("backup.to_bucket", "s3.url")),
    };
    let (folder, keep, busy_timeout) = (folder.clone(), *keep, busy_timeout(config));
    Ok(Some(Arc::new(SqliteBackups { database, folder, keep, bucket, busy_timeout })))
}

pub(crate) fn bucket(config: &S3Config, timeout: Duration) -> Result<Option<S3ResultFiles>, String> {
    let [url, bucket, region] = [("s3.url", &config.url), ("s3.bucket", &config.bucket), ("s3.region", &config.region)];
    let set = [url, bucket, region].into_iter().find(|(_, value)| value.is_some()).map(|(name, _)| name);
    let set = set.or(config.access_key_id.is_some().then_some("s3.access_key_id"));
    let set = set.or(config.secret_access_key.is_some().then_some("s3.secret_access_key"));
    let Some(set) = set.or(config.path_style.then_some("s3.path_style")) else { return Ok(None) };
    let required = |(name, value): (&str, &Option<String>)| value.clone().ok_or_else(|| missing(set, name));
    let (url, bucket, region) = (required(url)?, required(bucket)?, required(region)?);
    let credentials = match (&config.access_key_id, &config.secret_access_key) {
        (Some(id), Some(secret)) => CredentialSource::Fixed {
            access_key_id: id.clone(),
            secret_access_key: secret.expose().to_owned(),
            session_token: None,
        },
        (Some(_), None) => return Err(missing("s3.access_key_id", "s3.secret_access_key")),
        (None, Some(_)) => return Err(missing("s3.secret_access_key", "s3.access_key_id")),
        (None, None) => CredentialSource::from_environment(&region, |name| std::env::var(name).ok()),
    };
    tracing::info!(credentials = credentials.name(), "results of bulk enrollments are uploaded to a bucket");
    let options = BucketOptions { url, bucket, region, credentials, path_style: config.path_style };
    let client = client(Timeouts { answer: timeout, ..Timeouts::default() })?;
    S3ResultFiles::new(options, client, Arc::new(SystemClock)).map(Some).map_err(|problem| match problem {
        BucketProblem::Url => format!("s3.url: {problem}"),
        BucketProblem::Host => format!("s3.bucket: {problem}; set s3.path_style, or choose another one"),
    })
}
