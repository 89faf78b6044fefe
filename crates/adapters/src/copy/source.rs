//! Reads SQLite within one transaction, so that all reads see the same moment.

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;

use super::error::CopyError;
use super::tables::{Column, Declared, Table, quoted};
use crate::rows::shared::NumberRow;

/// The SQLite database that is read.
pub(super) struct Source<'c>(pub(super) &'c mut SqliteConnection);

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    row: String,
}

impl Source<'_> {
    /// The columns of every table, without those of the search index, which Postgres has in another form.
    pub(super) fn columns(&mut self) -> Result<Vec<Declared>, CopyError> {
        let query = sql_query(
            "SELECT schema.name AS \"table\", info.name AS \"column\", info.type AS kind, info.pk > 0 AS is_key,
                    false AS is_identity, false AS refers_to_own_table
             FROM sqlite_schema AS schema, pragma_table_info(schema.name) AS info
             WHERE schema.type = 'table' AND schema.name NOT GLOB 'sqlite_*'
                 AND schema.name NOT IN ('__diesel_schema_migrations', 'license_address')
                 AND schema.name NOT IN (SELECT name FROM pragma_table_list WHERE type IN ('virtual', 'shadow'))",
        );
        query.load(self.0).map_err(of_sqlite)
    }

    /// The number of rows of a table.
    pub(super) fn count(&mut self, table: &str) -> Result<i64, CopyError> {
        self.number(&format!("SELECT count(*) AS number FROM {}", quoted(table)))
    }

    /// The highest row number a table has ever used; 0 if none.
    pub(super) fn last_number(&mut self, table: &str) -> Result<i64, CopyError> {
        let name = table.replace('\'', "''");
        self.number(&format!("SELECT coalesce(max(seq), 0) AS number FROM sqlite_sequence WHERE name = '{name}'"))
    }

    fn number(&mut self, query: &str) -> Result<i64, CopyError> {
        let row: NumberRow = sql_query(query).get_result(self.0).map_err(of_sqlite)?;
        Ok(row.number)
    }

    /// The rows of a table as JSON objects, in storage order, without references to rows of the same table.
    pub(super) fn rows(&mut self, table: &Table) -> Result<impl Iterator<Item = Result<String, CopyError>>, CopyError> {
        let fields: Vec<String> =
            table.columns.iter().filter(|column| !column.refers_to_own_table).map(Column::read).collect();
        self.read(format!("SELECT json_object({}) AS row FROM {}", fields.join(", "), quoted(&table.name)))
    }

    /// The rows of a table that refer to other rows of it through a column: their keys and the reference.
    pub(super) fn references(
        &mut self,
        table: &Table,
        column: &Column,
    ) -> Result<impl Iterator<Item = Result<String, CopyError>>, CopyError> {
        let fields: Vec<String> = table.key().chain([column]).map(Column::read).collect();
        let (table, column) = (quoted(&table.name), quoted(&column.name));
        let fields = fields.join(", ");
        self.read(format!("SELECT json_object({fields}) AS row FROM {table} WHERE {column} IS NOT NULL"))
    }

    fn read(&mut self, query: String) -> Result<impl Iterator<Item = Result<String, CopyError>>, CopyError> {
        let rows = sql_query(query).load_iter::<Row, DefaultLoadingMode>(self.0).map_err(of_sqlite)?;
        Ok(rows.map(|row| row.map(|row| row.row).map_err(of_sqlite)))
    }
}

fn of_sqlite(error: diesel::result::Error) -> CopyError {
    CopyError::about("SQLite", error)
}
