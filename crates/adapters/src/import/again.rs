//! Imports a source again into the database that was filled from it: what differs is written, and nothing else.

use chrono::{DateTime, Utc};
use license_manager_domain::operations::Supervisor;
use license_manager_domain::words::counted;

use super::database::Database;
use super::decisions::{self, Conflicts};
use super::rows::Source;
use super::staging::{self, Shape, Staging};
use super::state::{self, State};
use super::{
    Changed, Finding, ImportError, ImportOptions, Imported, compare, filling, go_on, histories, rules, seats, writing,
};

/// Imports again. See [`super::import_sqlite`].
pub(super) fn import<C: Database>(
    connection: &mut C,
    state: &State,
    source: &mut dyn Source,
    options: ImportOptions,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
    supervisor: &dyn Supervisor,
) -> Result<Imported, ImportError> {
    if state.is_finished {
        return Err(ImportError::Finished);
    }
    if !state.tells_sides_apart() {
        return Err(ImportError::Moved);
    }
    supervisor.found(source.count()?);
    let ranges = source.checksums()?;
    // Where a run was interrupted, rows are missing that the source has had before.
    if state.is_filled && state::is_unchanged(connection, &ranges)? {
        match (options.dry_run, state.counts_anew) {
            (true, _) => {}
            (false, false) => state::compared(connection, options.now)?,
            (false, true) => connection.locked(|connection| {
                state::refuse_others(connection, state)?;
                seats::count_anew(connection, state)?;
                state::compared(connection, options.now)
            })?,
        }
        return Ok(Imported::unchanged());
    }
    // Everything that takes long happens before writers are kept out.
    let shapes = Shape::all(connection)?;
    connection.transaction(|connection| {
        stage(connection, source, supervisor)?;
        go_on(supervisor)?;
        if options.conflicts != Conflicts::Force {
            refuse_blank(connection)?;
        }
        refuse_numbers_of_ours(connection, state.own_versions_from)?;
        compare::compare(connection, &shapes, state.own_versions_from)
    })?;
    go_on(supervisor)?;
    // A first import that was interrupted may have left these tables empty. Postgres drops indexes only of a table that
    // nobody reads.
    let alone: &[&str] = if state.is_filled { &[] } else { &filling::WITHOUT_INDEXES };
    let mut imported = None;
    let result = connection.locked_alone(alone, |connection| {
        state::refuse_others(connection, state)?;
        compare::look_again(connection, &shapes, state.own_versions_from)?;
        let done = merge(connection, &shapes, state, options, report, supervisor)?;
        state::remember_ranges(connection, &ranges)?;
        let is_dry_run = options.dry_run;
        imported = Some(done);
        // A dry run does everything, and takes it back.
        if is_dry_run { Err(ImportError::Stopped) } else { Ok(()) }
    });
    match (result, imported) {
        (Ok(()), Some(imported)) => {
            filling::analyze(connection)?;
            Ok(imported)
        }
        (Err(_), Some(imported)) if options.dry_run => Ok(imported),
        (Err(error), _) => Err(error),
        (Ok(()), None) => Err(ImportError::Failed("an import ended without a result".to_owned())),
    }
}

/// Reads the source into temporary tables, and mends it there as the first import did.
pub(super) fn stage<C: Database>(
    connection: &mut C,
    source: &mut dyn Source,
    supervisor: &dyn Supervisor,
) -> Result<(), ImportError> {
    let mut staging = Staging::create(connection)?;
    source.read(&mut staging::Writer { staging: &mut staging, connection, supervisor })?;
    staging::index(connection)?;
    rules::apply(connection)?;
    connection.run(KEYS)?;
    histories::put_in_order(connection)
}

/// New keys are random, so those that were made before are taken over.
const KEYS: &str = "
    UPDATE staged_license SET activation_key = coalesce(
        (SELECT own.activation_key FROM license AS own WHERE own.uuid = staged_license.uuid), activation_key)
    WHERE 'license ' || CAST(uuid AS text) IN (
        SELECT about FROM staged_finding WHERE rule = 'missing_activation_key');";

/// Writes what differs.
fn merge<C: Database>(
    connection: &mut C,
    shapes: &[Shape],
    state: &State,
    options: ImportOptions,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
    supervisor: &dyn Supervisor,
) -> Result<Imported, ImportError> {
    decisions::decide(connection, shapes, options.conflicts)?;
    go_on(supervisor)?;
    let mut imported = summarize(connection, shapes, state, report)?;
    let is_refused = |count: &super::RuleCount| {
        (options.conflicts == Conflicts::Refuse && count.kind == "conflict")
            || (options.strict && rules::FREEING.contains(&count.rule.as_str()))
    };
    if imported.rules.iter().any(is_refused) {
        return Err(ImportError::Refused(Box::new(imported)));
    }
    writing::write(connection, shapes, state, options.now, supervisor)?;
    add_rules_of_histories(connection, &mut imported, report)?;
    state::compared(connection, options.now)?;
    Ok(imported)
}

/// Fails if agreements or licenses were imported, and the source has none of them. Its URL may be that of another
/// database. Everything that was imported would be deleted here, and would be a difference in a comparison.
pub(super) fn refuse_blank<C: Database>(connection: &mut C) -> Result<(), ImportError> {
    let mut gone = Vec::new();
    for (table, one, many) in [("customer_agreement", "agreement", "agreements"), ("license", "license", "licenses")] {
        if connection.number(&format!("SELECT count(*) AS number FROM staged_{table}"))? > 0 {
            continue;
        }
        let imported = format!("SELECT count(*) AS number FROM imported_row WHERE table_name = '{table}'");
        match connection.number(&imported)? {
            0 => {}
            number => gone.push(counted(number, one, many)),
        }
    }
    if gone.is_empty() { Ok(()) } else { Err(ImportError::Blank(gone.join(" and "))) }
}

/// Fails if the source has reached the numbers of versions that are ours.
fn refuse_numbers_of_ours<C: Database>(connection: &mut C, own_versions_from: i64) -> Result<(), ImportError> {
    for table in histories::recorded() {
        let highest = format!("SELECT coalesce(max(history_id), 0) AS number FROM staged_{}_history", table.name);
        if connection.number(&highest)? >= own_versions_from {
            return Err(ImportError::Failed(format!(
                "the history of {} in the source has reached the numbers of this database. Import into a new database",
                table.name
            )));
        }
    }
    Ok(())
}

/// The rules that apply to what is taken over, and the conflicts. A run that was interrupted may have told nothing of
/// what it wrote, so the one that goes on tells the rules of all rows.
fn findings(state: &State) -> String {
    let taken = match state.is_filled {
        true => {
            "WHERE found.about IN (SELECT table_name || ' ' || label FROM staged_difference WHERE decision = 'take')"
        }
        false => "",
    };
    format!(
        "SELECT found.rule, found.kind, found.about FROM staged_finding AS found {taken}
         UNION ALL
         SELECT why, 'conflict', table_name || ' ' || label || named FROM staged_difference WHERE why IS NOT NULL"
    )
}

/// Adds the rules by which writing ended the histories of what is taken over.
fn add_rules_of_histories<C: Database>(
    connection: &mut C,
    imported: &mut Imported,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
) -> Result<(), ImportError> {
    let added = "SELECT rule, kind, count(*) AS number FROM staged_finding GROUP BY rule, kind";
    for count in connection.rule_counts(added)? {
        match imported.rules.iter_mut().find(|known| known.rule == count.rule && known.kind == count.kind) {
            Some(known) => known.number += count.number,
            None => imported.rules.push(count),
        }
    }
    imported.rules.sort_by(|one, other| (&one.rule, &one.kind).cmp(&(&other.rule, &other.kind)));
    connection.each_finding("SELECT rule, kind, about FROM staged_finding ORDER BY rule, about", report)
}

fn summarize<C: Database>(
    connection: &mut C,
    shapes: &[Shape],
    state: &State,
    report: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
) -> Result<Imported, ImportError> {
    let mut changed = Vec::new();
    for Shape { name, .. } in shapes {
        let in_source = connection.number(&format!("SELECT count(*) AS number FROM staged_{name}"))?;
        let mut number = |rows: &str| {
            connection.number(&format!(
                "SELECT count(*) AS number FROM staged_difference WHERE table_name = '{name}' AND {rows}"
            ))
        };
        let of_table = Changed {
            table: (*name).to_owned(),
            added: number("decision = 'take' AND theirs = 1 AND ours = 0")?,
            changed: number("decision = 'take' AND theirs = 1 AND ours = 1")?,
            deleted: number("decision = 'take' AND theirs = 0")?,
            kept: number("decision = 'stay'")?,
            unchanged: in_source - number("theirs = 1")?,
        };
        // A run that goes on with an interrupted one says what is there of all tables.
        if !of_table.is_equal() || !state.is_filled {
            changed.push(of_table);
        }
    }
    let findings = findings(state);
    let rules = connection.rule_counts(&format!(
        "SELECT rule, kind, count(*) AS number FROM ({findings}) AS found GROUP BY rule, kind ORDER BY rule, kind"
    ))?;
    connection.each_finding(&format!("SELECT * FROM ({findings}) AS found ORDER BY rule, about"), report)?;
    Ok(Imported { tables: Vec::new(), rules, again: Some(changed) })
}

/// Records that nothing is imported again. An import that is finished stays finished.
pub(super) fn finish<C: Database>(connection: &mut C, now: DateTime<Utc>) -> Result<(), ImportError> {
    connection.locked(|connection| match state::read(connection)? {
        None => Err(ImportError::NeverImported),
        Some(state) if !state.is_filled => Err(ImportError::Unfilled),
        Some(state) => {
            seats::count_anew(connection, &state)?;
            if state.is_finished { Ok(()) } else { state::finish(connection, now) }
        }
    })
}
