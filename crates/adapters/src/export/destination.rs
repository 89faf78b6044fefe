//! What takes the rows.

use serde_json::{Map, Value};

use super::ExportError;
use crate::import::Finding;

/// A row: its columns, and those that [`tables`](super::tables) adds. A UUID is a text, a moment a number of microseconds
/// since 1970 UTC, a flag 0 or 1.
pub type ExportedRow = Map<String, Value>;

/// A name that no other row of its scope may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistinctName {
    /// What it is unique in; empty for a name that is unique in its table.
    pub scope: String,
    /// The name.
    pub name: String,
    /// The row.
    pub about: String,
}

impl DistinctName {
    pub(super) fn of(row: &ExportedRow) -> Self {
        let text = |column: &str| row.get(column).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { scope: text("scope"), name: text("name"), about: text("about") }
    }
}

/// The database of another system. Until [`finish`](Destination::finish) nothing of what is written is seen there, and
/// without it nothing stays.
pub trait Destination {
    /// Takes names of a kind.
    ///
    /// # Errors
    /// The destination fails; as of every method.
    fn distinguish(&mut self, kind: &'static str, names: &[DistinctName]) -> Result<(), ExportError>;

    /// The names of a kind that the destination takes for equal.
    ///
    /// # Errors
    /// The destination fails.
    fn equal_names(&mut self, kind: &'static str) -> Result<Vec<Finding>, ExportError>;

    /// Writes nothing from now on, and checks rows all the same.
    fn only_check(&mut self);

    /// Begins to write. `last_numbers` are the highest numbers of tables that only their histories remember.
    ///
    /// # Errors
    /// It holds rows that are in the way, or fails.
    fn open(&mut self, last_numbers: &[(&'static str, i64)]) -> Result<(), ExportError>;

    /// Takes rows of a table, and returns what does not go over as it is.
    ///
    /// # Errors
    /// The destination fails.
    fn write(&mut self, table: &'static str, rows: &[ExportedRow]) -> Result<Vec<Finding>, ExportError>;

    /// All rows of a table were written.
    ///
    /// # Errors
    /// The destination fails.
    fn end(&mut self, table: &'static str) -> Result<Vec<Finding>, ExportError>;

    /// Removes rows that are gone, by their keys.
    ///
    /// # Errors
    /// The destination fails.
    fn remove(&mut self, table: &'static str, keys: &[String]) -> Result<(), ExportError>;

    /// Prepares rows that will be written again, so that their names can change hands.
    ///
    /// # Errors
    /// The destination fails.
    fn release(&mut self, table: &'static str, keys: &[String]) -> Result<(), ExportError>;

    /// Removes what was erased here from versions in a history of licenses, by their numbers.
    ///
    /// # Errors
    /// The destination fails.
    fn erase(&mut self, column: &'static str, versions: &[String]) -> Result<(), ExportError>;

    /// A page of what may be gone here without a trace: of `users` their `username`, of `role_assignment` `id`, `username`,
    /// `role` and `enterprise_customer_uuid`. Each row has a `position`; the page begins after one. An empty page is the
    /// last. [`remove`](Destination::remove) takes user names, and ids of roles.
    ///
    /// # Errors
    /// The destination fails.
    fn present(&mut self, table: &'static str, after: Option<&str>) -> Result<Vec<ExportedRow>, ExportError>;

    /// Makes all that was written stay.
    ///
    /// # Errors
    /// The destination fails.
    fn finish(&mut self) -> Result<(), ExportError>;
}
