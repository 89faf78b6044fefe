//! What differs between Postgres and SQLite.

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;

use super::{Finding, ImportError, RuleCount};
use crate::copy::forms;
use crate::plain_sql::{PlainSql, TextRow};
use crate::postgres::DEADLOCK;
use crate::rows::shared::NumberRow;

/// How often the locks on all tables are taken again after a deadlock.
const MOST_DEADLOCKS: usize = 20;

/// A column of a table, with its type.
#[derive(QueryableByName)]
pub(crate) struct Column {
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub kind: String,
}

/// What a table can do without for a while.
#[derive(QueryableByName)]
pub(crate) struct Removable {
    /// The statement that takes it away.
    #[diesel(sql_type = Text)]
    pub remove: String,
    /// The statement that brings it back.
    #[diesel(sql_type = Text)]
    pub restore: String,
}

/// A connection to either database.
pub(crate) trait Database: PlainSql + SimpleConnection {
    /// The words of statements, each with the database's own.
    const WORDS: &'static [(&'static str, &'static str)];

    /// What made a checksum: another database's are others.
    const CHECKSUMS: &'static str;

    /// Whether plans of large statements are bad without statistics.
    const NEEDS_STATISTICS: bool;

    /// A moment as a literal.
    fn moment(moment: DateTime<Utc>) -> String;

    /// The tables of the schema.
    fn tables(&mut self) -> QueryResult<Vec<String>>;

    /// The columns of a table.
    fn columns(&mut self, table: &str) -> QueryResult<Vec<Column>>;

    /// The statement that inserts the rows of a JSON array into a table.
    fn insert(table: &str, columns: &[Column]) -> Result<String, ImportError>;

    /// Runs work in a transaction that keeps other writers out, and from some tables readers, too.
    fn locked_alone<T>(
        &mut self,
        alone: &[&str],
        work: impl FnOnce(&mut Self) -> Result<T, ImportError>,
    ) -> Result<T, ImportError>;

    /// Runs work in a transaction that keeps other writers out.
    fn locked<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, ImportError>) -> Result<T, ImportError> {
        self.locked_alone(&[], work)
    }

    /// The triggers of a table.
    fn triggers(&mut self, table: &str) -> QueryResult<Vec<Removable>>;

    /// The indexes of a table but those of its constraints.
    fn indexes(&mut self, table: &str) -> QueryResult<Vec<Removable>>;

    /// Runs work while the triggers on `license_history` are off.
    fn without_triggers(&mut self, work: impl FnOnce(&mut Self) -> Result<(), ImportError>) -> Result<(), ImportError> {
        let triggers = self.triggers("license_history")?;
        without(self, "license_history", &triggers, work)
    }

    /// Runs work while a table has no indexes but those of its constraints. Building them at the end is faster than
    /// looking for the place of each row in each of them. They come back within the transaction.
    fn without_indexes(
        &mut self,
        table: &str,
        work: impl FnOnce(&mut Self) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let indexes = self.indexes(table)?;
        without(self, table, &indexes, work)
    }

    /// Lets numbers of a table go on after one.
    fn go_on_after(&mut self, table: &str, column: &str, last: i64) -> QueryResult<()>;

    /// Lets numbers of a table go on after one, unless they are beyond it.
    fn go_on_at_least_after(&mut self, table: &str, column: &str, last: i64) -> QueryResult<()>;

    /// Statements with their [words](Self::WORDS) replaced.
    fn worded(statements: &str) -> String {
        Self::WORDS.iter().fold(statements.to_owned(), |text, (word, own)| text.replace(word, own))
    }

    /// Runs statements.
    fn run(&mut self, statements: &str) -> QueryResult<()> {
        self.batch_execute(&Self::worded(statements))
    }

    /// The column `number` of a statement with one row.
    fn number(&mut self, statement: &str) -> QueryResult<i64> {
        let rows = self.rows::<NumberRow>(&Self::worded(statement))?;
        rows.first().map(|row| row.number).ok_or(diesel::result::Error::NotFound)
    }

    /// The rows of a statement.
    fn rule_counts(&mut self, statement: &str) -> QueryResult<Vec<RuleCount>> {
        self.rows(&Self::worded(statement))
    }

    /// Passes on the rows of a statement one by one.
    fn each_finding(
        &mut self,
        statement: &str,
        visit: &mut dyn FnMut(&Finding) -> std::io::Result<()>,
    ) -> Result<(), ImportError> {
        self.each_row(&Self::worded(statement), &mut |finding: Finding| visit(&finding).map_err(ImportError::from))
    }
}

/// Runs work while a table does without some of what it has.
fn without<C: Database>(
    connection: &mut C,
    table: &str,
    removed: &[Removable],
    work: impl FnOnce(&mut C) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let about = |error| ImportError::about(table, error);
    for Removable { remove, .. } in removed {
        connection.batch_execute(remove).map_err(about)?;
    }
    work(connection)?;
    removed.iter().try_for_each(|Removable { restore, .. }| connection.batch_execute(restore).map_err(about))
}

impl Database for PgConnection {
    const WORDS: &'static [(&'static str, &'static str)] = &[
        ("$NEW_UUID", "gen_random_uuid()"),
        ("$NIL", "'00000000-0000-0000-0000-000000000000'::uuid"),
        ("$AS_UUID", "::uuid"),
        ("$DAYS[", "(floor(extract(epoch FROM ("),
        ("]DAYS", ")) / 86400)::integer)"),
        ("$DAY[", "((("),
        ("]DAY", ") AT TIME ZONE 'UTC')::date)"),
        ("$MICROS[", "(extract(epoch FROM "),
        ("]MICROS", ") * 1000000)::bigint"),
        ("$OVERRIDING", "OVERRIDING SYSTEM VALUE"),
        ("$CHECKSUM[", "hashtextextended(ROW("),
        ("]CHECKSUM", ")::text, 0)"),
        // An index takes rows in any order.
        ("$IN_ORDER_OF_KEYS", ""),
        // Rows of counts are only added.
        ("$ADD_SEATS", ""),
        ("$ADD_ACTIVATIONS", ""),
    ];

    const CHECKSUMS: &'static str = "postgres";

    const NEEDS_STATISTICS: bool = true;

    fn moment(moment: DateTime<Utc>) -> String {
        format!("timestamptz '{}'", moment.format("%Y-%m-%d %H:%M:%S%.6f+00"))
    }

    fn tables(&mut self) -> QueryResult<Vec<String>> {
        self.texts(
            "SELECT relname::text AS text FROM pg_class
             WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') ORDER BY relname",
        )
    }

    fn columns(&mut self, table: &str) -> QueryResult<Vec<Column>> {
        self.rows_of(
            "SELECT attname::text AS name, format_type(atttypid, atttypmod) AS kind FROM pg_attribute
             WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            table,
        )
    }

    fn insert(table: &str, columns: &[Column]) -> Result<String, ImportError> {
        let (mut names, mut carried, mut written) = (Vec::new(), Vec::new(), Vec::new());
        for Column { name, kind } in columns {
            let form = forms::of_postgres(kind)
                .ok_or_else(|| ImportError::Failed(format!("no conversion to {kind} is known for {table}.{name}")))?;
            names.push(name.clone());
            carried.push(format!("{name} {}", form.carried));
            written.push(form.written.replace("{}", &format!("sent.{name}")));
        }
        Ok(format!(
            "INSERT INTO {table} ({}) SELECT {} FROM json_to_recordset($1::json) AS sent ({})",
            names.join(", "),
            written.join(", "),
            carried.join(", "),
        ))
    }

    fn locked_alone<T>(
        &mut self,
        alone: &[&str],
        work: impl FnOnce(&mut Self) -> Result<T, ImportError>,
    ) -> Result<T, ImportError> {
        // These tables come first: whoever has read one and goes on to write it waits for nothing then.
        let alone = match alone {
            [] => String::new(),
            tables => format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE; ", tables.join(", ")),
        };
        let lock = format!("{alone}LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", self.tables()?.join(", "));
        let (mut work, mut deadlocks) = (Some(work), 0);
        loop {
            let result = self.transaction(|connection| -> Result<T, ImportError> {
                connection.batch_execute(&lock)?;
                let work = work.take();
                work.ok_or_else(|| ImportError::Failed("work would run twice".to_owned()))?(connection)
            });
            match result {
                // Servers that write meanwhile take their locks in another order. Nothing is lost yet.
                Err(ImportError::Failed(cause))
                    if work.is_some() && cause == DEADLOCK && deadlocks < MOST_DEADLOCKS =>
                {
                    deadlocks += 1;
                }
                other => return other,
            }
        }
    }

    fn triggers(&mut self, table: &str) -> QueryResult<Vec<Removable>> {
        self.rows_of(
            "SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname) AS remove,
                    format('ALTER TABLE %s ENABLE TRIGGER %I', tgrelid::regclass, tgname) AS restore
             FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal AND tgenabled = 'O'",
            table,
        )
    }

    fn indexes(&mut self, table: &str) -> QueryResult<Vec<Removable>> {
        self.rows_of(
            "SELECT format('DROP INDEX %s', indexrelid::regclass) AS remove, pg_get_indexdef(indexrelid) AS restore
             FROM pg_index AS own WHERE indrelid = $1::regclass
                 AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = own.indexrelid)
             ORDER BY indexrelid",
            table,
        )
    }

    fn go_on_after(&mut self, table: &str, column: &str, last: i64) -> QueryResult<()> {
        let sequence = sequence(self, table, column)?;
        // Unlike setval, this is undone by a rollback.
        self.batch_execute(&format!("ALTER SEQUENCE {sequence} RESTART WITH {}", last + 1))
    }

    fn go_on_at_least_after(&mut self, table: &str, column: &str, last: i64) -> QueryResult<()> {
        if last < 1 {
            return Ok(());
        }
        let sequence = sequence(self, table, column)?;
        self.batch_execute(&format!(
            "SELECT setval('{sequence}', {last})
             FROM {sequence} WHERE last_value <= {last}"
        ))
    }
}

/// The sequence that numbers a column.
fn sequence(connection: &mut PgConnection, table: &str, column: &str) -> QueryResult<String> {
    let query = sql_query("SELECT pg_get_serial_sequence($1, $2) AS text");
    let row: TextRow = query.bind::<Text, _>(table).bind::<Text, _>(column).get_result(connection)?;
    Ok(row.text)
}

impl Database for SqliteConnection {
    const WORDS: &'static [(&'static str, &'static str)] = &[
        (
            "$NEW_UUID",
            "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || \
             substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))",
        ),
        ("$NIL", "'00000000-0000-0000-0000-000000000000'"),
        ("$AS_UUID", ""),
        ("$DAYS[", "(("),
        ("]DAYS", ") / 86400000000)"),
        ("$DAY[", "(("),
        ("]DAY", ") / 86400000000)"),
        ("$MICROS[", "("),
        ("]MICROS", ")"),
        ("$OVERRIDING", ""),
        ("$CHECKSUM[", "row_checksum(json_array("),
        ("]CHECKSUM", "))"),
        ("$IN_ORDER_OF_KEYS", "ORDER BY row_key"),
        (
            "$ADD_SEATS",
            "ON CONFLICT (subscription_plan_uuid, day) DO UPDATE SET
                 unassigned = unassigned + excluded.unassigned, assigned = assigned + excluded.assigned,
                 activated = activated + excluded.activated, revoked = revoked + excluded.revoked",
        ),
        (
            "$ADD_ACTIVATIONS",
            "ON CONFLICT (subscription_plan_uuid, day, days_assigned) DO UPDATE SET number = number + excluded.number",
        ),
    ];

    const CHECKSUMS: &'static str = "sqlite";

    const NEEDS_STATISTICS: bool = false;

    fn moment(moment: DateTime<Utc>) -> String {
        moment.timestamp_micros().to_string()
    }

    fn tables(&mut self) -> QueryResult<Vec<String>> {
        self.texts(
            "SELECT name AS text FROM sqlite_schema
             WHERE type = 'table' AND name NOT GLOB 'sqlite_*'
                 AND name NOT IN (SELECT name FROM pragma_table_list WHERE type IN ('virtual', 'shadow'))
             ORDER BY name",
        )
    }

    fn columns(&mut self, table: &str) -> QueryResult<Vec<Column>> {
        self.rows_of("SELECT name, type AS kind FROM pragma_table_info(?1) ORDER BY cid", table)
    }

    fn insert(table: &str, columns: &[Column]) -> Result<String, ImportError> {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<String> = names.iter().map(|name| format!("value ->> '{name}'")).collect();
        // json_each would write a row as text again for each of its values.
        Ok(format!("INSERT INTO {table} ({}) SELECT {} FROM jsonb_each(?1)", names.join(", "), values.join(", ")))
    }

    fn locked_alone<T>(
        &mut self,
        _alone: &[&str],
        work: impl FnOnce(&mut Self) -> Result<T, ImportError>,
    ) -> Result<T, ImportError> {
        self.immediate_transaction(work)
    }

    fn triggers(&mut self, table: &str) -> QueryResult<Vec<Removable>> {
        // SQLite cannot turn a trigger off.
        self.rows_of(
            "SELECT 'DROP TRIGGER ' || name AS remove, sql AS restore FROM sqlite_schema
             WHERE type = 'trigger' AND tbl_name = ?1 ORDER BY name",
            table,
        )
    }

    fn indexes(&mut self, table: &str) -> QueryResult<Vec<Removable>> {
        self.rows_of(
            "SELECT 'DROP INDEX ' || name AS remove, sql AS restore FROM sqlite_schema
             WHERE type = 'index' AND tbl_name = ?1 AND sql IS NOT NULL ORDER BY name",
            table,
        )
    }

    fn go_on_after(&mut self, table: &str, _column: &str, last: i64) -> QueryResult<()> {
        // SQLite keeps the number of the last row that was ever inserted, if there was one.
        self.batch_execute(&format!(
            "UPDATE sqlite_sequence SET seq = max(seq, {last}) WHERE name = '{table}';
             INSERT INTO sqlite_sequence (name, seq) SELECT '{table}', {last}
             WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = '{table}')"
        ))
    }

    fn go_on_at_least_after(&mut self, table: &str, column: &str, last: i64) -> QueryResult<()> {
        self.go_on_after(table, column, last)
    }
}
