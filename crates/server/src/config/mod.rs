//! The settings and where they come from.
//!
//! There are three layers, each overriding the one before: the defaults, a TOML file (`--config FILE`), and the
//! environment (`DATABASE_URL`, and `LM_<SECTION>__<KEY>` for every key: `server.listen` is `LM_SERVER__LISTEN`). An
//! empty environment variable counts as not set. An unknown key or an invalid value stops the start with one line that
//! names the key as it was written ([`ConfigError`]).

mod console;
mod delivery;
mod django;
mod effective;
mod issuers;
mod keys;
mod load;
mod read;
mod schedule;
mod section;
mod settings;
mod upstreams;
mod value;
mod watching;

pub use console::{ConsoleConfig, ProviderKind};
pub use delivery::{MailConfig, WebhooksConfig, WorkerConfig};
pub use django::{DjangoSettings, SettingsFormat};
pub use issuers::IssuerConfig;
pub use load::ConfigError;
pub use schedule::ScheduleConfig;
pub use settings::{
    AuthConfig, BackupConfig, Config, DEFAULT_DATABASE_FILE, DatabaseConfig, EnrollmentConfig, ExportConfig,
    ImportConfig, LoggingConfig, OperationsConfig, PortalsConfig, ProvisioningConfig, ServerConfig, ThrottleConfig,
};
pub use upstreams::{
    BrazeCampaigns, BrazeConfig, CatalogConfig, LmsConfig, OauthConfig, S3Config, SegmentConfig, SmtpConfig,
};
pub use value::{DatabaseUrl, JwkSetSource, LogFormat, SameSite, Secret, SmtpUrl, SqliteSynchronous, Timing};
pub use watching::{MetricsConfig, TelemetryConfig};
