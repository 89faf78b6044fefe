//! Imports into SQLite that meet each other.

use diesel::connection::SimpleConnection;
use license_manager_adapters::import::{ImportError, ImportOptions, RangeChecksum, Source, Target, import_sqlite};
use license_manager_domain::operations::Unsupervised;
use tempfile::TempDir;

use crate::overtaking::{COMPLETED, Overtaken, begun, ignore, options};
use crate::{migrated, stranger};

#[test]
fn an_import_ends_where_another_one_began_meanwhile() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    let mut other = stranger(&store);
    let mut source = Overtaken(|| other.batch_execute(&begun("0", "sqlite")).unwrap());
    let result = import_sqlite(&store, &mut source, options(), &mut ignore, &Unsupervised);
    assert!(matches!(result, Err(ImportError::Overtaken)), "{result:?}");
}

#[test]
fn an_import_ends_where_another_one_filled_the_database_meanwhile() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    let mut other = stranger(&store);
    other.batch_execute(&begun("0", "sqlite")).unwrap();
    let mut source = Overtaken(|| other.batch_execute(COMPLETED).unwrap());
    let result = import_sqlite(&store, &mut source, options(), &mut ignore, &Unsupervised);
    assert!(matches!(result, Err(ImportError::Overtaken)), "{result:?}");
}

/// A source without rows, which notes what it is asked for.
struct Asked(Vec<&'static str>);

impl Source for Asked {
    fn count(&mut self) -> Result<u64, ImportError> {
        self.0.push("count");
        Ok(0)
    }

    fn begin_checksums(&mut self) {
        self.0.push("begin checksums");
    }

    fn checksums(&mut self) -> Result<Vec<RangeChecksum>, ImportError> {
        self.0.push("checksums");
        Ok(Vec::new())
    }

    fn read(&mut self, _: &mut dyn Target) -> Result<(), ImportError> {
        self.0.push("read");
        Ok(())
    }
}

#[test]
fn a_source_adds_up_its_checksums_once_it_was_read() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    let asked = |dry_run| {
        let mut source = Asked(Vec::new());
        let options = ImportOptions { dry_run, ..options() };
        import_sqlite(&store, &mut source, options, &mut ignore, &Unsupervised).unwrap();
        source.0
    };
    assert_eq!(asked(true), ["count", "read"], "a dry run remembers none");
    assert_eq!(asked(false), ["count", "read", "begin checksums", "checksums"]);
}
