//! `license-manager copy`: copies a SQLite database to Postgres.

use std::io::Write;
use std::sync::Arc;

use clap::Args;
use license_manager_adapters::copy::{CopyError, copy as copy_rows};
use license_manager_adapters::postgres::PostgresStore;
use license_manager_adapters::sqlite::SqliteStore;

use super::arguments::{RunOptions, secret};
use super::error::CommandError;
use super::report::Report;
use super::supervisor::CommandSupervisor;
use crate::cli::runtime::command_runtime;
use crate::config::{Config, DatabaseUrl, Secret};
use crate::database::Database;

/// Options of `copy`.
#[derive(Debug, Args)]
pub struct CopyArguments {
    /// The database to copy: sqlite:PATH.
    // Read as a secret, and checked later: clap's error would repeat the URL with its password.
    #[arg(long, value_name = "URL", value_parser = secret)]
    pub from: Secret,
    /// The new database to fill: postgres://…; default: database.url of the settings.
    #[arg(long, value_name = "URL", value_parser = secret)]
    pub to: Option<Secret>,
    /// How to run it.
    #[command(flatten)]
    pub run: RunOptions,
}

impl From<CopyError> for CommandError {
    fn from(error: CopyError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Copies the data and prints a summary.
///
/// # Errors
/// See [`CommandError`]; nothing was copied.
pub fn copy(config: &Config, arguments: &CopyArguments, out: &mut impl Write) -> Result<(), CommandError> {
    let (source, target) = databases(config, arguments)?;
    for database in [Database::Sqlite(source.clone()), Database::Postgres(target.clone())] {
        database.migrate()?;
    }
    let runtime = command_runtime()?;
    let _entered = runtime.enter();
    let supervisor = CommandSupervisor::start("copy")?;
    let run = &arguments.run;
    let tables = copy_rows(&source, &target, run.dry_run, &supervisor)?;
    drop(supervisor);
    let counts = tables.into_iter().map(|table| (table.name, table.rows));
    Report::done("copy", run.dry_run, counts, Vec::new()).write(run.show.output, out)?;
    Ok(())
}

/// Checks the arguments and opens both databases.
fn databases(
    config: &Config,
    arguments: &CopyArguments,
) -> Result<(Arc<SqliteStore>, Arc<PostgresStore>), CommandError> {
    let wrong = |problem: String| Err(CommandError::Arguments(problem));
    let parse = |name: &str, url: &Secret| {
        DatabaseUrl::try_from(url.expose().to_owned())
            .map_err(|problem| CommandError::Arguments(format!("{name}: {problem}")))
    };
    let from = parse("--from", &arguments.from)?;
    let to = arguments.to.as_ref().map(|url| parse("--to", url)).transpose()?;
    let DatabaseUrl::Sqlite(path) = &from else {
        return wrong("--from: this must be a SQLite database, sqlite:PATH".to_owned());
    };
    if !path.is_file() {
        return wrong(format!("--from: there is no file {}", path.display()));
    }
    let named = if to.is_some() { "--to" } else { "database.url (DATABASE_URL), used without --to" };
    let to = to.unwrap_or_else(|| config.database.url_or_default());
    if matches!(to, DatabaseUrl::Sqlite(_)) {
        return wrong(format!("{named}: this must be a Postgres database, postgres://USER:PASSWORD@HOST/NAME"));
    }
    let open = |url: DatabaseUrl| {
        let mut config = config.clone();
        config.database.url = Some(url);
        Database::open(&config)
    };
    let (Database::Sqlite(source), Database::Postgres(target)) = (open(from.clone())?, open(to)?) else {
        return wrong("--from is a SQLite database and --to a Postgres one".to_owned());
    };
    // Migrating another program's file would add our tables to it, and it would look like an empty database.
    if source.pending_migrations()?.iter().any(|migration| migration.ends_with("_initial")) {
        return wrong(format!("--from: {} is no database of license-manager", path.display()));
    }
    Ok((source, target))
}
