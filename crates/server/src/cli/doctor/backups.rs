//! The schedule, and the copies of a SQLite database that it makes.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use license_manager_adapters::sqlite::SqliteBackups;
use license_manager_domain::operations::CronExpression;
use license_manager_domain::ports::Clock as _;

use super::findings::Finding;
use crate::config::{Config, DatabaseUrl, Timing};
use crate::system::SystemClock;

/// How long after its time a copy may still be under way.
const UNDER_WAY: TimeDelta = TimeDelta::hours(1);

/// Looks at the settings, and for the newest copy. Blocks.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![match config.schedule.enabled {
        true => Finding::ok("schedule", "this process runs the recurring operations"),
        false => {
            Finding::off("schedule", "LM_SCHEDULE__ENABLED is false: other processes, or cron, run the operations")
        }
    }];
    if let DatabaseUrl::Sqlite(_) = config.database.url_or_default() {
        findings.extend(copies(config));
    }
    findings
}

/// The copies of the database.
fn copies(config: &Config) -> Vec<Finding> {
    if !config.backup.is_set() {
        let advice = "nothing copies the database: set LM_BACKUP__FOLDER or LM_BACKUP__TO_BUCKET, or copy it otherwise";
        return vec![Finding::off("backup", advice)];
    }
    let times = match &config.schedule.backup {
        Timing::At(times) if config.schedule.enabled => Some(times),
        _ => None,
    };
    let mut findings = Vec::new();
    if times.is_none() {
        findings.push(Finding::warning(
            "backup",
            "this process makes no copies: set LM_SCHEDULE__ENABLED=true and LM_SCHEDULE__BACKUP in one, or let cron run \
             `license-manager backup`",
        ));
    }
    match &config.backup.folder {
        Some(folder) => findings.push(newest(folder, times, SystemClock.now())),
        // The bucket is asked with the other services. It may hide what it has.
        None if times.is_some() => findings.push(Finding::ok("backup", "copies are uploaded to the bucket")),
        None => {}
    }
    findings
}

/// How old the newest copy of a folder is.
fn newest(folder: &Path, times: Option<&CronExpression>, now: DateTime<Utc>) -> Finding {
    let shown = folder.display();
    let newest = match SqliteBackups::newest(folder) {
        Ok(Some(newest)) => newest,
        Ok(None) => {
            return Finding::warning("backup", format!("{shown} has no copy yet: `license-manager backup` makes one"));
        }
        Err(error) => return Finding::failed("backup", format!("{shown} cannot be read (LM_BACKUP__FOLDER): {error}")),
    };
    let told = format!("the newest copy in {shown} is of {}", newest.format("%Y-%m-%d %H:%M UTC"));
    match times.and_then(|times| times.next_after(newest)) {
        Some(due) if due + UNDER_WAY < now => {
            let due = due.format("%Y-%m-%d %H:%M UTC");
            Finding::warning("backup", format!("{told}, and the next one was due at {due}: see the log"))
        }
        _ => Finding::ok("backup", told),
    }
}
