//! The command line of the operations.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use crate::http::time;

/// Operations: what a schedule runs, and what is done by hand.
#[derive(Debug, Subcommand)]
pub enum OperationCommand {
    /// Process the renewals that take effect soon: each carries its plan's licenses over into the plan that follows.
    ProcessRenewals(ProcessRenewals),
    /// Carry out the end of plans: end enrollments in the LMS, then mark the plan; then unlink whose licenses are long expired.
    ExpireSubscriptions(ExpireSubscriptions),
    /// Unlink learners from their customer 90 days after their licenses expired.
    UnlinkExpiredLicenses(OfCustomers),
    /// Let licenses forget their holders when the time their agreement keeps personal data is over.
    RetireOldLicenses(RunOptions),
    /// Add licenses to current plans whose agreement has auto-scaling and that are nearly used up.
    ProcessAutoScalablePlans(RunOptions),
    /// Mail admins how a plan is used, a week after it began to hand out licenses by itself.
    SendLicenseUtilizationEmails(RunOptions),
    /// Tell event tracking of licenses that were activated 180 days ago.
    TriggerEventForLicenses(OfCustomers),
    /// Check that plans use no more catalog queries than there are plan types.
    ValidateNumCatalogQueries(RunOptions),
    /// Create a customer with plans of every kind, for development.
    SeedDevelopmentData(RunOptions),
    /// Create an agreement and a plan for a customer of the devstack.
    SeedEnterpriseDevstackData(SeedDevstack),
    /// Create customers, plans and licenses in any number, for development.
    ManufactureData(ManufactureData),
    /// Bring a plan up to the number of licenses it is to have. Tells what it would do; does it with --really.
    Provision(OnPlan),
    /// Delete a plan's unassigned licenses. Tells what it would do; does it with --really.
    Freeze(OnPlan),
    /// Move licenses to another plan of the agreement. Tells what it would do; does it with --really.
    Transfer(Transfer),
    /// Show what became of an agreement, a plan, a license, a product or a renewal, the newest change first.
    History(History),
}

/// How the summary looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SummaryFormat {
    /// Lines, for people.
    #[default]
    Text,
    /// One JSON object, for programs.
    Json,
}

/// How to show what was done.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ShowOptions {
    /// The summary as lines for people, or as one JSON object.
    #[arg(long, value_enum, default_value_t)]
    pub output: SummaryFormat,
}

/// How to run an operation.
#[derive(Debug, Clone, Copy, Args)]
pub struct RunOptions {
    /// Tell what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// How to show it.
    #[command(flatten)]
    pub show: ShowOptions,
}

/// `process-renewals`.
#[derive(Debug, Args)]
pub struct ProcessRenewals {
    /// Process those that take effect within so many hours; operations.renewal_lock_hours where nothing is said.
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub processing_window_length_hours: Option<u32>,
    /// How to run it.
    #[command(flatten)]
    pub run: RunOptions,
}

/// `expire-subscriptions`.
#[derive(Debug, Args)]
pub struct ExpireSubscriptions {
    /// Look after plans that ended at this moment or later; a day before --expired-before where nothing is said.
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub expired_after: Option<DateTime<Utc>>,
    /// Look after plans that ended at this moment or earlier; now where nothing is said.
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub expired_before: Option<DateTime<Utc>>,
    /// Look after these plans, whenever they ended; a comma list.
    #[arg(
        long,
        value_name = "UUID",
        value_delimiter = ',',
        num_args = 1..,
        conflicts_with_all = ["expired_after", "expired_before"]
    )]
    pub subscription_uuids: Option<Vec<Uuid>>,
    /// Look after plans again whose end was carried out.
    #[arg(long)]
    pub force: bool,
    /// How to run it.
    #[command(flatten)]
    pub run: RunOptions,
}

/// An operation for the customers that are configured, or others.
#[derive(Debug, Args)]
pub struct OfCustomers {
    /// For these customers in place of the configured ones; a comma list.
    #[arg(long, value_name = "UUID", value_delimiter = ',', num_args = 1..)]
    pub enterprise_customer_uuids: Option<Vec<Uuid>>,
    /// How to run it.
    #[command(flatten)]
    pub run: RunOptions,
}

/// `seed-enterprise-devstack-data`.
#[derive(Debug, Args)]
pub struct SeedDevstack {
    /// The customer's slug in the devstack.
    #[arg(long, value_name = "SLUG", default_value = "test-enterprise")]
    pub enterprise_customer_slug: String,
    /// The customer's id in the LMS; a new one where nothing is said and the slug is new.
    #[arg(long, value_name = "UUID")]
    pub enterprise_customer_uuid: Option<Uuid>,
    /// How many licenses the plan has.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(i32).range(1..=1_000_000))]
    pub num_licenses: i32,
    /// How to run it.
    #[command(flatten)]
    pub run: RunOptions,
}

/// `manufacture-data`.
#[derive(Debug, Args)]
pub struct ManufactureData {
    /// What the customers' slugs begin with: `NAME-0` and so on. Those that are there are kept; another name makes others.
    #[arg(long, value_name = "NAME", default_value = "manufactured")]
    pub name: String,
    /// How many customers.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub customers: u32,
    /// How many plans each has.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub plans: u32,
    /// How many licenses each plan has.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(i32).range(1..=1_000_000))]
    pub licenses: i32,
    /// How many of a hundred licenses are assigned.
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(i32).range(0..=100))]
    pub assigned_percentage: i32,
    /// How to run it.
    #[command(flatten)]
    pub run: RunOptions,
}

/// Whether something done by hand is really done.
#[derive(Debug, Clone, Copy, Args)]
pub struct ManualOptions {
    /// Do it; without this, only tell what would be done.
    #[arg(long, visible_alias = "no-dry-run", conflicts_with = "dry_run")]
    pub really: bool,
    /// Only tell what would be done, which is what happens where nothing is said.
    #[arg(long)]
    pub dry_run: bool,
    /// How to show it.
    #[command(flatten)]
    pub show: ShowOptions,
}

/// Something done to a plan by hand.
#[derive(Debug, Args)]
pub struct OnPlan {
    /// The plan.
    #[arg(value_name = "PLAN")]
    pub plan: Uuid,
    /// How to do it.
    #[command(flatten)]
    pub manual: ManualOptions,
}

/// `transfer`.
#[derive(Debug, Args)]
pub struct Transfer {
    /// The plan the licenses leave.
    #[arg(long, value_name = "PLAN")]
    pub from: Uuid,
    /// The plan they move to.
    #[arg(long, value_name = "PLAN")]
    pub to: Uuid,
    /// Which licenses move: those of these that are assigned or activated; a comma list.
    #[arg(long, value_name = "UUID", value_delimiter = ',', num_args = 1.., required_unless_present = "transfer_all")]
    pub license_uuids: Option<Vec<Uuid>>,
    /// Move every license, whatever its state.
    #[arg(long, conflicts_with = "license_uuids")]
    pub transfer_all: bool,
    /// What is to be remembered of it.
    #[arg(long)]
    pub notes: Option<String>,
    /// How to do it.
    #[command(flatten)]
    pub manual: ManualOptions,
}

/// Kinds of things with a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // each is the entity of that name
pub enum RecordedKind {
    Agreement,
    Plan,
    License,
    Product,
    Renewal,
}

/// `history`.
#[derive(Debug, Args)]
pub struct History {
    /// What kind of thing.
    #[arg(value_enum)]
    pub kind: RecordedKind,
    /// Its id: a UUID, or the number of a product or a renewal.
    pub id: String,
    /// Show at most this many changes.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub limit: u32,
    /// How to show it.
    #[command(flatten)]
    pub show: ShowOptions,
}

fn date(text: &str) -> Result<DateTime<Utc>, String> {
    time::parse(text.trim()).ok_or_else(|| {
        "this is no date such as 2030-01-31, and no date and time such as 2030-01-31T12:00:00Z".to_owned()
    })
}
