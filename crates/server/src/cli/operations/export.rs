//! `license-manager export`: writes the database of the Django service.

use std::io::Write;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use license_manager_adapters::export::{ExportError, ExportOptions, Exported, export_postgres, export_sqlite};
use license_manager_adapters::import::Finding;
use license_manager_django::{DatabaseAddress, DjangoError, DjangoExport};
use license_manager_domain::ports::Clock as _;
use serde_json::{Value, json};

use super::arguments::{RunOptions, SummaryFormat, date, secret};
use super::error::{CommandError, refuse_pooler};
use super::report::{json_of_counts, write_counts};
use super::row_report::RowReport;
use super::rule_summary::RuleSummary;
use super::supervisor::CommandSupervisor;
use crate::cli::runtime::command_runtime;
use crate::config::{Config, Secret};
use crate::database::Database;
use crate::system::SystemClock;
use crate::telemetry::work_traces;

/// Options of `export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The database to write: mysql://USER:PASSWORD@HOST/NAME; default: export.url of the settings. Without
    /// ?ssl-mode=DISABLED, a connection to another machine is encrypted and verified; ?ssl-ca=FILE names the
    /// certificate authority.
    // Read as a secret, and checked later: clap's error would repeat the URL with its password.
    #[arg(long, value_name = "URL", value_parser = secret)]
    pub to: Option<Secret>,
    /// Write what changed since this time to the old database, if nobody has written to it since. Without it, write
    /// everything into an empty database.
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub changes_since: Option<DateTime<Utc>>,
    /// Write every row that cannot be exported unchanged into this CSV file.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// How to run it.
    #[command(flatten)]
    pub run: RunOptions,
}

/// Exports the data, and prints a summary. Returns `false` if rows have no place there, so that nothing was exported.
///
/// # Errors
/// See [`CommandError`]; nothing was exported.
pub fn export(config: &Config, arguments: &ExportArguments, out: &mut impl Write) -> Result<bool, CommandError> {
    let Some(url) = arguments.to.as_ref().or(config.export.url.as_ref()) else {
        let problem = "--to, or export.url (LM_EXPORT__URL), names the database: mysql://USER:PASSWORD@HOST/NAME";
        return Err(CommandError::Arguments(problem.to_owned()));
    };
    let address = DatabaseAddress::parse(url.expose()).map_err(|error| match error {
        DjangoError::Address(problem) => {
            CommandError::Arguments(format!("the URL of the database to write: {problem}"))
        }
        other => other.into(),
    })?;
    let since = arguments.changes_since;
    if since.is_some_and(|moment| moment > SystemClock.now()) {
        return Err(CommandError::Arguments("--changes-since is in the future".to_owned()));
    }
    refuse_pooler(config)?;
    let source = Database::open_existing(config)?;
    source.migrate()?;
    let run = &arguments.run;
    let mut destination = DjangoExport::connect(&address, since.map(|moment| moment.timestamp_micros()), run.dry_run)?;
    let mut report = RowReport::create(arguments.report.as_deref())?;
    let runtime = command_runtime()?;
    let _entered = runtime.enter();
    let supervisor = CommandSupervisor::start("export")?;
    let options = ExportOptions { dry_run: run.dry_run, since };
    let mut take = |finding: &Finding| report.take(finding);
    let result = match &source {
        Database::Sqlite(store) => export_sqlite(store, &mut destination, options, &mut take, &supervisor),
        Database::Postgres(store) => export_postgres(store, &mut destination, options, &mut take, &supervisor),
    };
    drop(supervisor);
    report.finish()?;
    let (exported, refused) = match result {
        Ok(exported) => (exported, false),
        Err(ExportError::Refused(exported)) => (*exported, true),
        Err(error) => return Err(CommandError::Failed(error.to_string())),
    };
    work_traces::count(exported.tables.iter().map(|(table, rows)| (table.as_str(), *rows)));
    let summary = Summary { exported, dry_run: run.dry_run, refused, examples: report.examples };
    match run.show.output {
        SummaryFormat::Text => summary.write_text(out)?,
        SummaryFormat::Json => writeln!(out, "{}", summary.json())?,
    }
    Ok(!refused)
}

struct Summary {
    exported: Exported,
    dry_run: bool,
    refused: bool,
    examples: Vec<Finding>,
}

impl Summary {
    fn rules(&self) -> RuleSummary<'_> {
        RuleSummary { rules: &self.exported.rules, examples: &self.examples }
    }

    fn write_text(&self, out: &mut impl Write) -> std::io::Result<()> {
        let is_written_there = self.exported.rules.iter().any(|rule| rule.rule == "written_there");
        let what = match (self.refused, self.dry_run) {
            (true, _) if is_written_there => " (nothing was exported, because somebody wrote there since)",
            (true, _) => " (nothing was exported, because rows have no place there)",
            (false, true) => " (dry run: nothing was changed)",
            (false, false) => "",
        };
        writeln!(out, "export{what}")?;
        write_counts(&self.exported.tables, out)?;
        if !self.exported.removed.is_empty() {
            writeln!(out, "removed there")?;
            write_counts(&self.exported.removed, out)?;
        }
        let rules = self.rules();
        rules.write_kind("refused", &[], out)?;
        rules.write_kind("changed", &[], out)?;
        rules.write_kind("left", &self.exported.left, out)
    }

    fn json(&self) -> Value {
        json!({
            "operation": "export",
            "dry_run": self.dry_run,
            "refused": self.refused,
            "tables": json_of_counts(&self.exported.tables),
            "removed": json_of_counts(&self.exported.removed),
            "left": json_of_counts(&self.exported.left),
            "rules": self.rules().json(),
        })
    }
}
