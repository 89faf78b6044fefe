//! Copies everything that a SQLite database holds into an empty Postgres one.
//!
//! | module | what stands there |
//! |---|---|
//! | `tables` | which tables and columns there are, on both sides alike, and in which order they are filled |
//! | `forms` | how a value looks on either side |
//! | `source` | reading SQLite |
//! | `target` | checking and writing Postgres |
//!
//! No table is named: both schemas tell what there is, and whatever one side alone has, or has in a form that nobody described, is
//! refused. Why so: `docs/adr/0013-moving-to-postgres.md`.

mod forms;
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
use source::Source;
use tables::Table;
use target::Target;

/// How large the rows of one statement are together, in bytes; one row may be larger.
const BATCH_BYTES: usize = 1 << 20;

/// Why nothing was copied. Each is one line; the Postgres database is as it was.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The Postgres database holds more than migrations and seeding put there.
    #[error("the Postgres database is not empty, it has {0}: nothing was copied. Copy into a new database")]
    NotEmpty(String),
    /// A table or a column is on one side only, or in forms that nobody described.
    #[error("nothing was copied: {0}")]
    Unknown(String),
    /// On one side are more rows than on the other.
    #[error("nothing was copied: {table} has {expected} rows in SQLite and {found} in Postgres")]
    Incomplete {
        /// The table.
        table: String,
        /// How many rows there are in SQLite.
        expected: i64,
        /// How many came to Postgres.
        found: i64,
    },
    /// Whoever runs it wants it to end.
    #[error("it was stopped: nothing was copied")]
    Stopped,
    /// A database fails.
    #[error("nothing was copied: {0}")]
    Failed(String),
}

impl From<diesel::result::Error> for CopyError {
    fn from(error: diesel::result::Error) -> Self {
        // The first line alone: Postgres puts the values of a row, which may be personal data, into the others.
        Self::Failed(error.to_string().lines().next().unwrap_or_default().to_owned())
    }
}

impl From<Error> for CopyError {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl CopyError {
    /// Names what failed with it.
    fn about(what: &str, error: diesel::result::Error) -> Self {
        match Self::from(error) {
            Self::Failed(cause) => Self::Failed(format!("{what}: {cause}")),
            other => other,
        }
    }
}

/// How many rows a table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedTable {
    /// The table.
    pub name: String,
    /// Its rows.
    pub rows: i64,
}

/// Copies every row, as it was at one moment, in one transaction, and returns how many rows of each table there are, by name. Both
/// databases have to be migrated. Nobody else writes to the Postgres database meanwhile: who tries waits. Memory holds some
/// rows at a time. A dry run checks and counts, and changes nothing.
///
/// # Errors
/// See [`CopyError`]; then nothing was changed.
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

/// Refuses a database that holds anything but what every new one has.
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

/// How many rows there are to copy, by name of their table.
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
    // What refers to rows of its own table is filled in when all of them are there.
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

/// Compares what came with what was there.
fn compare(to: &mut Target<'_>, copied: &[CopiedTable]) -> Result<(), CopyError> {
    for table in copied {
        let found = to.count(&table.name)?;
        if found != table.rows {
            return Err(CopyError::Incomplete { table: table.name.clone(), expected: table.rows, found });
        }
    }
    Ok(())
}

/// Ends the copy where somebody wants that.
fn go_on(supervisor: &dyn Supervisor) -> Result<(), CopyError> {
    if supervisor.is_stopping() { Err(CopyError::Stopped) } else { Ok(()) }
}

/// Hands rows on as JSON arrays, each with how many rows it has.
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
    fn rows_travel_together_up_to_a_size_and_a_larger_one_alone() {
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
        in_batches(std::iter::empty(), |_, _| panic!("nothing is written where nothing is")).expect("nothing to do");
    }
}
