//! Which tables and columns the database has.

use std::collections::{HashMap, HashSet};

use crate::DjangoError;
use crate::client::Client;

/// The oldest layout that is read, as the highest migration of the app `subscriptions`.
const OLDEST: u32 = 66;

/// The tables of the database and their columns.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The number of the highest migration of the app `subscriptions`.
    pub migration: u32,
    tables: HashMap<String, HashSet<String>>,
}

impl Layout {
    /// Reads the layout, and refuses one that is too old.
    pub(crate) fn read(client: &mut Client) -> Result<Self, DjangoError> {
        let mut tables: HashMap<String, HashSet<String>> = HashMap::new();
        let columns = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = database()";
        for row in client.query(columns)? {
            if let [Some(table), Some(column)] = row.cells()[..] {
                tables.entry(table.to_owned()).or_default().insert(column.to_owned());
            }
        }
        let mut layout = Self { migration: 0, tables };
        for needed in ["django_migrations", "subscriptions_license"] {
            if !layout.has(needed) {
                return Err(DjangoError::Layout(format!(
                    "this is no database of the Django license manager, or the user may not read it: \
                     there is no table {needed}"
                )));
            }
        }
        let newest = client.query("SELECT max(name) FROM django_migrations WHERE app = 'subscriptions'")?;
        let name = newest.first().and_then(|row| row.cells()[0].map(str::to_owned)).unwrap_or_default();
        layout.migration = name.split('_').next().and_then(|number| number.parse().ok()).unwrap_or_default();
        if layout.migration < OLDEST {
            return Err(DjangoError::Layout(format!(
                "the layout is too old: its newest migration is subscriptions.{name}. \
                 Migrate the Django service to subscriptions.{OLDEST:04} or later first"
            )));
        }
        Ok(layout)
    }

    /// Whether there is a table.
    pub(crate) fn has(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// Whether a table has a column.
    pub(crate) fn has_column(&self, table: &str, column: &str) -> bool {
        self.tables.get(table).is_some_and(|columns| columns.contains(column))
    }
}
