//! `license-manager backup`: copies of a SQLite database in use.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use license_manager_tests::{
    Customer, Database, FakeBucket, PATIENCE, Plan, Ran, Server, assert_sound, at_once, borrowed, poll, texts,
};

/// How many copies are made while clients write.
const COPIES: usize = 4;

fn backup(database: &Database, file: &Path) -> Ran {
    Ran::alone(database.url(), &["backup", file.to_str().expect("a path is text")])
}

/// Panics unless the backup was refused with this status and one line with this text.
#[track_caller]
fn assert_refused(ran: &Ran, code: i32, text: &str) {
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{ran:?}");
    let complaints: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("license-manager: ")).collect();
    assert!(complaints.len() == 1 && complaints[0].contains(text), "{ran:?}");
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("the folder is read");
    entries.map(|entry| entry.expect("an entry is read").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_backup_of_a_server_that_writes_has_all_that_was_answered_before() {
    let (database, folder) = (Database::sqlite(), tempfile::tempdir().expect("a temporary folder is created"));
    let server = Server::start(database.url());
    let customer = Customer::new(&server);
    let plan = customer.plan(3_000);
    let (answered, is_done) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let copies = at_once(3, |client| {
        if client > 0 {
            for number in 0..1_000 {
                if is_done.load(Ordering::SeqCst) {
                    break;
                }
                let email = customer.email(&format!("learner-{client}-{number}"));
                plan.assign(std::slice::from_ref(&email)).expect(200);
                answered.lock().expect("no client failed").push(email);
            }
            return Vec::new();
        }
        let copies = (0..COPIES).map(|number| {
            // At least one more for each copy.
            while answered.lock().expect("no client failed").len() <= number {
                std::thread::yield_now();
            }
            let before = answered.lock().expect("no client failed").clone();
            let file = folder.path().join(format!("{number}.db"));
            let ran = backup(&database, &file);
            assert!(ran.succeeded && ran.stdout.starts_with(file.to_str().expect("a path is text")), "{ran:?}");
            (file, before)
        });
        let copies = copies.collect();
        is_done.store(true, Ordering::SeqCst);
        copies
    });
    for (file, before) in &copies[0] {
        assert_eq!(fs::metadata(file).expect("the copy is there").permissions().mode() & 0o777, 0o600);
        let url = format!("sqlite:{}", file.display());
        assert_sound(&url);
        let restored = Server::start_with(&url, &[("LM_WORKER__ENABLED", "false")]);
        let plan = Plan { uuid: plan.uuid.clone(), admin: restored.client(&customer.admin()) };
        let assigned = plan.licenses("assigned");
        let assigned: BTreeSet<&str> =
            assigned.iter().map(|license| license["user_email"].as_str().expect("an email")).collect();
        let missing: Vec<_> = before.iter().filter(|email| !assigned.contains(email.as_str())).collect();
        assert!(missing.is_empty(), "{} of {} are missing", missing.len(), before.len());
    }
    database.assert_sound();
}

#[test]
fn a_backup_overwrites_nothing_and_leaves_nothing_behind() {
    let (database, folder) = (Database::sqlite(), tempfile::tempdir().expect("a temporary folder is created"));
    let missing = folder.path().join("missing.db");
    assert_refused(&backup(&database, &missing), 2, "there is no SQLite database");
    let source = Path::new(database.url().trim_start_matches("sqlite:"));
    assert!(!source.exists() && !missing.exists(), "nothing is created");

    let server = Server::start(database.url());
    let taken = folder.path().join("taken.db");
    fs::write(&taken, "something else").expect("a file is written");
    assert_refused(&backup(&database, &taken), 2, "exists already");
    assert_refused(&backup(&database, source), 2, "exists already");
    assert_eq!(fs::read_to_string(&taken).expect("it is there"), "something else");
    assert_refused(&backup(&database, &folder.path().join("nowhere/copy.db")), 1, "cannot copy");
    // Another program's file.
    fs::write(&missing, "x".repeat(5_000)).expect("a file is written");
    let strange = Ran::alone(
        &format!("sqlite:{}", missing.display()),
        &["backup", folder.path().join("copy.db").to_str().expect("a path is text")],
    );
    assert_refused(&strange, 1, "not a database");
    assert_eq!(names_in(folder.path()), ["missing.db", "taken.db"].map(str::to_owned).into());
    drop(server);
}

#[test]
fn a_database_is_not_migrated_by_its_backup() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let (old, copy) = (folder.path().join("old.db"), folder.path().join("copy.db"));
    fs::write(&old, "").expect("a file is written");
    let url = format!("sqlite:{}", old.display());
    let ran = Ran::alone(&url, &["backup", copy.to_str().expect("a path is text")]);
    assert!(ran.succeeded, "{ran:?}");
    assert_eq!(fs::metadata(&old).expect("it is there").len(), 0, "the database is as it was");
}

#[test]
fn postgres_has_a_program_of_its_own() {
    let (database, folder) = (Database::postgres(), tempfile::tempdir().expect("a temporary folder is created"));
    assert_refused(&backup(&database, &folder.path().join("copy.db")), 2, "pg_dump");
    assert!(names_in(folder.path()).is_empty());
}

/// The assigned emails in a copy, after a server was started on it.
fn restored(copy: &Path, plan: &Plan, customer: &Customer) -> BTreeSet<String> {
    let url = format!("sqlite:{}", copy.display());
    assert_sound(&url);
    let server = Server::start_with(&url, &[("LM_WORKER__ENABLED", "false")]);
    let plan = Plan { uuid: plan.uuid.clone(), admin: server.client(&customer.admin()) };
    let assigned = plan.licenses("assigned");
    assigned.iter().map(|license| license["user_email"].as_str().expect("an email").to_owned()).collect()
}

#[test]
fn the_schedule_keeps_copies_in_a_folder_and_a_bucket_from_which_a_server_is_restored() {
    let (database, folder) = (Database::sqlite(), tempfile::tempdir().expect("a temporary folder is created"));
    let bucket = FakeBucket::start();
    let mut settings = bucket.settings();
    settings.push(("LM_BACKUP__FOLDER".to_owned(), folder.path().display().to_string()));
    settings.push(("LM_BACKUP__KEEP".to_owned(), "2".to_owned()));
    settings.push(("LM_BACKUP__TO_BUCKET".to_owned(), "true".to_owned()));
    settings.push(("LM_SCHEDULE__ENABLED".to_owned(), "true".to_owned()));
    settings.push(("LM_SCHEDULE__BACKUP".to_owned(), "0 0 1 1 *".to_owned()));
    let settings = borrowed(&settings);
    // Older copies, of which one is too many, and a file that is none.
    for name in ["license-manager-20200101T000000Z.db", "license-manager-20200102T000000Z.db", "notes.txt"] {
        fs::write(folder.path().join(name), "old").expect("a file is written");
    }
    let server = Server::start_with(database.url(), &settings);
    let customer = Customer::new(&server);
    let plan = customer.plan(5);
    let emails = customer.emails("learner", 3);
    plan.assign(&emails).expect(200);
    let is_scheduled =
        "SELECT operation AS text FROM operation_schedule WHERE operation = 'backup' AND next_run IS NOT NULL";
    poll(PATIENCE, || (!texts(database.url(), is_scheduled).is_empty()).then_some(())).expect("it is scheduled");
    database.execute("UPDATE operation_schedule SET next_run = 1 WHERE operation = 'backup'");
    let outcome =
        "SELECT coalesce(outcome || ' ' || summary, '') AS text FROM operation_schedule WHERE operation = 'backup'";
    let told = poll(PATIENCE, || texts(database.url(), outcome).pop().filter(|told| !told.is_empty()));
    let told = told.expect("the run ends");
    assert!(told.starts_with("complete") && told.contains("\"removed\":1"), "{told}");

    let names = names_in(folder.path());
    assert!(
        names.len() == 3 && names.contains("notes.txt") && !names.contains("license-manager-20200101T000000Z.db"),
        "{names:?}"
    );
    let newest = names.iter().rfind(|name| name.starts_with("license-manager-")).expect("a copy").clone();
    assert_eq!(fs::metadata(folder.path().join(&newest)).expect("it is there").permissions().mode() & 0o777, 0o600);
    // What the bucket has is the same, and what a new machine is restored from.
    let object = bucket.object(&format!("backups/{newest}")).expect("the bucket has it");
    assert!(object == fs::read(folder.path().join(&newest)).expect("it is read"), "the bucket has another file");
    drop(server);
    let elsewhere = tempfile::tempdir().expect("a temporary folder is created");
    let file = elsewhere.path().join("license-manager.db");
    fs::write(&file, object).expect("a file is written");
    assert_eq!(restored(&file, &plan, &customer), emails.into_iter().collect());
}

#[test]
fn a_backup_without_a_file_goes_where_the_settings_say() {
    let (database, folder) = (Database::sqlite(), tempfile::tempdir().expect("a temporary folder is created"));
    let bucket = FakeBucket::start();
    let server = Server::start(database.url());
    assert_refused(&server.command(&["backup"]), 2, "backup.folder");
    drop(server);

    let mut settings = bucket.settings();
    settings.push(("LM_BACKUP__TO_BUCKET".to_owned(), "true".to_owned()));
    let settings = borrowed(&settings);
    let server = Server::start_with(database.url(), &settings);
    let ran = server.command(&["backup"]);
    let name = ran.stdout.split(':').next().unwrap_or_default().to_owned();
    assert!(ran.succeeded && bucket.object(&format!("backups/{name}")).is_some(), "{ran:?}");
    bucket.set_away(true);
    assert_refused(&server.command(&["backup"]), 1, "The bucket answered 503");
    drop(server);

    let kept = tempfile::tempdir().expect("a temporary folder is created");
    let server = Server::start_with(database.url(), &[("LM_BACKUP__FOLDER", &kept.path().display().to_string())]);
    for copies in 1..=3 {
        let ran = server.command(&["backup"]);
        assert!(ran.succeeded && names_in(kept.path()).len() == copies, "{ran:?}");
    }
    drop(server);

    let missing = folder.path().join("missing").display().to_string();
    let server = Server::start_with(database.url(), &[("LM_BACKUP__FOLDER", &missing)]);
    assert_refused(&server.command(&["backup"]), 1, "There is no copy");
    let refusal = Server::start_refused(Database::postgres().url(), &[("LM_BACKUP__FOLDER", &missing)], &[]);
    assert!(
        refusal.stderr.contains("backup.folder is set") && refusal.stderr.contains("Postgres"),
        "{}",
        refusal.stderr
    );
}
