//! The migration that puts stored addresses into their normal form. SQL cannot compute it, so this migration runs code
//! after its SQL.
//!
//! A live license keeps its address if another live license of its plan has the same normal form, because a plan has one
//! live license for an address. The versions of that license in the history stay as they are too, and so do addresses
//! that are not accepted any more.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::marker::PhantomData;

use diesel::connection::BoxableConnection;
use diesel::migration::{Migration, MigrationMetadata, MigrationName, MigrationSource, Result as MigrationResult};
use diesel::sql_types::Text;
use diesel::{Connection, QueryResult, QueryableByName};
use diesel_migrations::EmbeddedMigrations;
use license_manager_domain::Email;
use license_manager_domain::model::results_with_normal_addresses;
use serde::Serialize;
use serde_json::Value;

/// The version of the migration.
const VERSION: &str = "20261129000020";

/// The most rows that are read or written by a statement.
const BATCH: i64 = 500;

/// The migrations in files, where one also runs code over the connection `C`.
pub(crate) struct Migrations<C>(EmbeddedMigrations, PhantomData<fn(&mut C)>);

impl<C> Migrations<C> {
    /// These migrations, completed.
    pub(crate) const fn new(embedded: EmbeddedMigrations) -> Self {
        Self(embedded, PhantomData)
    }
}

impl<C: Texts> MigrationSource<C::Backend> for Migrations<C> {
    fn migrations(&self) -> MigrationResult<Vec<Box<dyn Migration<C::Backend>>>> {
        let completed = |migration: Box<dyn Migration<C::Backend>>| match migration.name().version() == VERSION.into() {
            true => Box::new(WithAddresses::<C>(migration)) as Box<dyn Migration<C::Backend>>,
            false => migration,
        };
        Ok(self.0.migrations()?.into_iter().map(completed).collect())
    }
}

struct WithAddresses<C: Connection>(Box<dyn Migration<C::Backend>>);

impl<C: Texts> Migration<C::Backend> for WithAddresses<C> {
    fn run(&self, connection: &mut dyn BoxableConnection<C::Backend>) -> MigrationResult<()> {
        self.0.run(connection)?;
        normalize(connection.downcast_mut::<C>().ok_or("the connection is of another kind")?)?;
        Ok(())
    }

    fn revert(&self, connection: &mut dyn BoxableConnection<C::Backend>) -> MigrationResult<()> {
        self.0.revert(connection)
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self.0.metadata()
    }

    fn name(&self) -> &dyn MigrationName {
        self.0.name()
    }
}

/// A column of texts that are addresses or contain some.
struct Column {
    table: &'static str,
    name: &'static str,
    /// A unique column of the table, and its type in Postgres.
    key: (&'static str, &'static str),
    /// The text with its addresses in their normal form; `None` if it has them already.
    normalized: fn(&str) -> Option<String>,
    /// A condition for rows to read, beside those with other letters than ASCII's or `xn--`.
    also: &'static str,
    /// A condition for rows that keep their text; `input` has the new texts.
    keeps: &'static str,
}

const COLUMNS: [Column; 7] = [
    Column {
        // SQLite takes the tables of a cross join in this order: the few twins first.
        keeps: "license.status IN ('assigned', 'activated') AND (
            EXISTS (SELECT 1 FROM license AS other
                WHERE other.subscription_plan_uuid = license.subscription_plan_uuid
                    AND other.user_email = input.text AND other.status IN ('assigned', 'activated'))
            OR EXISTS (SELECT 1 FROM input AS twin CROSS JOIN license AS other
                WHERE twin.text = input.text AND other.uuid = twin.key
                    AND other.subscription_plan_uuid = license.subscription_plan_uuid
                    AND other.status IN ('assigned', 'activated')
                    AND (other.status, other.uuid) < (license.status, license.uuid)))",
        ..Column::of("license", "user_email", ("uuid", "uuid"), address)
    },
    Column {
        keeps: "EXISTS (SELECT 1 FROM license
            WHERE license.uuid = license_history.uuid AND license.user_email = license_history.user_email)",
        ..Column::of("license_history", "user_email", ("history_id", "bigint"), address)
    },
    // Users were stored as their tokens name them.
    Column { also: "email <> lower(email)", ..Column::of("users", "email", ("username", "text"), address) },
    Column::of("outbox", "payload", ("uuid", "uuid"), payload),
    Column::of("webhook_delivery", "payload", ("position", "bigint"), payload),
    Column::of("bulk_enrollment_job", "parameters", ("uuid", "uuid"), payload),
    Column::of("bulk_enrollment_job", "results", ("uuid", "uuid"), results_with_normal_addresses),
];

impl Column {
    const fn of(
        table: &'static str,
        name: &'static str,
        key: (&'static str, &'static str),
        normalized: fn(&str) -> Option<String>,
    ) -> Self {
        Self { table, name, key, normalized, also: "false", keeps: "false" }
    }

    /// Which rows to read.
    fn condition(&self) -> String {
        let Self { name, also, .. } = self;
        format!("({also} OR octet_length({name}) <> length({name}) OR {name} LIKE '%xn--%')")
    }

    /// The statement that writes the new texts of `input`.
    fn update(&self) -> String {
        let Self { table, name, key: (key, _), keeps, .. } = self;
        format!("UPDATE {table} SET {name} = input.text FROM input WHERE {table}.{key} = input.key AND NOT ({keeps})")
    }
}

/// A row's text.
#[derive(QueryableByName, Serialize)]
struct TextRow {
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = Text)]
    text: String,
}

/// The statements that differ between the databases.
trait Texts: Connection + 'static {
    /// The next rows to look at, by key, after the given key.
    fn read(&mut self, column: &Column, after: Option<&str>) -> QueryResult<Vec<TextRow>>;

    /// Writes new texts, but for rows that keep theirs. Returns the number of rows written.
    fn write(&mut self, column: &Column, texts: &[TextRow]) -> QueryResult<usize>;
}

/// Puts all addresses into their normal form, and logs how many texts changed.
fn normalize(connection: &mut impl Texts) -> QueryResult<()> {
    for column in &COLUMNS {
        let (mut changed, mut kept, mut after) = (0, 0, None);
        loop {
            let rows = connection.read(column, after.as_deref())?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key.clone());
            let new = |row: TextRow| Some(TextRow { text: (column.normalized)(&row.text)?, key: row.key });
            let texts: Vec<TextRow> = rows.into_iter().filter_map(new).collect();
            let written = if texts.is_empty() { 0 } else { connection.write(column, &texts)? };
            changed += written;
            kept += texts.len() - written;
        }
        if changed + kept > 0 {
            let Column { table, name, .. } = column;
            tracing::info!(table, column = name, changed, kept, "put stored email addresses into their normal form");
        }
    }
    Ok(())
}

fn address(text: &str) -> Option<String> {
    text.parse::<Email>().ok().map(String::from).filter(|normal| normal != text)
}

/// A JSON text with the addresses in it replaced. The rest stays as it is.
fn payload(text: &str) -> Option<String> {
    let json: Value = serde_json::from_str(text).ok()?;
    let mut named = Vec::new();
    name_addresses(&json, &mut named);
    let quoted = |address: &str| Value::from(address).to_string();
    let replaced = named
        .into_iter()
        .filter_map(|old| Some((old, address(old)?)))
        .fold(text.to_owned(), |text, (old, new)| text.replace(&quoted(old), &quoted(&new)));
    (replaced != text).then_some(replaced)
}

/// Finds the addresses in the payload of a message, an event or a bulk enrollment.
fn name_addresses<'a>(json: &'a Value, named: &mut Vec<&'a str>) {
    for (name, value) in json.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("email" | "assigned_email" | "user_email", Value::String(address)) => named.push(address),
            ("emails", Value::Array(addresses)) => named.extend(addresses.iter().filter_map(Value::as_str)),
            _ => name_addresses(value, named),
        }
    }
}
