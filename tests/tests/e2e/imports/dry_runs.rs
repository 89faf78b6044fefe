//! A dry run where there is no database yet.

use std::fs;
use std::path::Path;

use license_manager_tests::{Database, DjangoIds, DjangoServer, Ran};

use super::summary;

#[test]
fn a_dry_run_needs_no_database() {
    let mariadb = DjangoServer::new();
    let source = mariadb.oddities("old", DjangoIds::Native);
    let target = Database::sqlite();
    let path = target.url().strip_prefix("sqlite:").expect("it is a file");
    let temporary = tempfile::tempdir().expect("a temporary folder is created");
    let look = |more: &[&str]| {
        let arguments = [&["import", "--from", source.as_str(), "--dry-run"], more].concat();
        let folder = temporary.path().to_str().expect("a path is text");
        Ran::alone_with(target.url(), &arguments, &[("TMPDIR", folder)])
    };
    let told = look(&[]);
    assert!(told.succeeded && told.stdout.contains("license: 16"), "{told:?}");
    assert!(told.stdout.contains(&format!("there is no SQLite database {path}: ")), "{told:?}");
    let without = summary(&look(&["--output", "json"]));
    assert_eq!(without["without_database"], true);
    let refused = look(&["--strict"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(!Path::new(path).exists(), "no database was begun");
    let left = fs::read_dir(temporary.path()).expect("the folder is read");
    assert_eq!(left.count(), 0, "the temporary database is gone");

    assert!(Ran::alone(target.url(), &["migrate"]).succeeded);
    let with = summary(&look(&["--output", "json"]));
    assert_eq!(with["without_database"], false);
    assert_eq!((&with["tables"], &with["rules"]), (&without["tables"], &without["rules"]));
}

#[test]
fn a_dry_run_is_refused_where_no_database_could_be_begun() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let in_a_missing_folder = folder.path().join("missing").join("test.db");
    for path in [in_a_missing_folder.as_path(), folder.path()] {
        let url = format!("sqlite:{}", path.display());
        let refusal = |more: &[&str]| {
            let arguments = [&["import", "--from", "mysql://lm:secret@127.0.0.1:1/old"], more].concat();
            let refused = Ran::alone(&url, &arguments);
            assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
            refused.stderr.lines().last().unwrap_or_default().to_owned()
        };
        let told = refusal(&[]);
        assert!(told.contains(&format!("cannot open the SQLite database {}: ", path.display())), "{told}");
        assert!(told.ends_with("Check that its directory exists and that both can be written to"), "{told}");
        assert_eq!(refusal(&["--dry-run"]), told);
    }
    let left = fs::read_dir(folder.path()).expect("the folder is read");
    assert_eq!(left.count(), 0, "nothing was begun");
}
