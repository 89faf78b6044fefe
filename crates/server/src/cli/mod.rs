//! The command line.

pub mod demo;
pub mod doctor;
pub mod operations;
pub mod outbox;
mod runtime;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use license_manager_domain::outbox::Topic;
use uuid::Uuid;

use crate::auth::mint::DevelopmentToken;
use crate::cli::doctor::DoctorArguments;
use crate::cli::operations::{
    BackupArguments, CheckArguments, CompareArguments, CopyArguments, ExportArguments, ImportArguments,
    OperationCommand,
};
use crate::config::SettingsFormat;

/// Manages the licenses of enterprise subscription plans.
///
/// Settings come from the defaults, then the file given with --config, then the environment: DATABASE_URL, and
/// `LM_<SECTION>__<KEY>` for every key. `license-manager config` lists them all.
#[derive(Debug, Parser)]
#[command(name = "license-manager", version, verbatim_doc_comment)]
pub struct Cli {
    /// Read settings from this TOML file.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The command; `serve` if none is given.
    #[command(subcommand)]
    command: Option<Command>,
    #[arg(skip)]
    name: String,
}

impl Cli {
    /// Reads a command line. A command also answers to its name with underscores, as the Django service's commands are named.
    ///
    /// # Errors
    /// What is wrong with it, or the text of `--help` and `--version`.
    pub fn read(line: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Self, clap::Error> {
        let command = Self::command().mut_subcommands(|command| match command.get_name().contains('-') {
            true => {
                // clap takes names that last as long as the program.
                let underscored: &'static str = command.get_name().replace('-', "_").leak();
                command.alias(underscored)
            }
            false => command,
        });
        let matches = command.try_get_matches_from(line)?;
        Ok(Self { name: name(&matches), ..Self::from_arg_matches(&matches)? })
    }

    /// The command's name without its arguments, such as `outbox list`; empty if none was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The command; `serve` if none was given.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(ServeArguments { demo: false }))
    }
}

fn name(matches: &ArgMatches) -> String {
    let mut names = Vec::new();
    let mut below = matches.subcommand();
    while let Some((name, matches)) = below {
        names.push(name);
        below = matches.subcommand();
    }
    names.join(" ")
}

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Migrate the database and answer requests over HTTP; this is the default.
    Serve(ServeArguments),
    /// Deliver messages and run the schedule, without answering requests. Any number of workers share the work; `serve`
    /// is one too unless `worker.enabled` is false.
    Worker,
    /// List, retry or drop messages that wait for delivery.
    #[command(subcommand)]
    Outbox(OutboxCommand),
    /// Migrate the database, then stop.
    Migrate,
    /// Copy the SQLite database, which may be in use, to a new file.
    Backup(BackupArguments),
    /// Look for rows in the database that break a rule, and change nothing. Exits with 1 if there is one.
    Check(CheckArguments),
    /// Test the settings, the database and the upstream services, and change nothing. Sends a request to each service.
    /// Exits with 1 if something does not work.
    Doctor(DoctorArguments),
    /// Copy everything from a SQLite database to a new Postgres database. Stop the server first.
    Copy(CopyArguments),
    /// Import everything from the MySQL or MariaDB database of the Django license manager into a new database. Until
    /// --finish, run it again to import what has changed. Only reads the source, and sends no mails.
    Import(ImportArguments),
    /// Export everything into an empty MySQL or MariaDB database of the Django license manager, or only what changed to
    /// the old one. Changes nothing in this service's database, and sends no mails.
    Export(ExportArguments),
    /// Send the requests of the portals to this service and another one, and report where the answers differ. Changes
    /// nothing. Exits with 1 if answers differ.
    Compare(CompareArguments),
    /// Print an access token for development, signed with the configured HS256 secret.
    Token(TokenArguments),
    /// Add the initial rows to the database: plan types and products.
    Seed(SeedArguments),
    /// Make a user a superuser, or undo it with --revoke; tokens cannot do this.
    Superuser(SuperuserArguments),
    /// Check and print the settings in force, without secrets, with the environment variable of each. Or translate the
    /// settings of the Django license manager.
    Config(ConfigArguments),
    /// Run a recurring or manual operation.
    #[command(flatten)]
    Operation(OperationCommand),
}

/// What to do with waiting messages.
#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// List messages, without personal data: the parked (dead-lettered) ones, or all.
    List(ListArguments),
    /// Retry messages now. With ids, parked or not; otherwise parked ones only.
    Retry(SelectionArguments),
    /// Delete messages, so that they are never delivered. With ids, parked or not; otherwise parked ones only.
    Drop(SelectionArguments),
}

/// Which messages to list, and how.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Also list messages that are still retried.
    #[arg(long)]
    pub all: bool,
    /// Only list messages of this topic.
    #[arg(long, value_parser = topics())]
    pub topic: Option<String>,
    /// List at most this many.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub limit: u32,
    /// The output: a table for people, or a JSON list.
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}

/// The format of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Columns, for people.
    Table,
    /// JSON, for programs.
    Json,
}

/// Which messages to change.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct SelectionArguments {
    /// The ids of the messages.
    #[arg(value_name = "ID")]
    pub ids: Vec<Uuid>,
    /// All parked messages.
    #[arg(long)]
    pub all_parked: bool,
    /// All parked messages of this topic.
    #[arg(long, value_parser = topics())]
    pub topic: Option<String>,
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Create a demo customer, and a signing secret for this run if none is configured.
    #[arg(long)]
    pub demo: bool,
}

/// Options of `seed`.
#[derive(Debug, Args)]
pub struct SeedArguments {
    /// Also create a small customer with plans and learners.
    #[arg(long)]
    pub demo: bool,
}

/// Options of `superuser`.
#[derive(Debug, Args)]
pub struct SuperuserArguments {
    /// The user name in the user's tokens.
    #[arg(value_name = "NAME", value_parser = user_name)]
    pub username: String,
    /// The user is no superuser any more.
    #[arg(long)]
    pub revoke: bool,
}

fn user_name(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("a user name is not empty") } else { Ok(text.to_owned()) }
}

/// The names of topics.
fn topics() -> PossibleValuesParser {
    PossibleValuesParser::new(Topic::ALL.map(Topic::as_str))
}

/// Options of `config`.
#[derive(Debug, Args)]
pub struct ConfigArguments {
    /// Translate this YAML file of settings of the Django license manager, and list what was not understood. Secrets
    /// are not printed. Exits with 1 if a value is refused.
    #[arg(long, value_name = "FILE")]
    pub from_django: Option<PathBuf>,
    /// The output: a TOML file for --config, or environment variables.
    #[arg(long, value_enum, default_value_t, requires = "from_django")]
    pub output: SettingsFormat,
}

/// Options of `token`.
#[derive(Debug, Args)]
pub struct TokenArguments {
    /// The user's id in the LMS.
    #[arg(long, value_name = "NUMBER")]
    pub user_id: i64,
    /// The user's email address.
    #[arg(long)]
    pub email: String,
    /// The user name.
    #[arg(long, value_name = "NAME")]
    pub username: String,
    /// A role: NAME:UUID for one customer, NAME:* for all; can be repeated.
    #[arg(long = "role", value_name = "ROLE")]
    pub roles: Vec<String>,
    /// Make the user staff.
    #[arg(long)]
    pub staff: bool,
    /// The token's lifetime.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..))]
    pub lifetime_seconds: u32,
}

impl From<TokenArguments> for DevelopmentToken {
    fn from(arguments: TokenArguments) -> Self {
        Self {
            user_id: arguments.user_id,
            email: arguments.email,
            username: arguments.username,
            roles: arguments.roles,
            is_staff: arguments.staff,
            lifetime_seconds: arguments.lifetime_seconds,
        }
    }
}
