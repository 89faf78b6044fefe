//! `license-manager doctor`: finds mistakes in an installation.
//!
//! | module | contents |
//! |---|---|
//! | `findings` | what a check found, and how it is printed |
//! | `settings` | settings that do not fit each other |
//! | `database` | the database, its migrations and its clock |
//! | `backups` | the schedule, and copies of SQLite |
//! | `services` | the upstream services, each really asked, and certificates |
//!
//! It changes nothing. Every check has a time limit, and all checks run at the same time.

mod backups;
mod database;
mod findings;
mod services;
mod settings;

use std::io::Write;
use std::time::Duration;

use clap::Args;

use crate::cli::operations::{CommandError, ShowOptions};
use crate::cli::runtime::command_runtime;
use crate::config::{Config, ConfigError};
use crate::upstreams::Upstreams;
use findings::{Finding, write_findings};

/// The most time for all questions to the database. Each service has a limit of its own.
const LIMIT: Duration = Duration::from_secs(30);

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// How to print what was found.
    #[command(flatten)]
    pub show: ShowOptions,
}

/// Examines the installation and prints what was found. Returns whether nothing is wrong; a warning is not wrong.
///
/// # Errors
/// When the output cannot be written.
pub fn doctor(
    config: Result<Config, ConfigError>,
    arguments: &DoctorArguments,
    out: &mut impl Write,
) -> Result<bool, CommandError> {
    let findings = match config {
        Ok(config) => examine(&config)?,
        Err(error) => vec![Finding::failed("settings", error.to_string())],
    };
    write_findings(&findings, arguments.show.output, out)?;
    Ok(findings.iter().all(|finding| !finding.is_failure()))
}

fn examine(config: &Config) -> Result<Vec<Finding>, CommandError> {
    let runtime = command_runtime()?;
    let findings = runtime.block_on(async {
        let mut findings = settings::examine(config);
        if let Err(problem) = Upstreams::from_config(config) {
            findings.push(Finding::failed("settings", problem));
        }
        if !findings.iter().any(|finding| finding.check == "settings") {
            findings.insert(0, Finding::ok("settings", "complete"));
        }
        let of_database = {
            let config = config.clone();
            tokio::task::spawn_blocking(move || [database::examine(&config), backups::examine(&config)].concat())
        };
        let of_database = async {
            match tokio::time::timeout(LIMIT, of_database).await {
                Ok(Ok(findings)) => findings,
                Ok(Err(_)) => vec![Finding::failed("database", "the examination broke off")],
                Err(_) => vec![Finding::failed("database", "did not answer in time")],
            }
        };
        let (of_database, of_services) = tokio::join!(of_database, services::examine(config));
        findings.extend(of_database);
        findings.extend(of_services);
        findings
    });
    // A thread may still wait for a database that does not answer.
    runtime.shutdown_background();
    Ok(findings)
}
