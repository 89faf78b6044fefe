//! The command line of the operations.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use crate::config::Secret;
use crate::http::time;

/// Recurring and manual operations.
#[derive(Debug, Subcommand)]
pub enum OperationCommand {
    /// Process the renewals that take effect soon: each copies the licenses of its plan to the next plan.
    ProcessRenewals(ProcessRenewals),
    /// Process expired plans: end enrollments in the LMS, mark the plan, then unlink learners whose licenses expired
    /// long ago.
    ExpireSubscriptions(ExpireSubscriptions),
    /// Unlink learners from their customer 90 days after their licenses expired.
    UnlinkExpiredLicenses(OfCustomers),
    /// Remove personal data from licenses after the retention period of their agreement.
    RetireOldLicenses(RunOptions),
    /// Add licenses to current plans that are nearly used up, if their agreement has auto-scaling.
    ProcessAutoScalablePlans(RunOptions),
    /// Mail admins how a plan is used, a week after it began to auto-apply licenses.
    SendLicenseUtilizationEmails(RunOptions),
    /// Send an event for each license that was activated 180 days ago.
    TriggerEventForLicenses(OfCustomers),
    /// Check that plans use at most as many catalog queries as there are plan types.
    ValidateNumCatalogQueries(RunOptions),
    /// Remove history that is older than a number of days. The newest version of each record stays, and so does the
    /// last one before that time. Earlier moments can no longer be read or reverted to.
    CleanOldHistory(CleanOldHistory),
    /// Create a customer with plans of every kind, for development.
    SeedDevelopmentData(RunOptions),
    /// Create an agreement and a plan for a customer of the devstack.
    SeedEnterpriseDevstackData(SeedDevstack),
    /// Create customers, plans and licenses in any number, for development.
    ManufactureData(ManufactureData),
    /// Create a plan's missing licenses. Shows what it would do; does it with --really.
    Provision(OnPlan),
    /// Delete a plan's unassigned licenses. Shows what it would do; does it with --really.
    Freeze(OnPlan),
    /// Move licenses to another plan of the agreement. Shows what it would do; does it with --really.
    Transfer(Transfer),
    /// Show the history of a record, such as a plan or a license, newest change first.
    History(History),
}

impl OperationCommand {
    /// Whether a recurring operation changes nothing.
    pub(super) fn is_dry_run(&self) -> bool {
        match self {
            Self::ProcessRenewals(arguments) => arguments.run.dry_run,
            Self::ExpireSubscriptions(arguments) => arguments.run.dry_run,
            Self::UnlinkExpiredLicenses(arguments) | Self::TriggerEventForLicenses(arguments) => arguments.run.dry_run,
            Self::RetireOldLicenses(run)
            | Self::ProcessAutoScalablePlans(run)
            | Self::SendLicenseUtilizationEmails(run)
            | Self::ValidateNumCatalogQueries(run) => run.dry_run,
            _ => false,
        }
    }

    /// Whether it fills a database for development, which may be a new one.
    pub(super) fn is_for_development(&self) -> bool {
        matches!(self, Self::SeedDevelopmentData(_) | Self::SeedEnterpriseDevstackData(_) | Self::ManufactureData(_))
    }
}

/// The format of the summary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SummaryFormat {
    /// Lines, for people.
    #[default]
    Text,
    /// One JSON object, for programs.
    Json,
}

/// How to print the result.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ShowOptions {
    /// The summary: lines for people, or one JSON object.
    #[arg(long, value_enum, default_value_t)]
    pub output: SummaryFormat,
}

/// How to run an operation.
#[derive(Debug, Clone, Copy, Args)]
pub struct RunOptions {
    /// Show what would be done and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// How to print the result.
    #[command(flatten)]
    pub show: ShowOptions,
}

/// Options of `process-renewals`.
#[derive(Debug, Args)]
pub struct ProcessRenewals {
    /// Process renewals that take effect within this many hours; default: operations.renewal_lock_hours.
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub processing_window_length_hours: Option<u32>,
    /// How to run it.
    #[command(flatten)]
    pub run: RunOptions,
}

/// Options of `expire-subscriptions`.
#[derive(Debug, Args)]
pub struct ExpireSubscriptions {
    /// Process plans that expired at this time or later; default: a day before --expired-before.
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub expired_after: Option<DateTime<Utc>>,
    /// Process plans that expired at this time or earlier; default: now.
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub expired_before: Option<DateTime<Utc>>,
    /// Process these plans, whenever they expired, and even if they are already processed; comma-separated.
    #[arg(
        long,
        value_name = "UUID",
        value_delimiter = ',',
        num_args = 1..,
        conflicts_with_all = ["expired_after", "expired_before"]
    )]
    pub subscription_uuids: Option<Vec<Uuid>>,
    /// Also process plans that are already processed. Named plans are processed in any case.
    #[arg(long)]
    pub force: bool,
    /// How to run it.
    #[command(flatten)]
    pub run: RunOptions,
}

/// Options of an operation for the configured customers, or others.
#[derive(Debug, Args)]
pub struct OfCustomers {
    /// Process these customers instead of the configured ones; comma-separated.
    #[arg(long, value_name = "UUID", value_delimiter = ',', num_args = 1..)]
    pub enterprise_customer_uuids: Option<Vec<Uuid>>,
    /// How to run it.
    #[command(flatten)]
    pub run: RunOptions,
}

/// Options of `clean-old-history`.
#[derive(Debug, Args)]
pub struct CleanOldHistory {
    /// Keep the history of this many days.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(7..=36_500))]
    pub days: u32,
    /// How to run it.
    #[command(flatten)]
    pub run: RunOptions,
}

/// Options of `seed-enterprise-devstack-data`.
#[derive(Debug, Args)]
pub struct SeedDevstack {
    /// The customer's slug in the devstack.
    #[arg(long, value_name = "SLUG", default_value = "test-enterprise")]
    pub enterprise_customer_slug: String,
    /// The customer's id in the LMS; default: the existing one, or a new one.
    #[arg(long, value_name = "UUID")]
    pub enterprise_customer_uuid: Option<Uuid>,
    /// The number of licenses of the plan.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(i32).range(1..=1_000_000))]
    pub num_licenses: i32,
    /// How to run it.
    #[command(flatten)]
    pub run: RunOptions,
}

/// Options of `manufacture-data`.
#[derive(Debug, Args)]
pub struct ManufactureData {
    /// The prefix of the customers' slugs: `NAME-0` and so on. Existing customers are kept.
    #[arg(long, value_name = "NAME", default_value = "manufactured")]
    pub name: String,
    /// The number of customers.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub customers: u32,
    /// The number of plans per customer.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub plans: u32,
    /// The number of licenses per plan.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(i32).range(1..=1_000_000))]
    pub licenses: i32,
    /// The percentage of licenses that are assigned.
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(i32).range(0..=100))]
    pub assigned_percentage: i32,
    /// How to run it.
    #[command(flatten)]
    pub run: RunOptions,
}

/// Whether a manual operation is really done.
#[derive(Debug, Clone, Copy, Args)]
pub struct ManualOptions {
    /// Do it; without this, only show what would be done.
    #[arg(long, visible_alias = "no-dry-run", conflicts_with = "dry_run")]
    pub really: bool,
    /// Only show what would be done; this is the default.
    #[arg(long)]
    pub dry_run: bool,
    /// How to print the result.
    #[command(flatten)]
    pub show: ShowOptions,
}

/// Options of a manual operation on a plan.
#[derive(Debug, Args)]
pub struct OnPlan {
    /// The plan.
    #[arg(value_name = "PLAN")]
    pub plan: Uuid,
    /// How to do it.
    #[command(flatten)]
    pub manual: ManualOptions,
}

/// Options of `transfer`.
#[derive(Debug, Args)]
pub struct Transfer {
    /// The plan to move licenses from.
    #[arg(long, value_name = "PLAN")]
    pub from: Uuid,
    /// The plan to move them to.
    #[arg(long, value_name = "PLAN")]
    pub to: Uuid,
    /// Move these licenses, if they are assigned or activated; comma-separated.
    #[arg(long, value_name = "UUID", value_delimiter = ',', num_args = 1.., required_unless_present = "transfer_all")]
    pub license_uuids: Option<Vec<Uuid>>,
    /// Move all licenses, whatever their status.
    #[arg(long, conflicts_with = "license_uuids")]
    pub transfer_all: bool,
    /// Notes to keep with the transfer.
    #[arg(long)]
    pub notes: Option<String>,
    /// How to do it.
    #[command(flatten)]
    pub manual: ManualOptions,
}

/// The kinds of entities with a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // each is the entity of that name
pub enum EntityKind {
    Agreement,
    Plan,
    License,
    Product,
    Renewal,
    TransferJob,
    Notification,
    LicenseEvent,
}

/// Options of `history`.
#[derive(Debug, Args)]
pub struct History {
    /// The kind of the entity.
    #[arg(value_enum)]
    pub kind: EntityKind,
    /// Its id: a UUID, or a number if the entity has one.
    pub id: String,
    /// Show at most this many changes.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub limit: u32,
    /// How to print the result.
    #[command(flatten)]
    pub show: ShowOptions,
}

/// A URL with a login.
pub(super) fn secret(text: &str) -> Result<Secret, &'static str> {
    Secret::try_from(text.to_owned()).map_err(|_| "it must not be empty")
}

pub(super) fn date(text: &str) -> Result<DateTime<Utc>, String> {
    time::parse(text.trim()).ok_or_else(|| {
        "this is not a date such as 2030-01-31 or a date and time such as 2030-01-31T12:00:00Z".to_owned()
    })
}
