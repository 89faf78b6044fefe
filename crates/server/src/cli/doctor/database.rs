//! The database, its migrations and its clock.

use std::time::Instant;

use license_manager_adapters::postgres::{Examination, PostgresStore};
use license_manager_domain::ports::Clock as _;
use license_manager_domain::words::counted;

use super::findings::Finding;
use crate::config::{Config, DatabaseUrl};
use crate::database::{Database, MigrationError};
use crate::system::SystemClock;

/// How far the clocks of this machine and of the database may differ, in milliseconds, before it is worth a warning, and
/// before it is wrong: times of both are compared.
const CLOCK_WARNING: i64 = 1_000;
const CLOCK_FAILURE: i64 = 30_000;

/// What a URL needs, so that connections go to the server that takes writes.
const PRIMARY: &str = "DATABASE_URL needs the host of the primary, or all hosts and target_session_attrs=read-write";

/// Asks the database. Blocks.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let url = config.database.url_or_default();
    if let DatabaseUrl::Sqlite(path) = &url
        && !path.exists()
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        return vec![match folder {
            Some(folder) if !folder.is_dir() => {
                Finding::failed("database", format!("there is no folder {} for it", folder.display()))
            }
            _ => Finding::warning("database", format!("there is no {} yet; the server creates it", path.display())),
        }];
    }
    let database = match Database::open(config) {
        Ok(database) => database,
        Err(error) => return vec![Finding::failed("database", error.to_string())],
    };
    let start = Instant::now();
    let mut findings = match &database {
        Database::Sqlite(_) => match database.ping() {
            Ok(()) => vec![Finding::ok("database", format!("{url} answers"))],
            Err(error) => return vec![Finding::failed("database", format!("{url}: {error}"))],
        },
        Database::Postgres(store) => match of_postgres(store, config, &url, start) {
            Ok(findings) => findings,
            Err(problem) => return vec![Finding::failed("database", problem)],
        },
    };
    findings.push(migrations(&database));
    findings.extend(replica(&database, config));
    findings
}

/// The replica, if there is one.
fn replica(database: &Database, config: &Config) -> Option<Finding> {
    let behind = match database.replica(config) {
        Ok(replicated) => replicated?.bytes_behind().map_err(|problem| problem.to_string()),
        Err(error) => Err(error.to_string()),
    };
    Some(match behind {
        Ok(0) => Finding::ok("replica", "it follows"),
        Ok(bytes) => Finding::warning(
            "replica",
            format!("it is behind, and answers no reads until it has replayed {bytes} bytes of the primary's log"),
        ),
        Err(problem) => Finding::failed("replica", problem),
    })
}

fn of_postgres(
    store: &PostgresStore,
    config: &Config,
    url: &DatabaseUrl,
    start: Instant,
) -> Result<Vec<Finding>, String> {
    let (before, examined, after) = (SystemClock.now(), store.examine()?, SystemClock.now());
    let Examination {
        version,
        is_supported,
        max_connections,
        has_search,
        takes_writes,
        may_migrate,
        waiting_commits,
        now,
    } = examined;
    let mut findings = vec![match (is_supported, takes_writes) {
        (false, _) => Finding::failed("database", format!("this is Postgres {version}: version 15 or later is needed")),
        (true, false) => {
            Finding::failed("database", format!("Postgres {version} only reads, as a standby does: {PRIMARY}"))
        }
        (true, true) => {
            Finding::ok("database", format!("Postgres {version} answers, in {} ms", start.elapsed().as_millis()))
        }
    }];
    if !may_migrate {
        let advice = "make the role of DATABASE_URL the owner of the database and of its tables";
        findings.push(Finding::failed("database", format!("this role may not create or change tables: {advice}")));
    }
    if may_reach_a_standby(url) {
        findings.push(Finding::warning("database", format!("connections may go to a standby: {PRIMARY}")));
    }
    if waiting_commits > 0 {
        findings.push(Finding::failed(
            "standby",
            format!(
                "commits that wait for a synchronous standby, which does not answer: {waiting_commits} (docs/DEPLOY.md)"
            ),
        ));
    }
    if store.expects_sessions_of_a_pooler().map_err(|error| error.to_string())? {
        findings.push(Finding::failed("database", MigrationError::Pooler.to_string()));
    }
    if i64::from(config.database.pool_size) >= i64::from(max_connections) {
        findings.push(Finding::warning(
            "connections",
            format!(
                "LM_DATABASE__POOL_SIZE is {}, and Postgres accepts {max_connections} in all",
                config.database.pool_size
            ),
        ));
    }
    let middle = before + (after - before) / 2;
    let apart = (now - middle).num_milliseconds();
    let message = format!("that of the database differs by {:.1} s", apart as f64 / 1_000.0);
    findings.push(match apart.abs() {
        CLOCK_FAILURE.. => Finding::failed("clock", format!("{message}: set both by NTP")),
        CLOCK_WARNING.. => Finding::warning("clock", format!("{message}: set both by NTP")),
        _ => Finding::ok("clock", message),
    });
    if !has_search && store.pending_migrations().is_ok_and(|pending| pending.is_empty()) {
        findings.push(Finding::warning(
            "search",
            "searches read every address of a plan: create the extension pg_trgm and its index (docs/OPERATIONS.md)",
        ));
    }
    Ok(findings)
}

/// Whether a URL of Postgres names several hosts without saying that the one that takes writes is wanted.
fn may_reach_a_standby(url: &DatabaseUrl) -> bool {
    let DatabaseUrl::Postgres(url) = url else { return false };
    let (before, parameters) = url.split_once('?').unwrap_or((url.as_str(), ""));
    let authority = before.split_once("://").map_or(before, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let hosts = authority.rsplit('@').next().unwrap_or_default();
    let parameters: Vec<(&str, &str)> =
        parameters.split('&').filter_map(|parameter| parameter.split_once('=')).collect();
    let is_list = |value: &str| value.contains(',') || value.to_ascii_uppercase().contains("%2C");
    let names_several =
        is_list(hosts) || parameters.iter().any(|(name, value)| ["host", "hostaddr"].contains(name) && is_list(value));
    let wants_primary = parameters
        .iter()
        .any(|(name, value)| *name == "target_session_attrs" && ["read-write", "primary"].contains(value));
    names_several && !wants_primary
}

fn migrations(database: &Database) -> Finding {
    match (database.pending_migrations(), database.unknown_migrations()) {
        (Ok(pending), Ok(unknown)) if pending.is_empty() && unknown.is_empty() => {
            Finding::ok("migrations", "all have run")
        }
        (Ok(pending), Ok(_)) if pending.is_empty() => {
            Finding::warning("migrations", "a newer version migrated this database: finish the upgrade")
        }
        (Ok(pending), Ok(_)) => Finding::warning(
            "migrations",
            format!(
                "{} pending: `license-manager migrate`, or a start of the server, runs what is missing",
                counted(pending.len(), "is", "are")
            ),
        ),
        (Err(error), _) | (_, Err(error)) => Finding::failed("migrations", error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_hosts_need_to_say_which_one_is_wanted() {
        let may = |url: &str| may_reach_a_standby(&DatabaseUrl::try_from(url.to_owned()).expect("a URL"));
        for url in [
            "postgres://me:a,b@one/x",
            "postgres://me@one,two:5433/x?sslmode=require&target_session_attrs=read-write",
            "postgres:///x?host=one,two&target_session_attrs=primary",
            "sqlite:one,two.db",
        ] {
            assert!(!may(url), "{url}");
        }
        for url in [
            "postgres://me:secret@one,two/x",
            "postgres://one:5432,two:5433/x?target_session_attrs=any",
            "postgres:///x?host=one%2ctwo",
        ] {
            assert!(may(url), "{url}");
        }
    }
}
