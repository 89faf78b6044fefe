//! Temporary tables, which take the rows as they come.

use std::collections::BTreeMap;

use license_manager_domain::operations::Supervisor;

use super::database::Database;
use super::rows::{Page, Target};
use super::{ImportError, go_on};
use crate::history::TableWithHistory;
use crate::schema::WITH_HISTORY;

/// The tables that are filled, each after those that it refers to.
pub(super) const TABLES: [&str; 23] = [
    "plan_type",
    "product",
    "product_history",
    "customer_agreement",
    "customer_agreement_history",
    "expiration_message",
    "expiration_message_history",
    "subscription_plan",
    "subscription_plan_history",
    "license",
    "license_history",
    "license_source",
    "license_source_history",
    "license_event",
    "subscription_plan_renewal",
    "subscription_plan_renewal_history",
    "license_transfer_job",
    "license_transfer_job_history",
    "notification",
    "notification_history",
    "users",
    "role_assignment",
    "bulk_enrollment_job",
];

/// The temporary tables `staged_<table>`, and `staged_finding`: what rules apply to.
pub(super) struct Staging {
    /// The statement that inserts rows, for each table.
    inserts: BTreeMap<&'static str, String>,
}

impl Staging {
    /// Creates the tables, empty.
    pub(super) fn create<C: Database>(connection: &mut C) -> Result<Self, ImportError> {
        let mut inserts = BTreeMap::new();
        for table in TABLES {
            let staged = format!("staged_{table}");
            connection.run(&format!("CREATE TEMPORARY TABLE {staged} AS SELECT * FROM {table} WHERE false"))?;
            inserts.insert(table, C::insert(&staged, &connection.columns(table)?)?);
        }
        connection.run("CREATE TEMPORARY TABLE staged_finding (rule TEXT, kind TEXT, about TEXT)")?;
        connection.run("CREATE TEMPORARY TABLE staged_value AS SELECT * FROM imported_value WHERE false")?;
        for (name, staged) in [("finding", "staged_finding"), ("value", "staged_value")] {
            inserts.insert(name, C::insert(staged, &connection.columns(staged)?)?);
        }
        Ok(Self { inserts })
    }
}

/// A table and its columns, the key first.
#[derive(Debug)]
pub(super) struct Shape {
    pub name: &'static str,
    pub columns: Vec<String>,
}

impl Shape {
    /// The tables in their order.
    pub(super) fn all<C: Database>(connection: &mut C) -> Result<Vec<Self>, ImportError> {
        let shape = |name: &'static str| -> Result<Self, ImportError> {
            let columns = connection.columns(name)?.into_iter().map(|column| column.name).collect();
            Ok(Self { name, columns })
        };
        TABLES.into_iter().map(shape).collect()
    }

    pub(super) fn key(&self) -> &str {
        &self.columns[0]
    }

    pub(super) fn is_history(&self) -> bool {
        self.key() == "history_id"
    }

    /// The text by which a row is remembered, of its key. A user's is a checksum, which does not name the person.
    pub(super) fn remembered(&self, key: &str) -> String {
        if self.name == "users" {
            format!("CAST($CHECKSUM[{key}]CHECKSUM AS text)")
        } else {
            format!("CAST({key} AS text)")
        }
    }

    /// The text by which a row is remembered.
    pub(super) fn row_key(&self, row: &str) -> String {
        self.remembered(&format!("{row}.{}", self.key()))
    }

    /// The columns that are compared. When a user was last seen is not.
    pub(super) fn compared(&self) -> impl Iterator<Item = &str> {
        let is_compared = move |column: &&str| self.name != "users" || !matches!(*column, "created" | "modified");
        self.columns.iter().map(String::as_str).filter(is_compared)
    }

    /// The checksum of a row.
    pub(super) fn checksum(&self, row: &str) -> String {
        let columns: Vec<String> = self.compared().map(|column| format!("{row}.{column}")).collect();
        format!("$CHECKSUM[{}]CHECKSUM", columns.join(", "))
    }
}

/// Lets the database find rows of the temporary tables fast, once all are there.
pub(super) fn index<C: Database>(connection: &mut C) -> Result<(), ImportError> {
    for TableWithHistory { name, key, .. } in WITH_HISTORY {
        connection.run(&format!("CREATE INDEX staged_{name}_by_key ON staged_{name} ({key})"))?;
    }
    if C::NEEDS_STATISTICS {
        connection.run(&format!("ANALYZE {}", TABLES.map(|table| format!("staged_{table}")).join(", ")))?;
    }
    Ok(())
}

/// Writes into the temporary tables.
pub(super) struct Writer<'a, C> {
    pub staging: &'a mut Staging,
    pub connection: &'a mut C,
    pub supervisor: &'a dyn Supervisor,
}

impl<C: Database> Target for Writer<'_, C> {
    fn write(&mut self, table: &'static str, page: &Page) -> Result<(), ImportError> {
        let Some((json, rows)) = page.rows() else { return Ok(()) };
        let insert = self.staging.inserts.get(table);
        let insert = insert.ok_or_else(|| ImportError::Failed(format!("there is no table {table}")))?;
        let written = self.connection.write(insert, &json).map_err(|error| ImportError::about(table, error))?;
        match written == rows {
            true => Ok(()),
            false => Err(ImportError::Failed(format!("{table}: {written} of {rows} rows were written"))),
        }
    }

    fn advanced(&mut self, rows: u64) -> Result<(), ImportError> {
        self.supervisor.advanced(rows);
        go_on(self.supervisor)
    }
}
