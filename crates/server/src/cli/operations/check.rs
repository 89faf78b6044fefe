//! `license-manager check`: looks for rows in a database that break a rule.

use std::io::Write;

use clap::Args;
use license_manager_adapters::check::{CheckError, Finding, Limits, check_postgres, check_sqlite};
use license_manager_domain::words::counted;
use serde_json::{Value, json};

use super::arguments::{ShowOptions, SummaryFormat};
use super::error::CommandError;
use crate::config::Config;
use crate::database::Database;
use crate::telemetry::work_traces;

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// How to print the result.
    #[command(flatten)]
    pub show: ShowOptions,
}

impl From<CheckError> for CommandError {
    fn from(error: CheckError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Checks the configured database and prints what was found. Returns whether there are no violations. Changes nothing,
/// and does not migrate the database.
///
/// # Errors
/// See [`CommandError`].
pub fn check(config: &Config, arguments: &CheckArguments, out: &mut impl Write) -> Result<bool, CommandError> {
    let findings = match Database::open_existing(config)? {
        Database::Sqlite(store) => check_sqlite(&store, Limits::default())?,
        Database::Postgres(store) => check_postgres(&store, Limits::default())?,
    };
    let violations: i64 = findings.iter().map(|finding| finding.violations).sum();
    work_traces::count([("violations", violations)]);
    match arguments.show.output {
        SummaryFormat::Text => write_text(&findings, out)?,
        SummaryFormat::Json => write_json(&findings, violations, out)?,
    }
    Ok(violations == 0)
}

fn write_text(findings: &[Finding], out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "check")?;
    for Finding { name, meaning, violations, examples } in findings {
        if *violations == 0 {
            writeln!(out, "  {name}: 0")?;
            continue;
        }
        writeln!(out, "  {name}: {} of: {meaning}", counted(violations, "violation", "violations"))?;
        for example in examples {
            writeln!(out, "    {example}")?;
        }
        if *violations > examples.len() as i64 {
            writeln!(out, "    …")?;
        }
    }
    Ok(())
}

fn write_json(findings: &[Finding], violations: i64, out: &mut impl Write) -> Result<(), CommandError> {
    let as_json = |finding: &Finding| -> Value {
        let Finding { name, meaning, violations, examples } = finding;
        json!({ "name": name, "meaning": meaning, "violations": violations, "examples": examples })
    };
    let report = json!({
        "operation": "check",
        "checks": findings.iter().map(as_json).collect::<Vec<_>>(),
        "violations": violations,
    });
    writeln!(out, "{report}")?;
    Ok(())
}
