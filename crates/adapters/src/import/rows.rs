//! What a source of rows is, and what it writes to.

use super::ImportError;

/// Rows of one table, as a JSON array of objects. A key is a column. A UUID is a text, a moment a number of
/// microseconds since 1970 UTC, a flag 0 or 1. A column without a value is NULL.
#[derive(Debug, Default)]
pub struct Page {
    json: String,
    rows: usize,
}

impl Page {
    /// Adds a row: a JSON object.
    pub fn push(&mut self, object: &str) {
        self.json.push(if self.rows == 0 { '[' } else { ',' });
        self.json.push_str(object);
        self.rows += 1;
    }

    /// The JSON array and its number of rows; `None` if there are no rows.
    pub(super) fn rows(&self) -> Option<(String, usize)> {
        (self.rows > 0).then(|| (format!("{}]", self.json), self.rows))
    }
}

/// The checksum of some rows of the source, those of a range of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeChecksum {
    /// The source's table.
    pub table: String,
    /// The number of the range in the table.
    pub number: i64,
    /// The checksum. It is equal as long as all rows are.
    pub checksum: String,
}

/// Where rows come from: a system as of one moment.
pub trait Source {
    /// How many rows it has.
    ///
    /// # Errors
    /// It cannot be read.
    fn count(&mut self) -> Result<u64, ImportError>;

    /// Begins to add up the checksums, if that can be done beside other work. Called once everything was read: reading
    /// keeps the source busy, and what comes after it does not.
    fn begin_checksums(&mut self);

    /// The checksums of everything that [`Source::read`] passes on, as of a moment that is not later. They are asked for
    /// once.
    ///
    /// # Errors
    /// It cannot be read.
    fn checksums(&mut self) -> Result<Vec<RangeChecksum>, ImportError>;

    /// Passes on all rows, in pages. A history is in its order.
    ///
    /// # Errors
    /// It cannot be read, or what it writes to fails.
    fn read(&mut self, to: &mut dyn Target) -> Result<(), ImportError>;
}

/// What takes rows.
pub trait Target {
    /// Takes rows of one of our tables, or of `finding`: what a rule applies to, with the columns of
    /// [`Finding`](super::Finding); or of `value`: what is kept for the way back, with the columns of `imported_value`.
    ///
    /// # Errors
    /// A row has a value that the column cannot hold, or the database fails.
    fn write(&mut self, table: &'static str, page: &Page) -> Result<(), ImportError>;

    /// Rows were read.
    ///
    /// # Errors
    /// The run was asked to stop.
    fn advanced(&mut self, rows: u64) -> Result<(), ImportError>;
}
