//! The configuration: what can be set, where it comes from, and what it is at the moment.
//!
//! Three layers, each over the one before: the defaults built in here, a TOML file (`--config FILE`), and the environment
//! (`DATABASE_URL`, and `LM_<SECTION>__<KEY>` for every key: `server.listen` is `LM_SERVER__LISTEN`). An environment
//! variable set to the empty text counts as not set. Anything unknown or senseless stops the start with one line that
//! names the key as it was written ([`ConfigError`]).

mod delivery;
mod effective;
mod load;
mod read;
mod schedule;
#[cfg(test)]
mod tests;
mod upstreams;
mod value;
mod watching;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use license_manager_domain::operations::OperationSettings;
use license_manager_domain::{CatalogId, CustomerId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use delivery::{MailConfig, WebhooksConfig, WorkerConfig};
pub use load::ConfigError;
use read::{comma_list, filter, origins, socket_address, text, uuids, web_address, whole_number};
pub use schedule::ScheduleConfig;
pub use upstreams::{
    BrazeCampaigns, BrazeConfig, CatalogConfig, LmsConfig, OauthConfig, S3Config, SegmentConfig, SmtpConfig,
};
pub use value::{DatabaseUrl, JwkSetSource, LogFormat, SameSite, Secret, SmtpUrl, Timing};
pub use watching::{MetricsConfig, TelemetryConfig};

/// The file the SQLite database lives in when no database is configured, relative to the working directory.
pub const DEFAULT_DATABASE_FILE: &str = "./license-manager.db";

/// The whole configuration of the license manager.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The HTTP server.
    pub server: ServerConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// Whose access tokens are trusted.
    pub auth: AuthConfig,
    /// Rate limits.
    pub throttle: ThrottleConfig,
    /// The catalog service.
    pub catalog: CatalogConfig,
    /// The LMS.
    pub lms: LmsConfig,
    /// Where access tokens for calls to the LMS and the catalog service come from.
    pub oauth: OauthConfig,
    /// Braze, for mails and for events of people without an account.
    pub braze: BrazeConfig,
    /// Segment, for events of people with an account.
    pub segment: SegmentConfig,
    /// The mail server, where Braze is not configured.
    pub smtp: SmtpConfig,
    /// The bucket for the results of bulk enrollments.
    pub s3: S3Config,
    /// Mails.
    pub mail: MailConfig,
    /// How what is owed to the outside is delivered.
    pub worker: WorkerConfig,
    /// Endpoints that events are told to.
    pub webhooks: WebhooksConfig,
    /// The web portals that links in answers and emails lead to.
    pub portals: PortalsConfig,
    /// How plans are filled with licenses.
    pub provisioning: ProvisioningConfig,
    /// Recurring operations.
    pub operations: OperationsConfig,
    /// When they run by themselves.
    pub schedule: ScheduleConfig,
    /// The log.
    pub logging: LoggingConfig,
    /// The numbers for Prometheus.
    pub metrics: MetricsConfig,
    /// Traces.
    pub telemetry: TelemetryConfig,
}

/// `[server]`: the HTTP server.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The IP address and port to listen on. Port 0 lets the system choose one.
    #[serde(deserialize_with = "socket_address")]
    pub listen: SocketAddr,
    /// Worker threads that answer requests, up to 1,024; 0 means one for each processor core.
    #[serde(deserialize_with = "whole_number::<_, _, 0, 1_024>")]
    pub workers: usize,
    /// The largest request body that is accepted, in bytes, from 1 KiB to 1 GiB.
    #[serde(deserialize_with = "whole_number::<_, _, 1_024, 1_073_741_824>")]
    pub body_limit_bytes: usize,
    /// Seconds that requests in flight get to finish after SIGTERM, up to an hour.
    #[serde(deserialize_with = "whole_number::<_, _, 0, 3_600>")]
    pub shutdown_timeout_seconds: u64,
    /// The web applications that may send requests with a user's cookies, as origins such as `https://portal.example.com`;
    /// in the environment a comma list. The server's own origin needs no mention.
    #[serde(deserialize_with = "origins")]
    pub allowed_origins: Vec<String>,
    /// Whether browsers send the `csrftoken` cookie back over https only. They count `http://localhost` as https, Safari
    /// excepted.
    pub csrf_cookie_secure: bool,
    /// From which sites' pages browsers send the `csrftoken` cookie: `lax` or `strict`, where the web applications share this
    /// server's registered domain; `none`, which needs `csrf_cookie_secure`, where they do not.
    pub csrf_cookie_same_site: SameSite,
    /// Whether a proxy in front of the server sets `X-Forwarded-For`. Then the last address in it is the client's, which
    /// throttling goes by; otherwise the header is ignored, because anybody can send it.
    pub trust_forwarded_for: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            workers: 0,
            body_limit_bytes: 5 * 1024 * 1024,
            shutdown_timeout_seconds: 30,
            allowed_origins: Vec::new(),
            csrf_cookie_secure: true,
            csrf_cookie_same_site: SameSite::Lax,
            trust_forwarded_for: false,
        }
    }
}

/// `[database]`: where the data lives and how long to wait for it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `sqlite:PATH` or `postgres://…`, from `LM_DATABASE__URL` or, where that is not set, `DATABASE_URL`. `None` when
    /// neither is: see [`DatabaseConfig::url_or_default`].
    pub url: Option<DatabaseUrl>,
    /// The most connections held open, from 1 to 1,000.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 1_000>")]
    pub pool_size: u32,
    /// Seconds to wait for a connection before a request is answered 503, from 1 to 300.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 300>")]
    pub connect_timeout_seconds: u64,
    /// Seconds a statement may take before Postgres ends it, and seconds a writer waits for its turn in SQLite, up to a day; 0 means
    /// no limit.
    #[serde(deserialize_with = "whole_number::<_, _, 0, 86_400>")]
    pub statement_timeout_seconds: u64,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { url: None, pool_size: 8, connect_timeout_seconds: 3, statement_timeout_seconds: 60 }
    }
}

impl DatabaseConfig {
    /// The configured database, else SQLite in [`DEFAULT_DATABASE_FILE`]. Whether it was defaulted, so that the start
    /// can say so, is `url.is_none()`.
    pub fn url_or_default(&self) -> DatabaseUrl {
        self.url.clone().unwrap_or_else(|| DatabaseUrl::Sqlite(PathBuf::from(DEFAULT_DATABASE_FILE)))
    }
}

/// `[auth]`: whose access tokens are trusted. The server starts only with `hs256_secret`, `jwk_set` or both;
/// `serve --demo` makes itself a random secret where neither is set.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// The `iss` every token must carry.
    #[serde(deserialize_with = "text")]
    pub issuer: String,
    /// The audience that must be a token's `aud`, or in it.
    #[serde(deserialize_with = "text")]
    pub audience: String,
    /// The issuer's secret, for tokens signed HS256; `None`: such tokens are refused.
    pub hs256_secret: Option<Secret>,
    /// The issuer's public keys, for tokens signed RS256 or RS512: a JWK set as JSON, as an http(s) URL, or as a
    /// file's path; `None`: such tokens are refused.
    pub jwk_set: Option<JwkSetSource>,
    /// Seconds between two readings of a JWK set given as a URL, from 1 to a day.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 86_400>")]
    pub jwk_set_refresh_seconds: u64,
    /// The user name of the service that may retire people.
    #[serde(deserialize_with = "text")]
    pub retirement_worker: String,
    /// The secret that the checksums of subsidies are signed with, which whoever redeems a subsidy must know; `None`:
    /// `hs256_secret` signs them. Without either there are no subsidies.
    pub subsidy_checksum_secret: Option<Secret>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            issuer: "http://localhost:18000/oauth2".to_owned(),
            audience: "license-manager".to_owned(),
            hs256_secret: None,
            jwk_set: None,
            jwk_set_refresh_seconds: 300,
            retirement_worker: "retirement_worker".to_owned(),
            subsidy_checksum_secret: None,
        }
    }
}

impl AuthConfig {
    /// What the checksums of subsidies are signed with, where there is anything.
    pub fn subsidy_secret(&self) -> Option<&Secret> {
        self.subsidy_checksum_secret.as_ref().or(self.hs256_secret.as_ref())
    }
}

/// `[throttle]`: how many requests a client may make.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThrottleConfig {
    /// Whether the limits below hold. Each server counts for itself, in memory.
    pub enabled: bool,
    /// Requests a minute without a credential that holds, for each address. Of IPv6 the first 64 bits are one address.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 1_000_000>")]
    pub anonymous_per_minute: u32,
    /// Requests a second for each user.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 1_000_000>")]
    pub user_per_second: u32,
    /// Requests a minute for each user.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 1_000_000>")]
    pub user_per_minute: u32,
    /// LMS user ids of the users without a limit; in the environment a comma list.
    #[serde(deserialize_with = "comma_list")]
    pub exempt_user_ids: Vec<i64>,
}

impl Default for ThrottleConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            anonymous_per_minute: 60,
            user_per_second: 18,
            user_per_minute: 360,
            exempt_user_ids: Vec::new(),
        }
    }
}

/// `[portals]`: the web portals, http(s) addresses kept without a trailing slash.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PortalsConfig {
    /// The learner portal; activation links lead there.
    #[serde(deserialize_with = "web_address")]
    pub learner_url: String,
    /// The admin portal.
    #[serde(deserialize_with = "web_address")]
    pub admin_url: String,
}

impl Default for PortalsConfig {
    fn default() -> Self {
        Self { learner_url: "http://localhost:8734".to_owned(), admin_url: "http://localhost:1991".to_owned() }
    }
}

/// `[provisioning]`: how plans are filled with licenses.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProvisioningConfig {
    /// Plans that need at most this many licenses get them within the request, larger ones after it; up to 1,000,000.
    #[serde(deserialize_with = "whole_number::<_, _, 0, 1_000_000>")]
    pub inline_limit: u32,
    /// Licenses that a job creates or revokes in one transaction, from 1 to 1,000,000. More live licenses than this are
    /// revoked as a whole after the request.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 1_000_000>")]
    pub batch_size: u32,
}

impl Default for ProvisioningConfig {
    fn default() -> Self {
        Self { inline_limit: 50_000, batch_size: 10_000 }
    }
}

/// `[operations]`: recurring operations.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OperationsConfig {
    /// Hours before a renewal takes effect during which its plan is locked, up to a year.
    #[serde(deserialize_with = "whole_number::<_, _, 0, 8_760>")]
    pub renewal_lock_hours: u32,
    /// The customers, as UUIDs, whose learners are unlinked 90 days after their licenses expired; in the environment a comma list.
    #[serde(deserialize_with = "uuids")]
    pub unlink_customers: Vec<Uuid>,
    /// The customers, as UUIDs, whose licenses are told of 180 days after their activation; in the environment a comma list.
    #[serde(deserialize_with = "uuids")]
    pub custom_event_customers: Vec<Uuid>,
    /// The catalogs, as UUIDs, whose queries `validate-num-catalog-queries` lets pass; in the environment a comma list.
    #[serde(deserialize_with = "uuids")]
    pub catalog_allow_list: Vec<Uuid>,
    /// Seconds after which the work of a run that gives no sign of life is taken over, from 1 to an hour. Longer than the LMS takes
    /// to answer.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 3_600>")]
    pub lease_seconds: u32,
}

impl Default for OperationsConfig {
    fn default() -> Self {
        Self {
            renewal_lock_hours: 12,
            unlink_customers: Vec::new(),
            custom_event_customers: Vec::new(),
            catalog_allow_list: Vec::new(),
            lease_seconds: 180,
        }
    }
}

impl OperationsConfig {
    /// The same, as the domain takes it.
    pub fn settings(&self) -> OperationSettings {
        OperationSettings {
            lease: TimeDelta::seconds(i64::from(self.lease_seconds)),
            unlink_customers: self.unlink_customers.iter().copied().map(CustomerId).collect(),
            custom_event_customers: self.custom_event_customers.iter().copied().map(CustomerId).collect(),
            catalog_allow_list: self.catalog_allow_list.iter().copied().map(CatalogId).collect(),
        }
    }
}

/// `[logging]`: what the log holds and how it looks. It goes to standard error.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoggingConfig {
    /// `text` for people, `json` for machines, one object a line.
    pub format: LogFormat,
    /// A level (`error`, `warn`, `info`, `debug`, `trace`), or a comma list of `target=level`.
    #[serde(deserialize_with = "filter")]
    pub filter: String,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info,actix_server=warn".to_owned() }
    }
}

impl ServerConfig {
    /// How long requests in flight get to finish after SIGTERM.
    pub fn shutdown_timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_seconds)
    }
}

impl DatabaseConfig {
    /// How long a request waits for a connection.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_seconds)
    }

    /// How long a statement may take; `None` means as long as it likes.
    pub fn statement_timeout(&self) -> Option<Duration> {
        (self.statement_timeout_seconds > 0).then(|| Duration::from_secs(self.statement_timeout_seconds))
    }
}
