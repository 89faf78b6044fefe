//! Commands that do one thing and stop: recurring and manual operations.
//!
//! | module | contents |
//! |---|---|
//! | `arguments` | the command line |
//! | `recurring` | the operations of the schedule |
//! | `manual` | provision, freeze, transfer, history |
//! | `seeds`, `development_data` | data for development |
//! | `backup` | copying a SQLite database in use to a file |
//! | `check` | checking a database against the rules |
//! | `compare` | comparing this service's answers with another one's |
//! | `copy` | copying SQLite to Postgres |
//! | `import` | importing the database of the Django service |
//! | `export` | writing it again |
//! | `supervisor` | progress on standard error, Ctrl-C |
//! | `report` | the summary on standard output |
//! | `row_report`, `rule_summary` | which rows an import or export changed, by rule |
//! | `error` | why a command failed |

mod arguments;
mod backup;
mod check;
mod compare;
mod copy;
mod development_data;
mod error;
mod export;
mod import;
mod manual;
mod recurring;
mod report;
mod row_report;
mod rule_summary;
mod seeds;
mod supervisor;

use std::io::Write;

use license_manager_domain::LicenseManager;

pub use arguments::{OperationCommand, ShowOptions, SummaryFormat};
pub use backup::{BackupArguments, backup};
pub use check::{CheckArguments, check};
pub use compare::{CompareArguments, compare};
pub use copy::{CopyArguments, copy};
pub use error::CommandError;
pub use export::{ExportArguments, export};
pub use import::{ImportArguments, import};
use report::Report;

use crate::cli::runtime::command_runtime;
use crate::config::Config;
use crate::database::{Database, seed_products};
use crate::upstreams::Upstreams;

/// Runs a command. Returns `false` if some of the work failed; the summary says what.
///
/// # Errors
/// See [`CommandError`].
pub fn run(config: &Config, command: OperationCommand, out: &mut impl Write) -> Result<bool, CommandError> {
    let database = match command.is_for_development() {
        true => Database::open(config)?,
        false => Database::open_existing(config)?,
    };
    database.migrate()?;
    let runtime = command_runtime()?;
    // Connections to a mail server are opened and closed in tasks.
    let _entered = runtime.enter();
    let upstreams = Upstreams::from_config(config).map_err(CommandError::Failed)?;
    let manager = upstreams.of(database.manager(config));
    seed_products(&manager)?;
    let (show, report) = runtime.block_on(act(config, &manager, command, out))?;
    match report {
        Some(report) => {
            report.write(show.output, out)?;
            Ok(report.is_complete())
        }
        None => Ok(true),
    }
}

/// Runs the command; `None` if it prints its own output.
async fn act(
    config: &Config,
    manager: &LicenseManager,
    command: OperationCommand,
    out: &mut impl Write,
) -> Result<(ShowOptions, Option<Report>), CommandError> {
    use OperationCommand as Command;

    let (show, report) = match command {
        Command::SeedDevelopmentData(run) => (run.show, seeds::development(manager, run.dry_run)?),
        Command::SeedEnterpriseDevstackData(arguments) => (arguments.run.show, seeds::devstack(manager, arguments)?),
        Command::ManufactureData(arguments) => (arguments.run.show, seeds::manufacture(manager, &arguments)?),
        Command::Provision(arguments) => (arguments.manual.show, manual::provision(manager, &arguments)?),
        Command::Freeze(arguments) => (arguments.manual.show, manual::freeze(manager, &arguments)?),
        Command::Transfer(arguments) => (arguments.manual.show, manual::transfer(manager, arguments)?),
        Command::CleanOldHistory(arguments) => (arguments.run.show, manual::clean_history(manager, &arguments)?),
        Command::History(arguments) => {
            manual::history(manager, &arguments, out)?;
            return Ok((arguments.show, None));
        }
        recurring => recurring::run(config, manager, recurring).await?,
    };
    Ok((show, Some(report)))
}
