//! Rows as JSON; what differs between Postgres and SQLite.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::destination::ExportedRow;
use super::tables::Table;
use super::{ExportError, changes};
use crate::import::Database;
use crate::plain_sql::TextRow;

/// The most rows of a page.
const PAGE_ROWS: usize = 1_000;
/// The most bytes of a page's rows as JSON. A single row may be larger.
const PAGE_BYTES: usize = 1 << 19;

/// A connection to either database.
pub(super) trait Readable: Database {
    /// What makes a text with a JSON object of names and values: what stands before them and after them.
    const OBJECT: (&'static str, &'static str);

    /// A value in the form of [`ExportedRow`].
    fn value(expression: &str, kind: &str) -> String;

    /// Runs work that sees the database as of now.
    fn as_of_now<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, ExportError>) -> Result<T, ExportError>;

    /// The statement that names those of the users or roles in a JSON array that are not in our table: by their user
    /// names, or ids.
    fn absent(table: &str) -> &'static str;

    /// A statement with its [object](Self::OBJECT).
    fn with_object(statement: &str) -> String {
        let (before, after) = Self::OBJECT;
        Self::worded(&statement.replace("$OBJECT[", before).replace("]OBJECT", after))
    }

    /// Passes on the JSON objects in the column `text` of a statement, in pages.
    fn each_page(
        &mut self,
        statement: &str,
        visit: &mut dyn FnMut(&[ExportedRow]) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        let (mut page, mut bytes) = (Vec::new(), 0);
        self.each_row(&Self::with_object(statement), &mut |TextRow { text }: TextRow| {
            bytes += text.len();
            // The cause is left out: it may quote the row.
            page.push(serde_json::from_str(&text).map_err(|_| ExportError::Failed("a row is no JSON".to_owned()))?);
            if page.len() == PAGE_ROWS || bytes > PAGE_BYTES {
                visit(&page)?;
                page.clear();
                bytes = 0;
            }
            Ok::<_, ExportError>(())
        })?;
        if page.is_empty() { Ok(()) } else { visit(&page) }
    }
}

/// Whether the user of a version is still known. People who were erased are not.
const KNOWN: &str = "EXISTS (SELECT 1 FROM users AS person WHERE person.username = own.history_user)";

/// The statement that reads the rows of a table, or the versions of its history.
pub(super) fn rows<C: Readable>(
    connection: &mut C,
    table: &Table,
    name: &str,
    since: Option<&str>,
) -> Result<String, ExportError> {
    let own = connection.columns(name)?.into_iter().map(|column| match column.name.as_str() {
        "history_user" => format!(
            "'history_user', CASE WHEN {KNOWN} THEN own.history_user END,
             'unknown_user', CASE WHEN own.history_user IS NULL OR {KNOWN} THEN 0 ELSE 1 END"
        ),
        name => format!("'{name}', {}", C::value(&format!("own.{name}"), &column.kind)),
    });
    // Nothing is kept of versions.
    let added = table.added.iter().filter(|(added, ..)| *added != "kept" || name == table.name);
    let added = added.map(|(name, expression, is_moment)| {
        let kind = if *is_moment { "timestamp with time zone" } else { "" };
        format!("'{name}', {}", C::value(expression, kind))
    });
    let columns: Vec<String> = own.chain(added).collect();
    let order = if name == table.name { table.key } else { "history_id" };
    Ok(format!(
        "SELECT $OBJECT[{}]OBJECT AS text FROM {name} AS own {} ORDER BY own.{order}",
        columns.join(", "),
        changes::condition(table, since),
    ))
}

impl Readable for PgConnection {
    const OBJECT: (&'static str, &'static str) = ("json_build_object(", ")::text");

    fn value(expression: &str, kind: &str) -> String {
        match kind {
            "timestamp with time zone" => format!("$MICROS[{expression}]MICROS"),
            "boolean" => format!("({expression})::integer"),
            _ => expression.to_owned(),
        }
    }

    fn as_of_now<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, ExportError>) -> Result<T, ExportError> {
        self.build_transaction().repeatable_read().read_only().run(work)
    }

    fn absent(table: &str) -> &'static str {
        match table {
            "users" => {
                "SELECT sent.username AS text FROM json_to_recordset($1::json) AS sent (username text)
                 WHERE NOT EXISTS (SELECT FROM users AS own WHERE own.username = sent.username)"
            }
            _ => {
                "SELECT sent.id AS text
                 FROM json_to_recordset($1::json)
                     AS sent (id text, username text, role text, enterprise_customer_uuid uuid)
                 WHERE NOT EXISTS (
                     SELECT FROM role_assignment AS own
                     WHERE own.username = sent.username AND own.role = sent.role
                         AND own.enterprise_customer_uuid IS NOT DISTINCT FROM sent.enterprise_customer_uuid)"
            }
        }
    }
}

impl Readable for SqliteConnection {
    const OBJECT: (&'static str, &'static str) = ("json_object(", ")");

    fn value(expression: &str, _: &str) -> String {
        expression.to_owned()
    }

    fn as_of_now<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, ExportError>) -> Result<T, ExportError> {
        self.batch_execute("PRAGMA busy_timeout = 60000")?;
        self.transaction(work)
    }

    fn absent(table: &str) -> &'static str {
        match table {
            "users" => {
                "SELECT value ->> 'username' AS text FROM jsonb_each(?1) AS sent
                 WHERE NOT EXISTS (SELECT 1 FROM users AS own WHERE own.username = value ->> 'username')"
            }
            _ => {
                "SELECT value ->> 'id' AS text FROM jsonb_each(?1) AS sent
                 WHERE NOT EXISTS (
                     SELECT 1 FROM role_assignment AS own
                     WHERE own.username = value ->> 'username' AND own.role = value ->> 'role'
                         AND own.enterprise_customer_uuid IS value ->> 'enterprise_customer_uuid')"
            }
        }
    }
}
