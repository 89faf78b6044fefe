//! `license-manager import`: imports the database of the Django service.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use license_manager_adapters::import::{
    Changed, Compared, Conflicts, Finding, ImportError, ImportOptions, Imported, finish_postgres, finish_sqlite,
    import_postgres, import_sqlite, verify_postgres, verify_sqlite,
};
use license_manager_django::{DatabaseAddress, DjangoDatabase, DjangoError};
use license_manager_domain::ports::Clock as _;
use license_manager_domain::words::counted;
use serde_json::{Value, json};

use super::arguments::{RunOptions, SummaryFormat, secret};
use super::error::{CommandError, refuse_pooler};
use super::report::{json_of_counts, write_counts};
use super::row_report::RowReport;
use super::rule_summary::RuleSummary;
use super::supervisor::CommandSupervisor;
use crate::cli::runtime::command_runtime;
use crate::config::{Config, Secret};
use crate::database::{Database, missing_file};
use crate::system::SystemClock;
use crate::telemetry::work_traces;

/// Options of `import`.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// The database to import: mysql://USER:PASSWORD@HOST/NAME; default: import.url of the settings. Without
    /// ?ssl-mode=DISABLED, a connection to another machine is encrypted and verified; ?ssl-ca=FILE names the
    /// certificate authority.
    // Read as a secret, and checked later: clap's error would repeat the URL with its password.
    #[arg(long, value_name = "URL", value_parser = secret)]
    pub from: Option<Secret>,
    /// Change nothing, and compare an imported database with its source, after the rules have mended the source's rows:
    /// every row, field by field. Exits with 1 if there is a difference.
    #[arg(long, conflicts_with_all = ["strict", "dry_run"])]
    pub verify: bool,
    /// Import nothing if a license would lose its holder.
    #[arg(long)]
    pub strict: bool,
    /// If a row was changed on both sides since the last import, replace it by the row of the source. Also import a source
    /// that has no agreements or no licenses any more, and delete them here.
    #[arg(long, conflicts_with = "verify")]
    pub force: bool,
    /// If a row was changed on both sides since the last import, keep the row here.
    #[arg(long, conflicts_with_all = ["verify", "force"])]
    pub keep: bool,
    /// End the import: nothing can be imported again, and the schedule and the operations run here. Does not read the
    /// source.
    #[arg(long, conflicts_with_all = ["from", "verify", "strict", "force", "keep", "report", "dry_run"])]
    pub finish: bool,
    /// Write every row that a rule applies to into this CSV file; with --verify, every difference.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// How to run it.
    #[command(flatten)]
    pub run: RunOptions,
}

impl From<ImportError> for CommandError {
    fn from(error: ImportError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<DjangoError> for CommandError {
    fn from(error: DjangoError) -> Self {
        match error {
            DjangoError::Address(problem) => Self::Arguments(format!("the URL of the database to import: {problem}")),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Imports the data, or compares it, and prints a summary. Returns `false` if the run refused what it found, or if there
/// are differences.
///
/// # Errors
/// See [`CommandError`]; nothing was imported, or the part that the error tells of.
pub fn import(config: &Config, arguments: &ImportArguments, out: &mut impl Write) -> Result<bool, CommandError> {
    if arguments.finish {
        return finish(config, arguments.run.show.output, out);
    }
    let Some(url) = arguments.from.as_ref().or(config.import.url.as_ref()) else {
        let problem = "--from, or import.url (LM_IMPORT__URL), names the database: mysql://USER:PASSWORD@HOST/NAME";
        return Err(CommandError::Arguments(problem.to_owned()));
    };
    let address = DatabaseAddress::parse(url.expose())?;
    refuse_pooler(config)?;
    // Where nobody has created a database yet, a dry run tells what a new one would get.
    let missing = missing_file(config).filter(|_| arguments.run.dry_run);
    let (_folder, target) = match (&missing, arguments.verify || arguments.run.dry_run) {
        (Some(path), _) => Database::temporary(config, path).map(|(folder, database)| (Some(folder), database))?,
        (None, true) => (None, Database::open_existing(config)?),
        (None, false) => (None, Database::open(config)?),
    };
    target.migrate()?;
    let mut source = DjangoDatabase::connect(&address)?;
    let mut report = RowReport::create(arguments.report.as_deref())?;
    let runtime = command_runtime()?;
    let _entered = runtime.enter();
    let supervisor = CommandSupervisor::start(if arguments.verify { "verify" } else { "import" })?;
    let run = &arguments.run;
    if arguments.verify {
        return verify(&target, &mut source, report, supervisor, run.show.output, out);
    }
    let conflicts = match (arguments.force, arguments.keep) {
        (true, _) => Conflicts::Force,
        (_, true) => Conflicts::Keep,
        _ => Conflicts::Refuse,
    };
    let options = ImportOptions { dry_run: run.dry_run, strict: arguments.strict, conflicts, now: SystemClock.now() };
    let mut take = |finding: &Finding| report.take(finding);
    let result = match &target {
        Database::Sqlite(store) => import_sqlite(store, &mut source, options, &mut take, &supervisor),
        Database::Postgres(store) => import_postgres(store, &mut source, options, &mut take, &supervisor),
    };
    drop(supervisor);
    report.finish()?;
    let (imported, refused) = match result {
        Ok(imported) => (imported, false),
        Err(ImportError::Refused(imported)) => (*imported, true),
        Err(error) => return Err(error.into()),
    };
    work_traces::count(imported.tables.iter().map(|(table, rows)| (table.as_str(), *rows)));
    let summary = Summary { imported, dry_run: run.dry_run, missing, refused, examples: report.examples };
    match run.show.output {
        SummaryFormat::Text => summary.write_text(out)?,
        SummaryFormat::Json => writeln!(out, "{}", summary.json())?,
    }
    Ok(!refused)
}

/// Compares the database with its source. Returns whether they are equal.
fn verify(
    target: &Database,
    source: &mut DjangoDatabase,
    mut report: RowReport,
    supervisor: CommandSupervisor,
    format: SummaryFormat,
    out: &mut impl Write,
) -> Result<bool, CommandError> {
    let now = SystemClock.now();
    let mut take = |finding: &Finding| report.take(finding);
    let compared = match target {
        Database::Sqlite(store) => verify_sqlite(store, source, now, &mut take, &supervisor),
        Database::Postgres(store) => verify_postgres(store, source, now, &mut take, &supervisor),
    };
    let compared = compared.map_err(not_compared)?;
    drop(supervisor);
    report.finish()?;
    write_compared(&compared, &report.examples, format, out)?;
    Ok(compared.iter().all(|table| table.differences == 0))
}

/// The error of a comparison, which imports nothing anyway.
fn not_compared(error: ImportError) -> CommandError {
    let cause = match error {
        ImportError::Stopped => return CommandError::Failed("it was stopped: nothing was compared".to_owned()),
        ImportError::Report(error) => format!("the report cannot be written: {error}"),
        ImportError::Source(cause) | ImportError::Failed(cause) => cause,
        ImportError::Blank(gone) => {
            format!("the source had {gone} at the last import, and has none now. Check its URL")
        }
        other => return other.into(),
    };
    CommandError::Failed(format!("nothing was compared: {cause}"))
}

/// Ends the import.
fn finish(config: &Config, format: SummaryFormat, out: &mut impl Write) -> Result<bool, CommandError> {
    let target = Database::open_existing(config)?;
    target.migrate()?;
    let now = SystemClock.now();
    match &target {
        Database::Sqlite(store) => finish_sqlite(store, now)?,
        Database::Postgres(store) => finish_postgres(store, now)?,
    }
    match format {
        SummaryFormat::Text => writeln!(out, "the import is finished: the schedule and the operations run here now")?,
        SummaryFormat::Json => writeln!(out, "{}", json!({ "operation": "finish" }))?,
    }
    Ok(true)
}

/// Prints what was compared. Differences name rows and columns, and no values.
fn write_compared(
    compared: &[Compared],
    examples: &[Finding],
    format: SummaryFormat,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let of = |table: &str| -> Vec<&Finding> { examples.iter().filter(|finding| finding.kind == table).collect() };
    if format == SummaryFormat::Json {
        let tables: Vec<Value> = compared
            .iter()
            .map(|Compared { table, there, here, differences }| {
                let examples: Vec<Value> =
                    of(table).iter().map(|finding| json!({ "kind": finding.rule, "row": finding.about })).collect();
                json!({
                    "table": table, "there": there, "here": here, "differences": differences, "examples": examples,
                })
            })
            .collect();
        let differences: i64 = compared.iter().map(|table| table.differences).sum();
        return writeln!(out, "{}", json!({ "operation": "verify", "tables": tables, "differences": differences }));
    }
    writeln!(out, "verify")?;
    for Compared { table, there, here, differences } in compared {
        let name = table.replace('_', " ");
        match differences {
            0 => writeln!(out, "  {name}: {here}, equal")?,
            _ => {
                let differences = counted(differences, "difference", "differences");
                writeln!(out, "  {name}: {there} there, {here} here, {differences}")?;
            }
        }
        for Finding { rule, about, .. } in of(table) {
            writeln!(out, "    {}: {about}", rule.replace('_', " "))?;
        }
    }
    Ok(())
}

struct Summary {
    imported: Imported,
    dry_run: bool,
    /// The file that a dry run did not find.
    missing: Option<PathBuf>,
    refused: bool,
    examples: Vec<Finding>,
}

impl Summary {
    fn rules(&self) -> RuleSummary<'_> {
        RuleSummary { rules: &self.imported.rules, examples: &self.examples }
    }

    fn write_text(&self, out: &mut impl Write) -> std::io::Result<()> {
        let has_conflicts = self.imported.rules.iter().any(|rule| rule.kind == "conflict");
        let what = match (self.refused, self.dry_run) {
            (true, _) if has_conflicts => {
                " (nothing was imported, because of what was changed on both sides: --force lets the source replace it, \
                 --keep keeps it)"
            }
            (true, _) => " (--strict: nothing was imported, because licenses would lose their holder)",
            (false, true) => " (dry run: nothing was changed)",
            (false, false) => "",
        };
        writeln!(out, "import{what}")?;
        if let Some(path) = &self.missing {
            let path = path.display();
            writeln!(out, "  there is no SQLite database {path}: this is what a new one would get")?;
        }
        write_counts(&self.imported.tables, out)?;
        match &self.imported.again {
            Some(changed) if changed.is_empty() => writeln!(out, "  the source is as it was at the last import")?,
            Some(changed) => {
                for Changed { table, added, changed, deleted, kept, unchanged } in changed {
                    let table = table.replace('_', " ");
                    writeln!(
                        out,
                        "  {table}: {added} added, {changed} changed, {deleted} deleted, {kept} kept, \
                         {unchanged} unchanged"
                    )?;
                }
            }
            None => {}
        }
        ["mended", "left", "conflict"].iter().try_for_each(|kind| self.rules().write_kind(kind, &[], out))
    }

    fn json(&self) -> Value {
        let again = self.imported.again.as_ref().map(|changed| {
            let of = |Changed { table, added, changed, deleted, kept, unchanged }: &Changed| {
                let numbers = json!({
                    "added": added, "changed": changed, "deleted": deleted, "kept": kept, "unchanged": unchanged,
                });
                (table.clone(), numbers)
            };
            changed.iter().map(of).collect::<serde_json::Map<_, _>>()
        });
        json!({
            "operation": "import",
            "dry_run": self.dry_run,
            "without_database": self.missing.is_some(),
            "refused": self.refused,
            "tables": json_of_counts(&self.imported.tables),
            "changes": again,
            "rules": self.rules().json(),
        })
    }
}
