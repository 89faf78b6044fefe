//! The database as a source of rows.

use license_manager_adapters::import::{ImportError, Page, Source, Target};

use crate::client::Client;
use crate::layout::Layout;
use crate::mapping::Mapped;
use crate::tables::{Reading, TABLES};
use crate::values::{Cells, Object};
use crate::{DatabaseAddress, DjangoError};

/// The most rows of a page.
const PAGE: usize = 2_000;

/// A connection to the database, which sees it as of one moment and changes nothing.
pub struct DjangoDatabase {
    client: Client,
    layout: Layout,
}

impl From<DjangoError> for ImportError {
    fn from(error: DjangoError) -> Self {
        Self::Source(error.to_string())
    }
}

impl DjangoDatabase {
    /// Connects, and begins to read.
    ///
    /// # Errors
    /// See [`DjangoError`].
    pub fn connect(address: &DatabaseAddress) -> Result<Self, DjangoError> {
        let mut client = Client::connect(address)?;
        client.execute("SET SESSION time_zone = '+00:00'")?;
        client.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")?;
        client.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")?;
        let layout = Layout::read(&mut client)?;
        Ok(Self { client, layout })
    }

    fn readings(&self) -> Vec<Reading<'static>> {
        TABLES.iter().flat_map(|table| table.readings(&self.layout)).collect()
    }

    /// What staff may do by groups and permissions of Django, which mean nothing here.
    fn note_permissions(&mut self, to: &mut dyn Target) -> Result<(), ImportError> {
        for (rule, tables, names) in [
            (
                "group_of_user",
                ["core_user_groups", "auth_group"],
                "SELECT person.username, granted.name FROM core_user_groups AS own
                 JOIN core_user AS person ON person.id = own.user_id
                 JOIN auth_group AS granted ON granted.id = own.group_id ORDER BY 1, 2",
            ),
            (
                "permission_of_user",
                ["core_user_user_permissions", "auth_permission"],
                "SELECT person.username, granted.codename FROM core_user_user_permissions AS own
                 JOIN core_user AS person ON person.id = own.user_id
                 JOIN auth_permission AS granted ON granted.id = own.permission_id ORDER BY 1, 2",
            ),
            (
                "staff",
                ["core_user", "core_user"],
                "SELECT username, 'staff' FROM core_user WHERE is_staff AND is_active AND NOT is_superuser ORDER BY 1",
            ),
        ] {
            if !tables.iter().all(|table| self.layout.has(table)) {
                continue;
            }
            let mut notes = Page::default();
            for row in self.client.query(names)? {
                let cells = row.cells();
                let about = format!("{}: {}", cells[0].unwrap_or_default(), cells[1].unwrap_or_default());
                notes.push(&note(rule, "left", &about));
            }
            to.write("finding", &notes)?;
        }
        Ok(())
    }

    fn read_table(&mut self, reading: &Reading<'_>, to: &mut dyn Target) -> Result<(), ImportError> {
        let columns = reading.columns();
        let mut after: Option<String> = None;
        loop {
            let rows = self.client.query(&reading.page(&self.layout, after.as_deref(), PAGE))?;
            let (mut page, mut notes) = (Page::default(), Page::default());
            for row in &rows {
                let cells = Cells { table: reading.table.target, columns: &columns, values: row.cells() };
                let mapped = Mapped::of(&cells, reading.is_history, reading.table.map)?;
                for (rule, kind) in mapped.notes() {
                    let key = cells.values[0].unwrap_or_default();
                    notes.push(&note(rule, kind, &about(reading.table.target, key)));
                }
                if mapped.goes_over {
                    page.push(&mapped.row.finish());
                }
            }
            to.write("finding", &notes)?;
            to.write(reading.target(), &page)?;
            to.advanced(rows.len() as u64)?;
            match rows.last().and_then(|row| row.cells()[0].map(str::to_owned)) {
                Some(last) if rows.len() == PAGE => after = Some(last),
                _ => return Ok(()),
            }
        }
    }
}

impl Source for DjangoDatabase {
    fn count(&mut self) -> Result<u64, ImportError> {
        let mut all = 0;
        for reading in self.readings() {
            let rows = self.client.query(&format!("SELECT count(*) FROM `{}`", reading.source))?;
            let count = rows.first().and_then(|row| row.cells()[0].and_then(|count| count.parse::<u64>().ok()));
            all += count.unwrap_or_default();
        }
        Ok(all)
    }

    fn read(&mut self, to: &mut dyn Target) -> Result<(), ImportError> {
        for reading in self.readings() {
            self.read_table(&reading, to)?;
        }
        self.note_permissions(to)
    }
}

/// A row as findings name it: our table and the key, a UUID always with hyphens.
fn about(table: &str, key: &str) -> String {
    match uuid::Uuid::try_parse(key) {
        Ok(uuid) => format!("{table} {uuid}"),
        Err(_) => format!("{table} {key}"),
    }
}

fn note(rule: &str, kind: &str, about: &str) -> String {
    let mut object = Object::default();
    object.text("rule", Some(rule)).text("kind", Some(kind)).text("about", Some(about));
    object.finish()
}
