//! Copying from SQLite: no table is forgotten, and a failed copy leaves nothing behind.

use std::path::PathBuf;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use license_manager_adapters::copy::{CopyError, copy};
use license_manager_adapters::sqlite::{SqliteOptions, SqliteStore, Synchronous};
use license_manager_domain::model::seeded_products;
use license_manager_domain::operations::Supervisor;
use license_manager_domain::ports::StoreExt;
use tempfile::TempDir;

use super::*;

/// A migrated SQLite file.
struct File {
    store: SqliteStore,
    path: PathBuf,
    _folder: TempDir,
}

impl File {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("source.db");
        let options = SqliteOptions {
            path: path.clone(),
            pool_size: 1,
            connect_timeout: Duration::from_secs(5),
            busy_timeout: Duration::from_secs(5),
            synchronous: Synchronous::Full,
            on_statement: None,
        };
        let store = SqliteStore::open(&options).unwrap();
        store.migrate().unwrap();
        Self { store, path, _folder: folder }
    }

    fn connection(&self) -> SqliteConnection {
        SqliteConnection::establish(self.path.to_str().unwrap()).unwrap()
    }

    fn execute(&self, sql: &str) {
        self.connection().batch_execute(sql).unwrap();
    }
}

/// A supervisor that stops the copy, or does not.
struct Watch {
    stopping: bool,
}

#[async_trait::async_trait]
impl Supervisor for Watch {
    fn is_stopping(&self) -> bool {
        self.stopping
    }

    async fn pause(&self, _: Duration) {}
}

const PATIENT: Watch = Watch { stopping: false };

#[test]
fn every_table_of_the_schema_is_copied() {
    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = Text)]
        name: String,
    }

    let (file, (target, _database)) = (File::new(), support::postgres_store());
    let names: Vec<Name> = diesel::sql_query(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'
             AND name <> 'license_address' AND name NOT LIKE 'license\\_search%' ESCAPE '\\'
         ORDER BY name",
    )
    .load(&mut file.connection())
    .unwrap();
    let names: Vec<String> = names.into_iter().map(|table| table.name).collect();
    let copied: Vec<String> =
        copy(&file.store, &target, true, &PATIENT).unwrap().into_iter().map(|table| table.name).collect();
    assert!(names.len() > 30, "{names:?}");
    assert_eq!(copied, names);
}

/// A statement that changes nothing.
const SAME: &str = "SELECT 1";

#[test]
fn what_only_one_database_has_is_refused() {
    let change = |sqlite: &str, postgres: &str| {
        let (file, (target, database)) = (File::new(), support::postgres_store());
        file.execute(sqlite);
        database.execute(postgres);
        let refused = copy(&file.store, &target, false, &PATIENT).expect_err("it is refused");
        assert!(matches!(refused, CopyError::Unknown(_)), "{refused:?}");
        refused.to_string()
    };
    assert!(change("CREATE TABLE later (id INTEGER PRIMARY KEY)", SAME).contains("later is in SQLite only"));
    assert!(change(SAME, "CREATE TABLE later (id bigint)").contains("later is in Postgres only"));
    assert!(change("ALTER TABLE users ADD COLUMN later TEXT", SAME).contains("users.later is in SQLite only"));
    let forms = change("ALTER TABLE users ADD COLUMN later TEXT", "ALTER TABLE users ADD COLUMN later jsonb");
    assert!(forms.contains("from TEXT in SQLite to jsonb in Postgres for users.later"), "{forms}");
}

#[test]
fn a_new_table_of_both_databases_is_copied_in_order() {
    let (file, (target, database)) = (File::new(), support::postgres_store());
    file.execute(
        "CREATE TABLE a_child (id INTEGER PRIMARY KEY, parent TEXT NOT NULL, sibling INTEGER, day INTEGER, bytes BLOB) STRICT;
         INSERT INTO a_child VALUES (5, 'z', 4, -1, x''), (4, 'z', NULL, 0, NULL), (7, 'z', 5, 20000, x'00ff');
         CREATE TABLE z_parent (\"na\"\"me\" TEXT PRIMARY KEY) STRICT; INSERT INTO z_parent VALUES ('z')",
    );
    database.execute(
        "CREATE TABLE z_parent (\"na\"\"me\" text PRIMARY KEY);
         CREATE TABLE a_child (id integer PRIMARY KEY, parent text REFERENCES z_parent, sibling integer REFERENCES a_child,
                               day date, bytes bytea)",
    );
    copy(&file.store, &target, false, &PATIENT).unwrap();
    let rows = "SELECT count(*) AS number FROM a_child WHERE (id, sibling, day, bytes) IN
                ((5, 4, '1969-12-31', ''), (7, 5, '2024-10-04', '\\x00ff')) OR (id = 4 AND sibling IS NULL AND bytes IS NULL)";
    assert_eq!(number(&database, rows), 3);
}

#[test]
fn a_stopped_copy_copies_nothing() {
    let (file, (target, database)) = (File::new(), support::postgres_store());
    let seed = |unit: &mut dyn UnitOfWork| unit.products().seed(&seeded_products(), &change());
    file.store.write(|unit| seed(unit)).unwrap();
    let stopped = copy(&file.store, &target, false, &Watch { stopping: true });
    assert!(matches!(stopped, Err(CopyError::Stopped)), "{stopped:?}");
    assert_eq!(number(&database, "SELECT count(*) AS number FROM product"), 0);
    copy(&file.store, &target, false, &PATIENT).unwrap();
    assert_eq!(number(&database, "SELECT count(*) AS number FROM product"), 5);
}

#[test]
fn rows_of_any_size_are_copied() {
    let (file, (target, database)) = (File::new(), support::postgres_store());
    file.execute(
        "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 30000)
         INSERT INTO users SELECT 'user-' || number, NULL, 0, 1, number, 253402300799999999 FROM numbers;
         INSERT INTO users VALUES ('long', printf('%.*c', 3000000, 'x'), 0, 1, -1, 0)",
    );
    copy(&file.store, &target, false, &PATIENT).unwrap();
    let all = "SELECT count(*) AS number FROM users WHERE is_superuser AND modified = '9999-12-31 23:59:59.999999Z'
               AND created = timestamptz '1970-01-01Z' + substr(username, 6)::integer * interval '1 microsecond'";
    let long = "SELECT length(email)::bigint AS number FROM users WHERE created = '1969-12-31 23:59:59.999999Z'";
    assert_eq!((number(&database, all), number(&database, long)), (30_000, 3_000_000));
}
