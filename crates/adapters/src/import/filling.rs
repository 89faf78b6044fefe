//! Fills the real tables, and counts what happened on each day.
//!
//! Rows are committed in parts, each together with the checksums that are remembered of it. So a run that is killed
//! leaves a part of the rows, and the next one finds which are equal already: it imports again.

use chrono::{DateTime, Utc};
use license_manager_domain::model::seeded_products;

use super::database::Database;
use super::rows::{RangeChecksum, Source};
use super::staging::Shape;
use super::state::State;
use super::{ImportError, Written, seats, staging, state};

/// The most versions that one transaction writes. Rows of other tables refer to each other, so each of these tables is
/// written in one. So are the versions of licenses, whose indexes are built at its end.
const PART: i64 = 50_000;

/// Tables that are written without their indexes, which are built at the end.
pub(super) const WITHOUT_INDEXES: [&str; 2] = ["license", "license_history"];

/// Tables that the migrations fill. Their rows are replaced.
const SEEDED: [&str; 3] = ["product_history", "product", "plan_type"];

/// Fails if the database holds anything beyond the initial rows.
pub(super) fn refuse_unless_empty<C: Database>(connection: &mut C) -> Result<(), ImportError> {
    let mut filled = Vec::new();
    for table in connection.tables()? {
        let is_checked = table != "__diesel_schema_migrations" && !SEEDED.contains(&table.as_str());
        let look = format!("SELECT count(*) AS number FROM (SELECT 1 FROM {table} LIMIT 1) AS first");
        if is_checked && connection.number(&look)? > 0 {
            filled.push(table);
        }
    }
    let products = connection.number("SELECT count(*) AS number FROM product_history")?;
    if products > seeded_products().len() as i64 {
        filled.push("products of its own".to_owned());
    }
    if filled.is_empty() { Ok(()) } else { Err(ImportError::NotEmpty(filled.join(", "))) }
}

/// Moves all rows from the temporary tables.
pub(super) fn fill<C: Database>(
    connection: &mut C,
    source: &mut dyn Source,
    now: DateTime<Utc>,
    own_versions_from: i64,
    written: &mut Written<'_>,
) -> Result<(), ImportError> {
    let shapes = Shape::all(connection)?;
    let state = connection.locked(|connection| {
        if state::read(connection)?.is_some() {
            return Err(ImportError::Overtaken);
        }
        refuse_unless_empty(connection)?;
        for table in SEEDED {
            connection.run(&format!("DELETE FROM {table}"))?;
        }
        // Whoever writes here between two parts gets numbers beyond those that are still to be written.
        number_on(connection, own_versions_from)?;
        state::begin(connection, now, own_versions_from)
    })?;
    fill_tables(connection, &shapes, &state, written)
        .and_then(|()| source.checksums())
        .and_then(|ranges| complete(connection, &state, &ranges))
        .map_err(ImportError::partly)?;
    written.completed();
    Ok(())
}

fn fill_tables<C: Database>(
    connection: &mut C,
    shapes: &[Shape],
    state: &State,
    written: &mut Written<'_>,
) -> Result<(), ImportError> {
    for shape in shapes {
        let staged = format!("staged_{}", shape.name);
        if !shape.is_history() {
            fill_part(connection, shape, &staged, state, written)?;
            continue;
        }
        let most = if shape.name == "license_history" { i64::MAX } else { PART };
        connection.run(&format!("CREATE INDEX {staged}_by_number ON {staged} (history_id);"))?;
        let first = format!("SELECT coalesce(min(history_id), 1) - 1 AS number FROM {staged}");
        let mut after = connection.number(&first)?;
        loop {
            let last = connection.number(&format!(
                "SELECT coalesce(max(history_id), {after}) AS number
                 FROM (SELECT history_id FROM {staged} WHERE history_id > {after}
                       ORDER BY history_id LIMIT {most}) AS part"
            ))?;
            if last == after {
                break;
            }
            let part = format!("(SELECT * FROM {staged} WHERE history_id > {after} AND history_id <= {last})");
            fill_part(connection, shape, &part, state, written)?;
            after = last;
        }
    }
    Ok(())
}

/// Writes the rows of `part`, a table or a query in parentheses, and what is remembered of them, in one transaction.
fn fill_part<C: Database>(
    connection: &mut C,
    shape: &Shape,
    part: &str,
    state: &State,
    written: &mut Written<'_>,
) -> Result<(), ImportError> {
    let (table, names, key) = (shape.name, shape.columns.join(", "), shape.key());
    // People who called a server since the import began are stored already. The source's flags replace theirs.
    let replace = match table {
        "users" => {
            let others: Vec<String> =
                shape.columns[1..].iter().map(|name| format!("{name} = excluded.{name}")).collect();
            format!("ON CONFLICT ({key}) DO UPDATE SET {}", others.join(", "))
        }
        _ => String::new(),
    };
    let insert = format!(
        "INSERT INTO {table} ({names}) $OVERRIDING SELECT {names} FROM {part} AS own ORDER BY {key} {replace};"
    );
    // Postgres drops indexes only of a table that nobody reads.
    let alone = WITHOUT_INDEXES.contains(&table).then_some(table);
    let rows = connection.locked_alone(alone.as_slice(), |connection| {
        state::refuse_others(connection, state)?;
        let write = |connection: &mut C| -> Result<(), ImportError> {
            connection.run(&insert).map_err(|error| ImportError::about(table, error))?;
            state::remember_rows(connection, shape, part)
        };
        match table {
            "license" => connection.without_indexes(table, write)?,
            "license_history" => {
                connection.without_triggers(|connection| connection.without_indexes(table, write))?;
            }
            _ => write(connection)?,
        }
        Ok(connection.number(&format!("SELECT count(*) AS number FROM {part} AS own"))?)
    })?;
    written.advanced(rows.unsigned_abs())
}

/// Does what needs all rows.
fn complete<C: Database>(connection: &mut C, state: &State, ranges: &[RangeChecksum]) -> Result<(), ImportError> {
    connection.locked(|connection| {
        state::refuse_others(connection, state)?;
        state::keep_values(connection)?;
        state::remember_ranges(connection, ranges)?;
        seats::count_anew(connection, state)
    })
}

/// Updates the planner's statistics.
pub(super) fn analyze<C: Database>(connection: &mut C) -> Result<(), ImportError> {
    if C::NEEDS_STATISTICS { Ok(connection.run("ANALYZE")?) } else { Ok(()) }
}

/// Lets numbers go on after all that the temporary tables hold, also after what the histories alone remember. Versions of
/// our own have numbers that the source does not reach.
fn number_on<C: Database>(connection: &mut C, own_versions_from: i64) -> Result<(), ImportError> {
    for table in staging::TABLES {
        let columns = connection.columns(table)?;
        let has = |name: &str| columns.iter().any(|column| column.name == name);
        if has("history_id") {
            let highest = format!("SELECT coalesce(max(history_id), 0) AS number FROM staged_{table}");
            let last = connection.number(&highest)?.max(own_versions_from - 1);
            connection.go_on_after(table, "history_id", last)?;
        } else if has("id") && !SEEDED.contains(&table) {
            let last = highest_id(connection, "staged_", table)?;
            connection.go_on_after(table, "id", last)?;
        }
    }
    Ok(())
}

/// The highest id that a table's rows or their histories have. `kind` stands before the names of the tables that are
/// looked at.
fn highest_id<C: Database>(connection: &mut C, kind: &str, table: &str) -> Result<i64, ImportError> {
    let history = format!("{table}_history");
    let mut highest =
        |table: &str| connection.number(&format!("SELECT coalesce(max(id), 0) AS number FROM {kind}{table}"));
    let last = highest(table)?;
    match staging::TABLES.contains(&history.as_str()) {
        true => Ok(last.max(highest(&history)?)),
        false => Ok(last),
    }
}

/// Lets numbers go on after those that were imported again. Numbers that were given here stay behind.
pub(super) fn number_on_again<C: Database>(connection: &mut C) -> Result<(), ImportError> {
    for table in staging::TABLES.into_iter().filter(|table| !SEEDED.contains(table)) {
        let columns = connection.columns(table)?;
        let has = |name: &str| columns.iter().any(|column| column.name == name);
        if has("history_id") {
            let last = connection.number(&format!("SELECT coalesce(max(history_id), 0) AS number FROM {table}"))?;
            connection.go_on_at_least_after(table, "history_id", last)?;
        } else if has("id") {
            let last = highest_id(connection, "", table)?;
            connection.go_on_at_least_after(table, "id", last)?;
        }
    }
    // Products and plan types have no sequence; the history of products has one.
    let last = connection.number("SELECT coalesce(max(history_id), 0) AS number FROM product_history")?;
    Ok(connection.go_on_at_least_after("product_history", "history_id", last)?)
}
