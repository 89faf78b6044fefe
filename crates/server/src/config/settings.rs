//! The settings of each section, with their defaults.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use license_manager_domain::model::{AnswerQuota, REQUEST_BYTES};
use license_manager_domain::operations::OperationSettings;
use license_manager_domain::{CatalogId, CustomerId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::console::ConsoleConfig;
use super::delivery::{MailConfig, WebhooksConfig, WorkerConfig};
use super::issuers::{IssuerConfig, as_json, issuers};
use super::read::{
    cookie_name, filter, header_names, host_names, optional_text, origins, role_names, socket_address, text, user_ids,
    uuids, web_address, whole_number,
};
use super::schedule::ScheduleConfig;
use super::section::section;
use super::upstreams::{BrazeConfig, CatalogConfig, LmsConfig, OauthConfig, S3Config, SegmentConfig, SmtpConfig};
use super::value::{DatabaseUrl, JwkSetSource, LogFormat, SameSite, Secret, SqliteSynchronous};
use super::watching::{MetricsConfig, TelemetryConfig};

/// The default SQLite file, relative to the working directory.
pub const DEFAULT_DATABASE_FILE: &str = "./license-manager.db";

/// All settings.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The HTTP server.
    pub server: ServerConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// Copies of the database.
    pub backup: BackupConfig,
    /// Access tokens.
    pub auth: AuthConfig,
    /// Rate limits.
    pub throttle: ThrottleConfig,
    /// Answers that are kept for repeated requests.
    pub idempotency: IdempotencyConfig,
    /// The catalog service.
    pub catalog: CatalogConfig,
    /// The LMS.
    pub lms: LmsConfig,
    /// The OAuth client for calls to the LMS and the catalog service.
    pub oauth: OauthConfig,
    /// Braze, for mails and for events of people without an account.
    pub braze: BrazeConfig,
    /// Segment, for events of people with an account.
    pub segment: SegmentConfig,
    /// The mail server, used without Braze.
    pub smtp: SmtpConfig,
    /// The bucket for the results of bulk enrollments.
    pub s3: S3Config,
    /// Mails.
    pub mail: MailConfig,
    /// The delivery of messages.
    pub worker: WorkerConfig,
    /// Webhook endpoints.
    pub webhooks: WebhooksConfig,
    /// The web console.
    pub console: ConsoleConfig,
    /// The web portals that links lead to.
    pub portals: PortalsConfig,
    /// Creating licenses.
    pub provisioning: ProvisioningConfig,
    /// Bulk enrollments.
    pub enrollment: EnrollmentConfig,
    /// The database of the Django service.
    pub import: ImportConfig,
    /// The database of the Django service that is written.
    pub export: ExportConfig,
    /// Recurring operations.
    pub operations: OperationsConfig,
    /// The schedule of recurring operations.
    pub schedule: ScheduleConfig,
    /// The log.
    pub logging: LoggingConfig,
    /// Metrics.
    pub metrics: MetricsConfig,
    /// Traces.
    pub telemetry: TelemetryConfig,
}

section! {
    /// `[server]`: the HTTP server.
    struct ServerConfig;

    /// The IP address and port to listen on. With port 0 the system chooses one.
    #[serde(deserialize_with = "socket_address")]
    listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    /// Worker threads, up to 1,024; 0 means one per processor core.
    #[serde(deserialize_with = "whole_number::<_, _, 0, 1_024>")]
    workers: usize;
    /// The largest accepted request body, in bytes, from 1 KiB to 1 GiB.
    #[serde(deserialize_with = "whole_number::<_, _, 1_024, 1_073_741_824>")]
    body_limit_bytes: usize = 5 * 1024 * 1024;
    /// Bodies over 64 KiB that are worked on at once, from 1 to 1,000; the others wait.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 1_000>")]
    large_bodies_at_once: usize = 2;
    /// The bytes of bodies over 64 KiB that are held at once, from 1 MiB to 1 TiB; further requests are answered 503. At
    /// least `body_limit_bytes` counts.
    #[serde(deserialize_with = "whole_number::<_, _, 1_048_576, 1_099_511_627_776>")]
    large_bodies_limit_bytes: usize = 256 << 20;
    /// Seconds that a client may take to send a request's body or to read an answer, from 1 to an hour; besides, it has
    /// a second for every 16 KiB.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 3_600>")]
    client_timeout_seconds: u64 = 30;
    /// Seconds that the server goes on after SIGTERM while it is not ready, up to five minutes: a proxy that asks for its
    /// readiness sends it no more requests before it refuses them.
    #[serde(deserialize_with = "whole_number::<_, _, 0, 300>")]
    shutdown_delay_seconds: u64;
    /// Seconds that running requests have to finish after that, up to an hour.
    #[serde(deserialize_with = "whole_number::<_, _, 0, 3_600>")]
    shutdown_timeout_seconds: u64 = 30;
    /// The host names that requests may be for, without ports; in the environment a comma-separated list. Empty: any.
    #[serde(deserialize_with = "host_names")]
    allowed_hosts: Vec<String>;
    /// The web applications that may send requests with a user's cookies, as origins such as
    /// `https://portal.example.com`; in the environment a comma-separated list. The server's own origin is always
    /// allowed.
    #[serde(deserialize_with = "origins")]
    allowed_origins: Vec<String>;
    /// Request headers that these applications may send besides the usual ones; in the environment a comma-separated
    /// list.
    #[serde(deserialize_with = "header_names")]
    allowed_headers: Vec<String>;
    /// The name of the cookie with the CSRF token. Services of one host must use different names.
    #[serde(deserialize_with = "cookie_name")]
    csrf_cookie_name: String = "license_manager_csrftoken".to_owned();
    /// Whether browsers send the CSRF cookie only over https. Browsers other than Safari treat `http://localhost` as
    /// https.
    csrf_cookie_secure: bool = true;
    /// The SameSite rule of the CSRF cookie: `lax` or `strict` if the web applications share the server's
    /// registered domain; otherwise `none`, which needs `csrf_cookie_secure`.
    csrf_cookie_same_site: SameSite = SameSite::Lax;
    /// Whether a proxy in front of the server sets `X-Forwarded-For`. If so, its last address is the client's, for rate
    /// limits. Otherwise the header is ignored, because anybody can send it.
    trust_forwarded_for: bool;
}

impl ServerConfig {
    /// How long running requests have to finish after SIGTERM.
    pub fn shutdown_timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_seconds)
    }

    /// How long a client may be slow.
    pub fn client_timeout(&self) -> Duration {
        Duration::from_secs(self.client_timeout_seconds)
    }
}

section! {
    /// `[database]`: the database and its timeouts.
    struct DatabaseConfig;

    /// `sqlite:PATH` or `postgres://…`, from `LM_DATABASE__URL` or else `DATABASE_URL`. `None` without either: see
    /// [`DatabaseConfig::url_or_default`].
    url: Option<DatabaseUrl>;
    /// The most open connections, from 1 to 1,000.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 1_000>")]
    pool_size: u32 = 8;
    /// Seconds to wait for a connection before a request is answered 503, from 1 to 300.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 300>")]
    connect_timeout_seconds: u64 = 3;
    /// The timeout of a statement in Postgres, and of waiting for the write lock in SQLite, in seconds, up to a day; 0
    /// means none.
    #[serde(deserialize_with = "whole_number::<_, _, 0, 86_400>")]
    statement_timeout_seconds: u64 = 60;
    /// Whether a connection to Postgres keeps prepared statements and settings. `false` behind a pooler that gives each
    /// transaction another connection, such as PgBouncer in transaction mode.
    prepared_statements: bool = true;
    /// Postgres: a standby of the database that answers lists while it is close behind, as a URL like `url`.
    replica_url: Option<DatabaseUrl>;
    /// How many seconds the standby may be behind, from 2 to an hour. Who wrote reads from the primary for as long.
    #[serde(deserialize_with = "whole_number::<_, _, 2, 3_600>")]
    replica_max_lag_seconds: u64 = 5;
    /// When SQLite waits for the disk: `full`, at every commit; or `normal`, not at every commit, so that a power failure
    /// can lose the latest ones.
    sqlite_synchronous: SqliteSynchronous = SqliteSynchronous::Full;
}

impl DatabaseConfig {
    /// The configured database, otherwise SQLite in [`DEFAULT_DATABASE_FILE`].
    pub fn url_or_default(&self) -> DatabaseUrl {
        self.url.clone().unwrap_or_else(|| DatabaseUrl::Sqlite(PathBuf::from(DEFAULT_DATABASE_FILE)))
    }

    /// How long a request waits for a connection.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_seconds)
    }

    /// How far the replica may be behind.
    pub fn replica_max_lag(&self) -> Duration {
        Duration::from_secs(self.replica_max_lag_seconds)
    }

    /// The timeout of a statement; `None` means none.
    pub fn statement_timeout(&self) -> Option<Duration> {
        (self.statement_timeout_seconds > 0).then(|| Duration::from_secs(self.statement_timeout_seconds))
    }
}

section! {
    /// `[backup]`: copies of a SQLite database, made by the schedule (`schedule.backup`) and by `license-manager backup`
    /// without a file. A folder, a bucket, or both.
    struct BackupConfig;

    /// The folder that keeps copies; it must be there.
    folder: Option<PathBuf>;
    /// How many copies the folder keeps, from 1 to 10,000.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 10_000>")]
    keep: usize = 14;
    /// Whether copies are uploaded to the bucket of `[s3]`, below `backups/`.
    to_bucket: bool;
}

impl BackupConfig {
    /// Whether there is a place for copies.
    pub fn is_set(&self) -> bool {
        self.folder.is_some() || self.to_bucket
    }
}

section! {
    /// `[auth]`: access tokens. The server needs `hs256_secret`, `jwk_set` or both; `serve --demo` creates a random
    /// secret if neither is set.
    struct AuthConfig;

    /// The required `iss` of tokens.
    #[serde(deserialize_with = "text")]
    issuer: String = "http://localhost:18000/oauth2".to_owned();
    /// The audience that a token's `aud` must be or contain; `*` accepts tokens for any audience.
    #[serde(deserialize_with = "text")]
    audience: String = "license-manager".to_owned();
    /// The issuer's secret for HS256; `None`: such tokens are refused.
    hs256_secret: Option<Secret>;
    /// The issuer's public keys for RS256 and RS512: a JWK set as JSON, an http(s) URL, or a file's path; `None`: such
    /// tokens are refused.
    jwk_set: Option<JwkSetSource>;
    /// Seconds between fetches of a JWK set at a URL, from 1 to a day.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 86_400>")]
    jwk_set_refresh_seconds: u64 = 300;
    /// Further issuers: TOML tables `[[auth.issuers]]`; in the environment a JSON list of objects.
    #[serde(deserialize_with = "issuers", serialize_with = "as_json")]
    issuers: Vec<IssuerConfig>;
    /// Other names of roles in tokens, each as `NAME=ROLE`; in the environment a comma-separated list.
    #[serde(deserialize_with = "role_names")]
    role_names: Vec<String>;
    /// The cookie with the first two parts of a browser's token. Scripts can read it.
    #[serde(deserialize_with = "cookie_name")]
    cookie_header_payload: String = "edx-jwt-cookie-header-payload".to_owned();
    /// The cookie with the signature of a browser's token. Scripts cannot read it.
    #[serde(deserialize_with = "cookie_name")]
    cookie_signature: String = "edx-jwt-cookie-signature".to_owned();
    /// The user name of the service that may retire people. `None`: only superusers may.
    #[serde(deserialize_with = "optional_text")]
    retirement_worker: Option<String>;
    /// Whether a learner is not found by an email address that their token calls unverified (`email_verified: false`):
    /// anybody can register with somebody else's address. An activation key counts all the same.
    require_verified_email: bool = true;
    /// The secret that signs the checksums of subsidies; the services that redeem them must know it. Without it
    /// `hs256_secret` is used; without either there are no subsidies.
    subsidy_checksum_secret: Option<Secret>;
}

impl AuthConfig {
    /// Every trusted issuer. The first is that of the section's own keys, unless it has no key and others are listed.
    pub fn all_issuers(&self) -> Vec<IssuerConfig> {
        let first = IssuerConfig {
            issuer: self.issuer.clone(),
            audience: Some(self.audience.clone()).filter(|audience| audience != "*"),
            hs256_secret: self.hs256_secret.clone(),
            jwk_set: self.jwk_set.clone(),
        };
        let is_used = first.hs256_secret.is_some() || first.jwk_set.is_some() || self.issuers.is_empty();
        is_used.then_some(first).into_iter().chain(self.issuers.iter().cloned()).collect()
    }

    /// The roles by their other names in tokens.
    pub fn roles_by_name(&self) -> BTreeMap<String, String> {
        let pairs = self.role_names.iter().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, role)| (name.to_owned(), role.to_owned())).collect()
    }

    /// The secret that signs the checksums of subsidies, if any.
    pub fn subsidy_secret(&self) -> Option<&Secret> {
        self.subsidy_checksum_secret.as_ref().or(self.hs256_secret.as_ref())
    }
}

section! {
    /// `[throttle]`: rate limits.
    struct ThrottleConfig;

    /// Whether the limits apply. Each server counts in its own memory.
    enabled: bool = true;
    /// Requests a minute without a valid credential, per address. IPv6 addresses count by their first 64 bits.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 1_000_000>")]
    anonymous_per_minute: u32 = 60;
    /// Requests a second per user.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 1_000_000>")]
    user_per_second: u32 = 18;
    /// Requests a minute per user.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 1_000_000>")]
    user_per_minute: u32 = 360;
    /// LMS user ids without a limit; in the environment a comma-separated list.
    #[serde(deserialize_with = "user_ids")]
    exempt_user_ids: Vec<i64>;
}

section! {
    /// `[idempotency]`: the answers that are kept for a day for repeated requests.
    struct IdempotencyConfig;

    /// The largest answer that is kept, in bytes after compression, from 1 KiB to 64 MiB. So much is set aside for each
    /// request while it is done.
    #[serde(deserialize_with = "whole_number::<_, _, 1_024, 67_108_864>")]
    answer_limit_bytes: u32 = 1 << 20;
    /// The most bytes that are kept for a user, from 128 KiB to 1 TiB. At least twice `answer_limit_bytes` counts.
    #[serde(deserialize_with = "whole_number::<_, _, 131_072, 1_099_511_627_776>")]
    user_limit_bytes: i64 = 64 << 20;
    /// The most bytes that are kept in all, from 128 KiB to 1 TiB. At least `user_limit_bytes` counts.
    #[serde(deserialize_with = "whole_number::<_, _, 131_072, 1_099_511_627_776>")]
    total_limit_bytes: i64 = 1 << 30;
}

impl IdempotencyConfig {
    /// The limits as the domain takes them. A user always has room for two answers, and all users together as much as one.
    pub fn quota(&self) -> AnswerQuota {
        let answer = i64::from(self.answer_limit_bytes);
        let user = self.user_limit_bytes.max(2 * (answer + REQUEST_BYTES));
        AnswerQuota { answer, user, total: self.total_limit_bytes.max(user) }
    }
}

section! {
    /// `[portals]`: the web portals, as http(s) URLs without a trailing slash.
    struct PortalsConfig;

    /// The learner portal. Activation links lead there.
    #[serde(deserialize_with = "web_address")]
    learner_url: String = "http://localhost:8734".to_owned();
    /// The admin portal.
    #[serde(deserialize_with = "web_address")]
    admin_url: String = "http://localhost:1991".to_owned();
}

section! {
    /// `[provisioning]`: creating licenses.
    struct ProvisioningConfig;

    /// The most licenses created within a request; larger plans get theirs from a job. A job also deletes licenses, or reminds their
    /// learners, if they are more than this and more than a batch. Up to 1,000,000.
    #[serde(deserialize_with = "whole_number::<_, _, 0, 1_000_000>")]
    inline_limit: u32 = 50_000;
    /// Licenses that a job revokes per transaction, from 1 to 1,000,000; it creates at most 2,000 of them. Plans with more live licenses than
    /// this are revoked by a job.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 1_000_000>")]
    batch_size: u32 = 10_000;
}

section! {
    /// `[import]`: the database of the Django service, which `license-manager import` reads.
    struct ImportConfig;

    /// `mysql://USER:PASSWORD@HOST/NAME`, for want of `--from`.
    url: Option<Secret>;
}

section! {
    /// `[export]`: the database of the Django service, which `license-manager export` writes.
    struct ExportConfig;

    /// `mysql://USER:PASSWORD@HOST/NAME`, for want of `--to`.
    url: Option<Secret>;
}

section! {
    /// `[enrollment]`: bulk enrollments.
    struct EnrollmentConfig;

    /// The most enrollments that one request may ask for, learners times course runs; from 1 to 1,000,000.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 1_000_000>")]
    request_limit: u32 = 500;
}

section! {
    /// `[operations]`: recurring operations.
    struct OperationsConfig;

    /// Hours before a renewal during which its plan is locked, up to a year.
    #[serde(deserialize_with = "whole_number::<_, _, 0, 8_760>")]
    renewal_lock_hours: u32 = 12;
    /// UUIDs of the customers whose learners are unlinked 90 days after their licenses expired; in the environment a
    /// comma-separated list.
    #[serde(deserialize_with = "uuids")]
    unlink_customers: Vec<Uuid>;
    /// UUIDs of the customers for whose licenses an event is sent 180 days after activation; in the environment a
    /// comma-separated list.
    #[serde(deserialize_with = "uuids")]
    custom_event_customers: Vec<Uuid>;
    /// UUIDs of the catalogs that `validate-num-catalog-queries` accepts; in the environment a comma-separated list.
    #[serde(deserialize_with = "uuids")]
    catalog_allow_list: Vec<Uuid>;
    /// Seconds until another run may take over the work of a silent run, from 1 to an hour. It must exceed the time the
    /// LMS takes to answer.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 3_600>")]
    lease_seconds: u32 = 180;
}

impl OperationsConfig {
    /// The settings as the domain takes them.
    pub fn settings(&self) -> OperationSettings {
        OperationSettings {
            lease: TimeDelta::seconds(i64::from(self.lease_seconds)),
            unlink_customers: self.unlink_customers.iter().copied().map(CustomerId).collect(),
            custom_event_customers: self.custom_event_customers.iter().copied().map(CustomerId).collect(),
            catalog_allow_list: self.catalog_allow_list.iter().copied().map(CatalogId).collect(),
        }
    }
}

section! {
    /// `[logging]`: the log, which goes to standard error.
    struct LoggingConfig;

    /// `text` for people, or `json` with one object a line.
    format: LogFormat = LogFormat::Text;
    /// A level (`error`, `warn`, `info`, `debug`, `trace`), or a comma-separated list of `target=level`.
    #[serde(deserialize_with = "filter")]
    filter: String = "info,actix_server=warn".to_owned();
}
