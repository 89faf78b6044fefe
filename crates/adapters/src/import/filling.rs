//! Fills the real tables, and counts what happened on each day.

use chrono::{DateTime, Utc};
use license_manager_domain::model::seeded_products;

use super::database::Database;
use super::staging::Shape;
use super::{ImportError, Written, seats, staging, state};

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
    now: DateTime<Utc>,
    own_versions_from: i64,
    written: &mut Written<'_>,
) -> Result<(), ImportError> {
    for table in SEEDED {
        connection.run(&format!("DELETE FROM {table}"))?;
    }
    let shapes = Shape::all(connection)?;
    connection.without_triggers(|connection| {
        for shape in &shapes {
            let (table, names, order) = (shape.name, shape.columns.join(", "), shape.key());
            let insert = format!(
                "INSERT INTO {table} ({names}) $OVERRIDING SELECT {names} FROM staged_{table} ORDER BY {order};"
            );
            connection.run(&insert).map_err(|error| ImportError::about(table, error))?;
            state::remember_rows(connection, shape, &format!("staged_{table}"))?;
            let rows = connection.number(&format!("SELECT count(*) AS number FROM staged_{table}"))?;
            written.advanced(rows.unsigned_abs())?;
        }
        Ok(())
    })?;
    number_on(connection, own_versions_from)?;
    state::begin(connection, now, own_versions_from)?;
    state::keep_values(connection)?;
    seats::count(connection, "license_history", seats::Count::Add)?;
    written.advanced(written.left)
}

/// Updates the planner's statistics.
pub(super) fn analyze<C: Database>(connection: &mut C) -> Result<(), ImportError> {
    if C::NEEDS_STATISTICS { Ok(connection.run("ANALYZE")?) } else { Ok(()) }
}

/// Lets numbers go on after all that were ever given, also to what the histories alone remember. Versions of our own
/// have numbers that the source does not reach.
fn number_on<C: Database>(connection: &mut C, own_versions_from: i64) -> Result<(), ImportError> {
    for table in staging::TABLES {
        let columns = connection.columns(table)?;
        let has = |name: &str| columns.iter().any(|column| column.name == name);
        if has("history_id") {
            let last = connection.number(&format!("SELECT coalesce(max(history_id), 0) AS number FROM {table}"))?;
            connection.go_on_after(table, "history_id", last.max(own_versions_from - 1))?;
        } else if has("id") && !SEEDED.contains(&table) {
            let last = highest_id(connection, table)?;
            connection.go_on_after(table, "id", last)?;
        }
    }
    Ok(())
}

/// The highest id that a table's rows or their histories have.
fn highest_id<C: Database>(connection: &mut C, table: &str) -> Result<i64, ImportError> {
    let history = format!("{table}_history");
    let mut last = connection.number(&format!("SELECT coalesce(max(id), 0) AS number FROM {table}"))?;
    if staging::TABLES.contains(&history.as_str()) {
        last = last.max(connection.number(&format!("SELECT coalesce(max(id), 0) AS number FROM {history}"))?);
    }
    Ok(last)
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
            let last = highest_id(connection, table)?;
            connection.go_on_at_least_after(table, "id", last)?;
        }
    }
    // Products and plan types have no sequence; the history of products has one.
    let last = connection.number("SELECT coalesce(max(history_id), 0) AS number FROM product_history")?;
    Ok(connection.go_on_at_least_after("product_history", "history_id", last)?)
}
