//! `license-manager doctor`.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};

use license_manager_tests::{
    Database, FakeBucket, FakeUpstreams, Ran, Server, borrowed, free_port, on_both_databases, text,
};
use serde_json::Value;

on_both_databases!(a_sound_installation_is_called_so, what_does_not_work_is_named);

/// What `doctor --output json` found: check, state and message.
fn findings(ran: &Ran) -> Vec<[String; 3]> {
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let checks = report["checks"].as_array().expect("checks").iter();
    checks.map(|check| ["check", "state", "message"].map(|key| text(&check[key]))).collect()
}

#[track_caller]
fn assert_found(found: &[[String; 3]], check: &str, state: &str, message: &str) {
    let of_check: Vec<_> = found.iter().filter(|[name, ..]| name == check).collect();
    assert!(
        of_check.iter().any(|[_, found, text]| found == state && text.contains(message)),
        "{check} {state} {message}: {of_check:?}"
    );
}

/// A mail server that greets everybody.
fn greeting() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"220 mail.example.com\r\n");
            let lines = BufReader::new(stream.try_clone().expect("a stream is shared")).lines();
            for line in lines.map_while(Result::ok) {
                let answer: &[u8] = if line.starts_with("QUIT") { b"221 bye\r\n" } else { b"250 mail.example.com\r\n" };
                let _ = stream.write_all(answer);
            }
        }
    });
    address
}

fn a_sound_installation_is_called_so(database: Database) {
    let (upstreams, bucket) = (FakeUpstreams::start(), FakeBucket::start());
    let mut settings = upstreams.settings();
    settings.extend(bucket.settings());
    settings.push(("LM_SMTP__URL".to_owned(), format!("smtp://{}", greeting())));
    settings.push(("LM_SMTP__FROM".to_owned(), "licenses@example.com".to_owned()));
    let server = Server::start_with(database.url(), &borrowed(&settings));
    let ran = server.command(&["doctor", "--output", "json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let found = findings(&ran);
    for check in ["settings", "database", "migrations", "lms", "catalog", "braze", "segment", "s3", "smtp"] {
        assert_found(&found, check, "ok", "");
    }
    assert_found(&found, "oauth", "off", "not set");
    if database.url().starts_with("postgres") {
        assert_found(&found, "clock", "ok", "differs by");
    }
    let asked: Vec<String> = upstreams.asked().into_iter().map(|(path, _)| path).collect();
    for path in ["/enterprise/api/v1/enterprise-customer/", "/contains_content_items/"] {
        assert!(asked.iter().any(|asked| asked.contains(path)), "{path} was really asked: {asked:?}");
    }
    // It is for people, too.
    let ran = server.command(&["doctor"]);
    assert!(ran.succeeded && ran.stdout.contains("  ok       lms: answers\n"), "{ran:?}");
    assert!(ran.stdout.lines().last().is_some_and(|line| line.starts_with("  0 failed, ")), "{ran:?}");
}

fn what_does_not_work_is_named(database: Database) {
    let upstreams = FakeUpstreams::start();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let settings = [
        ("LM_CATALOG__URL", upstreams.url()),
        ("LM_LMS__URL", nobody.clone()),
        ("LM_OAUTH__URL", nobody.clone()),
        ("LM_OAUTH__CLIENT_ID", "client".to_owned()),
        ("LM_OAUTH__CLIENT_SECRET", "hunter2".to_owned()),
        ("LM_SMTP__URL", format!("smtp://127.0.0.1:{}", free_port())),
        ("LM_SMTP__FROM", "licenses@example.com".to_owned()),
        ("LM_CONSOLE__PROVIDER_URL", nobody.clone()),
        ("LM_CONSOLE__CLIENT_ID", "console".to_owned()),
        ("LM_CONSOLE__CLIENT_SECRET", "hunter2".to_owned()),
        ("LM_CONSOLE__PUBLIC_URL", "http://licenses.example.com".to_owned()),
        ("LM_AUTH__JWK_SET", format!("{nobody}/keys")),
    ];
    let server = Server::start_with(database.url(), &borrowed(&settings));
    let ran = server.command(&["doctor", "--output", "json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(!ran.stdout.contains("hunter2") && ran.stderr.is_empty(), "{ran:?}");
    let found = findings(&ran);
    for check in ["oauth", "lms", "catalog", "smtp", "keys", "sign-in", "public", "cookies"] {
        assert_found(&found, check, "failed", "");
    }
    assert_found(&found, "lms", "failed", "LM_LMS__URL");
    assert_found(&found, "database", "ok", "");
    drop(server);
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let ran = Ran::alone(
        &format!("postgres://nobody:hunter2@127.0.0.1:{}/none", free_port()),
        &["doctor", "--output", "json"],
    );
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(!ran.stdout.contains("hunter2"), "{ran:?}");
    assert_found(&findings(&ran), "database", "failed", "cannot connect to Postgres");

    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let missing = folder.path().join("missing/test.db");
    let ran = Ran::alone(&format!("sqlite:{}", missing.display()), &["doctor", "--output", "json"]);
    assert_found(&findings(&ran), "database", "failed", "there is no folder");
    let new = folder.path().join("new.db");
    let ran = Ran::alone(&format!("sqlite:{}", new.display()), &["doctor", "--output", "json"]);
    assert_found(&findings(&ran), "database", "warning", "the server creates it");
    assert!(!new.exists(), "it changes nothing");
}

#[test]
fn copies_that_are_not_made_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let copies = folder.path().display().to_string();
    let doctor =
        |settings: &[(&str, &str)]| findings(&Ran::alone_with(&url, &["doctor", "--output", "json"], settings));
    let found = doctor(&[]);
    assert_found(&found, "backup", "off", "LM_BACKUP__FOLDER");
    assert_found(&found, "schedule", "off", "LM_SCHEDULE__ENABLED");

    let missing = folder.path().join("missing").display().to_string();
    assert_found(&doctor(&[("LM_BACKUP__FOLDER", &missing)]), "backup", "failed", "LM_BACKUP__FOLDER");
    assert_found(&doctor(&[("LM_BACKUP__FOLDER", &copies)]), "backup", "warning", "LM_SCHEDULE__ENABLED=true");
    let off =
        [("LM_BACKUP__FOLDER", copies.as_str()), ("LM_SCHEDULE__ENABLED", "true"), ("LM_SCHEDULE__BACKUP", "off")];
    assert_found(&doctor(&off), "backup", "warning", "LM_SCHEDULE__BACKUP");

    let settings = [("LM_BACKUP__FOLDER", copies.as_str()), ("LM_SCHEDULE__ENABLED", "true")];
    assert_found(&doctor(&settings), "backup", "warning", "has no copy yet");
    assert_found(&doctor(&settings), "schedule", "ok", "");
    std::fs::write(folder.path().join("license-manager-20200101T013000Z.db"), "old").expect("a file is written");
    assert_found(
        &doctor(&settings),
        "backup",
        "warning",
        "is of 2020-01-01 01:30 UTC, and the next one was due at 2020-01-02",
    );

    let server = Server::start_with(&url, &settings);
    assert!(server.command(&["backup"]).succeeded);
    assert_found(&doctor(&settings), "backup", "ok", "the newest copy");
}

/// A service whose clock is wrong by decades.
fn from_the_past() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(stream.try_clone().expect("a stream is shared")).lines();
            let _ = lines.map_while(Result::ok).find(String::is_empty);
            let head = "HTTP/1.1 200 OK\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Length: 0\r\n\r\n";
            let _ = stream.write_all(head.as_bytes());
        }
    });
    address
}

#[test]
fn a_clock_that_differs_from_that_of_a_service_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let service = format!("http://{}", from_the_past());
    let settings = [("LM_TELEMETRY__OTLP_ENDPOINT", service.as_str()), ("LM_LMS__URL", service.as_str())];
    let found = findings(&Ran::alone_with(&url, &["doctor", "--output", "json"], &settings));
    for check in ["traces", "lms"] {
        assert_found(&found, check, "ok", "");
        assert_found(&found, "clock", "warning", &format!("that of {check} differs by"));
    }
}

#[test]
fn a_service_that_never_answers_hides_no_other() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let nothing = format!("http://{}", silent.local_addr().expect("a listener has an address"));
    let (mail, traces) = (format!("smtp://{}", greeting()), format!("http://{}", from_the_past()));
    let settings = [
        ("LM_LMS__URL", nothing.as_str()),
        ("LM_CATALOG__URL", nothing.as_str()),
        ("LM_OAUTH__URL", nothing.as_str()),
        ("LM_OAUTH__CLIENT_ID", "client"),
        ("LM_OAUTH__CLIENT_SECRET", "secret"),
        ("LM_AUTH__JWK_SET", nothing.as_str()),
        ("LM_SMTP__URL", mail.as_str()),
        ("LM_SMTP__FROM", "licenses@example.com"),
        ("LM_TELEMETRY__OTLP_ENDPOINT", traces.as_str()),
    ];
    let found = findings(&Ran::alone_with(&url, &["doctor", "--output", "json"], &settings));
    for check in ["oauth", "lms", "catalog", "keys"] {
        assert_found(&found, check, "failed", "");
    }
    for check in ["smtp", "traces"] {
        assert_found(&found, check, "ok", "");
    }
}

#[test]
fn settings_that_cannot_be_read_are_a_finding() {
    let ran = Ran::alone("mysql://nowhere", &["doctor", "--output", "json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_found(&findings(&ran), "settings", "failed", "DATABASE_URL");
}
