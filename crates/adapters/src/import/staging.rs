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
        inserts.insert("finding", C::insert("staged_finding", &connection.columns("staged_finding")?)?);
        Ok(Self { inserts })
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
