//! The database as a source of rows.

use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};

use aws_lc_rs::digest;
use license_manager_adapters::import::{ImportError, Page, RangeChecksum, Source, Target};

use crate::client::Client;
use crate::layout::Layout;
use crate::mapping::Mapped;
use crate::tables::{Reading, TABLES, refuse_missing};
use crate::values::{Cells, Object};
use crate::{DatabaseAddress, DjangoError};

/// The most rows of a page.
const PAGE: usize = 2_000;

/// What staff may do by groups and permissions of Django: a rule, the table, and a statement that reads the users' names
/// and what they have.
const PERMISSIONS: [(&str, &str, &str); 3] = [
    (
        "group_of_user",
        "core_user_groups",
        "SELECT person.username, granted.name FROM core_user_groups AS own
         JOIN core_user AS person ON person.id = own.user_id
         JOIN auth_group AS granted ON granted.id = own.group_id ORDER BY 1, 2",
    ),
    (
        "permission_of_user",
        "core_user_user_permissions",
        "SELECT DISTINCT person.username, granted.codename FROM core_user_user_permissions AS own
         JOIN core_user AS person ON person.id = own.user_id
         JOIN auth_permission AS granted ON granted.id = own.permission_id ORDER BY 1, 2",
    ),
    (
        "staff",
        "core_user",
        "SELECT username, 'staff' FROM core_user WHERE is_staff AND is_active AND NOT is_superuser ORDER BY 1",
    ),
];

/// The database as of one moment, which is changed by nothing here.
pub struct DjangoDatabase {
    /// Reads the rows.
    client: Client,
    /// Adds up the checksums, as of a moment that is not later.
    second: SecondConnection,
    layout: Arc<Layout>,
}

/// The second connection.
enum SecondConnection {
    Idle(Client),
    Adding(JoinHandle<Result<Vec<RangeChecksum>, DjangoError>>),
    Used,
}

impl SecondConnection {
    /// Uses the connection if it still waits: a server, or what is between, ends a connection that is silent for long.
    fn stay(&mut self) -> Result<(), DjangoError> {
        match self {
            Self::Idle(client) => client.execute("DO 1"),
            Self::Adding(_) | Self::Used => Ok(()),
        }
    }
}

impl From<DjangoError> for ImportError {
    fn from(error: DjangoError) -> Self {
        Self::Source(error.to_string())
    }
}

impl DjangoDatabase {
    /// Connects twice, and begins to read.
    ///
    /// # Errors
    /// See [`DjangoError`].
    pub fn connect(address: &DatabaseAddress) -> Result<Self, DjangoError> {
        // What is changed between the two moments is read, and differs from its checksum the next time.
        let (second, mut client) = (begin(address)?, begin(address)?);
        let layout = Arc::new(Layout::read(&mut client)?);
        refuse_missing(&layout)?;
        Ok(Self { client, second: SecondConnection::Idle(second), layout })
    }
}

/// A connection that sees one moment.
fn begin(address: &DatabaseAddress) -> Result<Client, DjangoError> {
    let mut client = Client::connect(address)?;
    client.execute("SET SESSION time_zone = '+00:00'")?;
    client.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")?;
    client.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")?;
    Ok(client)
}

fn readings(layout: &Layout) -> impl Iterator<Item = Reading<'static>> {
    TABLES.iter().flat_map(|table| table.readings(layout))
}

impl Source for DjangoDatabase {
    fn count(&mut self) -> Result<u64, ImportError> {
        let mut all = 0;
        for reading in readings(&self.layout) {
            let rows = self.client.query(&format!("SELECT count(*) FROM `{}`", reading.source))?;
            let count = rows.first().and_then(|row| row.cells()[0].and_then(|count| count.parse::<u64>().ok()));
            all += count.unwrap_or_default();
        }
        Ok(all)
    }

    fn begin_checksums(&mut self) {
        self.second = match std::mem::replace(&mut self.second, SecondConnection::Used) {
            SecondConnection::Idle(mut client) => {
                let layout = self.layout.clone();
                SecondConnection::Adding(thread::spawn(move || checksums(&mut client, &layout)))
            }
            begun => begun,
        };
    }

    fn checksums(&mut self) -> Result<Vec<RangeChecksum>, ImportError> {
        self.begin_checksums();
        match std::mem::replace(&mut self.second, SecondConnection::Used) {
            SecondConnection::Adding(adding) => {
                let added = adding.join().map_err(|_| DjangoError::Protocol("the end of a thread"))?;
                Ok(added?)
            }
            SecondConnection::Idle(_) | SecondConnection::Used => {
                Err(DjangoError::Protocol("a second question for checksums").into())
            }
        }
    }

    fn read(&mut self, to: &mut dyn Target) -> Result<(), ImportError> {
        let (client, second, layout) = (&mut self.client, &mut self.second, &*self.layout);
        // One thread reads and maps while the other one writes.
        thread::scope(|scope| {
            let (pages, taken) = mpsc::sync_channel(PAGES);
            scope.spawn(move || {
                if let Err(error) = read_all(client, layout, &pages) {
                    // Whoever takes the pages may have given up.
                    let _ = pages.send(Err(error));
                }
            });
            for page in taken {
                let ReadPage { target, rows, notes, values, read } = page?;
                to.write("finding", &notes)?;
                to.write("value", &values)?;
                to.write(target, &rows)?;
                to.advanced(read)?;
                second.stay()?;
            }
            Ok(())
        })
    }
}

/// Pages that wait to be written.
const PAGES: usize = 2;

/// Rows of one of our tables, with what is noted and kept of them.
struct ReadPage {
    target: &'static str,
    rows: Page,
    notes: Page,
    values: Page,
    /// How many rows were read.
    read: u64,
}

type Pages = SyncSender<Result<ReadPage, DjangoError>>;

/// Reads everything, until nobody takes the pages any more.
fn read_all(client: &mut Client, layout: &Layout, pages: &Pages) -> Result<(), DjangoError> {
    for reading in readings(layout) {
        if !read_table(client, layout, &reading, pages)? {
            return Ok(());
        }
    }
    read_permissions(client, pages)
}

/// Reads a table. Returns `false` if nobody takes the pages any more.
fn read_table(client: &mut Client, layout: &Layout, reading: &Reading<'_>, pages: &Pages) -> Result<bool, DjangoError> {
    let columns = reading.columns();
    let mut after: Option<String> = None;
    loop {
        let rows = client.query(&reading.page(layout, after.as_deref(), PAGE))?;
        let (mut page, mut notes, mut values) = (Page::default(), Page::default(), Page::default());
        for row in &rows {
            let cells = Cells { table: reading.table.target, columns: &columns, values: row.cells() };
            let mapped = Mapped::of(&cells, reading.is_history, reading.table.map)?;
            for (rule, kind) in mapped.notes() {
                let key = cells.values[0].unwrap_or_default();
                notes.push(&note(rule, kind, &about(reading.table.target, key)));
            }
            if let Some(kept) = mapped.kept() {
                values.push(&value(reading.table.name, &key_of_row(&cells), &kept));
            }
            if mapped.goes_over {
                page.push(&mapped.row.finish());
            }
        }
        let read = rows.len() as u64;
        if pages.send(Ok(ReadPage { target: reading.target(), rows: page, notes, values, read })).is_err() {
            return Ok(false);
        }
        match rows.last().and_then(|row| row.cells()[0].map(str::to_owned)) {
            Some(last) if rows.len() == PAGE => after = Some(last),
            _ => return Ok(true),
        }
    }
}

/// What staff may do by groups and permissions of Django, which mean nothing here.
fn read_permissions(client: &mut Client, pages: &Pages) -> Result<(), DjangoError> {
    for (rule, table, names) in PERMISSIONS {
        let (mut notes, mut values, mut noted) = (Page::default(), Page::default(), 0);
        let mut is_taken = true;
        let send = |notes: &mut Page, values: &mut Page| {
            let (notes, values) = (std::mem::take(notes), std::mem::take(values));
            pages.send(Ok(ReadPage { target: "users", rows: Page::default(), notes, values, read: 0 })).is_ok()
        };
        client.each(names, &mut |row| {
            if !is_taken {
                return;
            }
            let cells = row.cells();
            let about = format!("{}: {}", cells[0].unwrap_or_default(), cells[1].unwrap_or_default());
            notes.push(&note(rule, "left", &about));
            if table != "core_user" {
                let mut kept = Object::default();
                kept.text("username", cells[0]).text("name", cells[1]);
                values.push(&value(table, &about, &kept.finish()));
            }
            noted += 1;
            if noted % PAGE == 0 {
                is_taken = send(&mut notes, &mut values);
            }
        })?;
        if !is_taken || !send(&mut notes, &mut values) {
            return Ok(());
        }
    }
    Ok(())
}

/// The checksums of everything that is read.
fn checksums(client: &mut Client, layout: &Layout) -> Result<Vec<RangeChecksum>, DjangoError> {
    let mut all = Vec::new();
    for reading in readings(layout) {
        for row in client.query(&reading.checksums(layout))? {
            let [Some(number), Some(count), Some(mixed)] = row.cells()[..] else { continue };
            let number = number.parse().map_err(|_| DjangoError::Protocol("a range without a number"))?;
            all.push(RangeChecksum { table: reading.source.clone(), number, checksum: format!("{count} {mixed}") });
        }
    }
    for (rule, _, names) in PERMISSIONS {
        let mut names_of_users = digest::Context::new(&digest::SHA256);
        client.each(names, &mut |row| names_of_users.update(format!("{:?}", row.cells()).as_bytes()))?;
        let checksum = names_of_users.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        all.push(RangeChecksum { table: rule.to_owned(), number: 0, checksum });
    }
    Ok(all)
}

/// A row as findings name it: our table and the key, a UUID always with hyphens.
fn about(table: &str, key: &str) -> String {
    format!("{table} {}", key_of(key))
}

/// A key as ours are written: a UUID always with hyphens.
fn key_of(key: &str) -> String {
    uuid::Uuid::try_parse(key).map_or_else(|_| key.to_owned(), |uuid| uuid.to_string())
}

/// The key of a row: a user is known by name.
fn key_of_row(cells: &Cells<'_>) -> String {
    match cells.table {
        "users" => cells.text("username").unwrap_or_default(),
        _ => key_of(cells.values[0].unwrap_or_default()),
    }
}

/// Values that are kept for the way back, as a JSON object by column.
fn value(table: &str, key: &str, kept: &str) -> String {
    let mut object = Object::default();
    object.text("source_table", Some(table)).text("source_key", Some(key)).text("kept", Some(kept));
    object.finish()
}

fn note(rule: &str, kind: &str, about: &str) -> String {
    let mut object = Object::default();
    object.text("rule", Some(rule)).text("kind", Some(kind)).text("about", Some(about));
    object.finish()
}
