//! Copies all data of a SQLite database into an empty Postgres database.
//!
//! | module | contents |
//! |---|---|
//! | `tables` | the tables and columns of both databases, and the order to fill them in |
//! | `forms` | how values of each type are copied |
//! | `source` | reads SQLite |
//! | `target` | checks and writes Postgres |
//!
//! No table is named here: the tables are read from both schemas. A table, column or type that does not match on both
//! sides is an error. See `docs/adr/0013-moving-to-postgres.md`.

mod error;
pub(crate) mod forms;
mod source;
mod tables;
mod target;

use diesel::{Connection, SqliteConnection};
use license_manager_domain::Error;
use license_manager_domain::model::seeded_products;
use license_manager_domain::operations::Supervisor;
use license_manager_domain::ports::StoreExt;

use crate::postgres::PostgresStore;
use crate::sqlite::SqliteStore;
pub use error::CopyError;
use source::Source;
use tables::Table;
use target::Target;

/// The most bytes of rows per statement. A single row may be larger.
const BATCH_BYTES: usize = 1 << 20;

/// A copied table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedTable {
    /// Its name.
    pub name: String,
    /// Its number of rows.
    pub rows: i64,
}

/// Copies all rows as of one moment, in one transaction, and returns the row count of each table, by name. Both
/// databases must be migrated. Other writers to Postgres wait until it ends. Memory use is bounded. A dry run checks
/// and counts, and writes nothing.
///
/// # Errors
/// See [`CopyError`]; nothing was changed.
pub fn copy(
    source: &SqliteStore,
    target: &PostgresStore,
    dry_run: bool,
    supervisor: &dyn Supervisor,
) -> Result<Vec<CopiedTable>, CopyError> {
    let mut reader = source.reader()?;
    let reader: &mut SqliteConnection = &mut reader;
    let mut writer = target.unlimited_connection()?;
    writer.transaction(|writer| {
        reader.transaction(|reader| {
            let (mut from, mut to) = (Source(reader), Target(writer));
            let tables = tables::of_both(from.columns()?, to.columns()?, &to.references()?)?;
            if !dry_run {
                to.lock(&tables)?;
            }
            refuse_unless_empty(&mut to, &tables, target)?;
            let copied = counted(&mut from, &tables)?;
            if !dry_run {
                supervisor.found(copied.iter().map(|table| table.rows.unsigned_abs()).sum());
                fill(&mut from, &mut to, &tables, supervisor)?;
                compare(&mut to, &copied)?;
            }
            Ok(copied)
        })
    })
}

/// Fails if the database holds anything beyond the initial rows.
fn refuse_unless_empty(to: &mut Target<'_>, tables: &[Table], store: &PostgresStore) -> Result<(), CopyError> {
    let mut found = to.filled(tables)?;
    let seeded = seeded_products();
    let (products, plan_types) =
        store.read(|unit| Ok::<_, Error>((unit.products().list()?, unit.products().plan_types()?)))?;
    let is_seeded = products.iter().all(|product| seeded.contains(product))
        && plan_types.iter().all(|plan_type| seeded.iter().any(|product| product.plan_type == *plan_type));
    if !is_seeded {
        found.push("products or plan types of its own".to_owned());
    }
    if found.is_empty() { Ok(()) } else { Err(CopyError::NotEmpty(found.join(", "))) }
}

/// The number of rows to copy of each table.
fn counted(from: &mut Source<'_>, tables: &[Table]) -> Result<Vec<CopiedTable>, CopyError> {
    let count = |table: &Table| Ok(CopiedTable { name: table.name.clone(), rows: from.count(&table.name)? });
    let mut copied = tables.iter().map(count).collect::<Result<Vec<_>, CopyError>>()?;
    copied.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(copied)
}

fn fill(
    from: &mut Source<'_>,
    to: &mut Target<'_>,
    tables: &[Table],
    supervisor: &dyn Supervisor,
) -> Result<(), CopyError> {
    let triggers = to.disable_triggers()?;
    to.remove_seeds(tables)?;
    for table in tables {
        let (rows, insert) = (from.rows(table)?, table.insert());
        in_batches(rows, |batch, number| {
            to.write(&table.name, &insert, batch, number)?;
            supervisor.advanced(number as u64);
            go_on(supervisor)
        })?;
    }
    // References to rows of the same table are filled in after all its rows exist.
    for table in tables {
        for column in table.columns.iter().filter(|column| column.refers_to_own_table) {
            let (rows, update) = (from.references(table, column)?, table.refer(column)?);
            in_batches(rows, |batch, number| {
                to.write(&table.name, &update, batch, number)?;
                go_on(supervisor)
            })?;
        }
    }
    for table in tables {
        let last = from.last_number(&table.name)?;
        to.go_on_after(table, last)?;
    }
    to.enable_triggers(&triggers)?;
    to.analyze(tables)
}

/// Compares the row counts.
fn compare(to: &mut Target<'_>, copied: &[CopiedTable]) -> Result<(), CopyError> {
    for table in copied {
        let found = to.count(&table.name)?;
        if found != table.rows {
            return Err(CopyError::Incomplete { table: table.name.clone(), expected: table.rows, found });
        }
    }
    Ok(())
}

/// Fails if the run was asked to stop.
fn go_on(supervisor: &dyn Supervisor) -> Result<(), CopyError> {
    if supervisor.is_stopping() { Err(CopyError::Stopped) } else { Ok(()) }
}

/// Passes rows on as JSON arrays, each with its number of rows.
fn in_batches(
    rows: impl Iterator<Item = Result<String, CopyError>>,
    mut write: impl FnMut(&str, usize) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let (mut batch, mut number) = (String::new(), 0);
    for row in rows {
        let row = row?;
        if number > 0 && batch.len() + row.len() > BATCH_BYTES {
            batch.push(']');
            write(&batch, number)?;
            batch.clear();
            number = 0;
        }
        batch.push(if number == 0 { '[' } else { ',' });
        batch.push_str(&row);
        number += 1;
    }
    if number > 0 {
        batch.push(']');
        write(&batch, number)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_batched_up_to_a_size_and_a_larger_row_is_alone() {
        let row = |length: usize| Ok(format!("\"{}\"", "x".repeat(length)));
        let lengths = [10, 20, BATCH_BYTES - 60, 30, 2 * BATCH_BYTES, 5, 6];
        let mut batches = Vec::new();
        in_batches(lengths.into_iter().map(row), |batch, number| {
            let texts: Vec<String> = serde_json::from_str(batch).expect("an array of texts");
            assert_eq!(texts.len(), number);
            batches.push(texts.iter().map(String::len).collect::<Vec<_>>());
            Ok(())
        })
        .expect("all are written");
        assert_eq!(batches, [vec![10, 20, BATCH_BYTES - 60], vec![30], vec![2 * BATCH_BYTES], vec![5, 6]]);
        in_batches(std::iter::empty(), |_, _| panic!("there are no rows to write")).expect("nothing to do");
    }
}
