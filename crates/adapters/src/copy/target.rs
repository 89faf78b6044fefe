//! Checks and writes Postgres, within one transaction.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;

use super::error::CopyError;
use super::tables::{Declared, Reference, Table, quoted};
use crate::rows::shared::NumberRow;

/// Tables that the migrations fill. Their rows in the new database are replaced.
const SEEDED: [&str; 3] = ["product_history", "product", "plan_type"];

/// How long to wait for other users of the tables.
const LOCK_TIMEOUT: &str = "60s";

/// The Postgres database that is filled.
pub(super) struct Target<'c>(pub(super) &'c mut PgConnection);

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// A disabled trigger.
#[derive(QueryableByName)]
pub(super) struct Trigger {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    name: String,
}

impl Target<'_> {
    /// The columns of every table.
    pub(super) fn columns(&mut self) -> Result<Vec<Declared>, CopyError> {
        let query = sql_query(
            "SELECT class.relname::text AS \"table\", attribute.attname::text AS \"column\",
                    format_type(attribute.atttypid, attribute.atttypmod) AS kind,
                    attribute.attidentity <> '' AS is_identity,
                    EXISTS (SELECT 1 FROM pg_index WHERE indrelid = class.oid AND indisprimary
                            AND attribute.attnum = ANY (indkey)) AS is_key,
                    EXISTS (SELECT 1 FROM pg_constraint WHERE contype = 'f' AND conrelid = class.oid AND confrelid = class.oid
                            AND attribute.attnum = ANY (conkey)) AS refers_to_own_table
             FROM pg_class AS class JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
             WHERE class.relnamespace = to_regnamespace(quote_ident(current_schema())) AND class.relkind IN ('r', 'p')
                 AND attribute.attnum > 0 AND NOT attribute.attisdropped
                 AND class.relname <> '__diesel_schema_migrations'
             ORDER BY class.relname, attribute.attnum",
        );
        Ok(query.load(self.0)?)
    }

    /// The foreign keys between tables.
    pub(super) fn references(&mut self) -> Result<Vec<Reference>, CopyError> {
        let query = sql_query(
            "SELECT DISTINCT child.relname::text AS \"from\", parent.relname::text AS \"to\"
             FROM pg_constraint JOIN pg_class AS child ON child.oid = conrelid JOIN pg_class AS parent ON parent.oid = confrelid
             WHERE contype = 'f' AND conrelid <> confrelid
                 AND child.relnamespace = to_regnamespace(quote_ident(current_schema()))",
        );
        Ok(query.load(self.0)?)
    }

    /// Blocks other writers, not readers, until the transaction ends. Lifts the role's timeouts, because a copy may
    /// take long.
    pub(super) fn lock(&mut self, tables: &[Table]) -> Result<(), CopyError> {
        let mut names: Vec<String> = tables.iter().map(|table| quoted(&table.name)).collect();
        names.sort();
        self.execute(&format!(
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; \
             SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
            names.join(", ")
        ))
    }

    /// The tables that have rows beyond the initial ones.
    pub(super) fn filled(&mut self, tables: &[Table]) -> Result<Vec<String>, CopyError> {
        let looks: Vec<String> = tables
            .iter()
            .filter(|table| !SEEDED.contains(&table.name.as_str()))
            .map(|table| {
                let text = table.name.replace('\'', "''");
                format!("SELECT '{text}' AS name WHERE EXISTS (SELECT 1 FROM {})", quoted(&table.name))
            })
            .collect();
        let filled: Vec<Name> = sql_query(format!("{} ORDER BY name", looks.join(" UNION ALL "))).load(self.0)?;
        Ok(filled.into_iter().map(|table| table.name).collect())
    }

    /// Disables triggers whose work was already done in SQLite, such as counting seats, and returns them.
    pub(super) fn disable_triggers(&mut self) -> Result<Vec<Trigger>, CopyError> {
        let triggers: Vec<Trigger> = sql_query(
            "SELECT class.relname::text AS table_name, tgname::text AS name
             FROM pg_trigger JOIN pg_class AS class ON class.oid = tgrelid
             WHERE NOT tgisinternal AND tgenabled = 'O'
                 AND class.relnamespace = to_regnamespace(quote_ident(current_schema()))",
        )
        .load(self.0)?;
        self.alter_triggers(&triggers, "DISABLE")?;
        Ok(triggers)
    }

    pub(super) fn enable_triggers(&mut self, triggers: &[Trigger]) -> Result<(), CopyError> {
        self.alter_triggers(triggers, "ENABLE")
    }

    fn alter_triggers(&mut self, triggers: &[Trigger], how: &str) -> Result<(), CopyError> {
        for Trigger { table_name, name } in triggers {
            self.execute(&format!("ALTER TABLE {} {how} TRIGGER {}", quoted(table_name), quoted(name)))?;
        }
        Ok(())
    }

    /// Empties the tables that the migrations fill.
    pub(super) fn remove_seeds(&mut self, tables: &[Table]) -> Result<(), CopyError> {
        for name in SEEDED.into_iter().filter(|name| tables.iter().any(|table| table.name == *name)) {
            self.execute(&format!("DELETE FROM {}", quoted(name)))?;
        }
        Ok(())
    }

    /// Runs a statement over the rows of a JSON array. Fails unless it writes `number` rows.
    pub(super) fn write(&mut self, table: &str, statement: &str, rows: &str, number: usize) -> Result<(), CopyError> {
        let written = sql_query(statement)
            .bind::<Text, _>(rows)
            .execute(self.0)
            .map_err(|error| CopyError::about(table, error))?;
        match written == number {
            true => Ok(()),
            false => Err(CopyError::Failed(format!("{table}: {written} of {number} rows were written"))),
        }
    }

    /// Continues the numbering of rows after the highest number in use, or ever used in SQLite.
    pub(super) fn go_on_after(&mut self, table: &Table, last: i64) -> Result<(), CopyError> {
        for column in table.columns.iter().filter(|column| column.is_identity) {
            let (name, of) = (quoted(&column.name), quoted(&table.name));
            let row: NumberRow =
                sql_query(format!("SELECT coalesce(max({name}), 0) AS number FROM {of}")).get_result(self.0)?;
            let next = row.number.max(last) + 1;
            let sequence: Name = sql_query("SELECT pg_get_serial_sequence($1, $2) AS name")
                .bind::<Text, _>(&of)
                .bind::<Text, _>(&column.name)
                .get_result(self.0)?;
            // Unlike setval, this is undone by a rollback.
            self.execute(&format!("ALTER SEQUENCE {} RESTART WITH {next}", sequence.name))?;
        }
        Ok(())
    }

    /// Updates the planner's statistics, so that the first queries are fast.
    pub(super) fn analyze(&mut self, tables: &[Table]) -> Result<(), CopyError> {
        let names: Vec<String> = tables.iter().map(|table| quoted(&table.name)).collect();
        self.execute(&format!("ANALYZE {}", names.join(", ")))
    }

    /// The number of rows of a table.
    pub(super) fn count(&mut self, table: &str) -> Result<i64, CopyError> {
        let row: NumberRow =
            sql_query(format!("SELECT count(*) AS number FROM {}", quoted(table))).get_result(self.0)?;
        Ok(row.number)
    }

    fn execute(&mut self, statement: &str) -> Result<(), CopyError> {
        Ok(self.0.batch_execute(statement)?)
    }
}
