use std::path::PathBuf;

use license_manager::config::{DatabaseUrl, JwkSetSource, Secret, SmtpUrl};

fn database(text: &str) -> Result<DatabaseUrl, String> {
    DatabaseUrl::try_from(text.to_owned())
}

#[test]
fn a_secret_is_shown_only_by_expose() {
    let secret = Secret::try_from("hunter2".to_owned()).unwrap();
    assert_eq!(secret.expose(), "hunter2");
    assert_eq!(format!("{secret} {secret:?} {}", serde_json::to_string(&secret).unwrap()), r#"*** *** "***""#);
    assert!(Secret::try_from(String::new()).is_err());
}

#[test]
fn random_secrets_are_long_and_differ() {
    let (one, other) = (Secret::random(), Secret::random());
    assert_eq!(one.expose().len(), 64);
    assert_ne!(one.expose(), other.expose());
}

#[test]
fn both_spellings_of_a_sqlite_url_name_the_same_file() {
    for (url, path) in [
        ("sqlite:data/l.db", "data/l.db"),
        ("sqlite://data/l.db", "data/l.db"),
        ("sqlite:///l.db", "/l.db"),
        ("SQLITE:/l.db", "/l.db"),
    ] {
        assert_eq!(database(url), Ok(DatabaseUrl::Sqlite(PathBuf::from(path))), "{url}");
    }
}

#[test]
fn a_database_that_is_not_known_is_refused_by_its_scheme_alone() {
    let refusal = database("mysql://root:hunter2@localhost/x").unwrap_err();
    assert!(refusal.contains("`mysql`") && !refusal.contains("hunter2"), "{refusal}");
    for url in
        ["", "license-manager.db", "sqlite:", "sqlite://", "sqlite::memory:", "sqlite:a.db?mode=rwc", "postgres:x"]
    {
        assert!(database(url).is_err(), "{url}");
    }
}

#[test]
fn a_printed_postgres_url_holds_no_password() {
    for (url, printed) in [
        ("postgres://me:hunter2@db:5432/l", "postgres://***@db:5432/l"),
        ("postgresql://me@db/l", "postgresql://***@db/l"),
        ("postgres:///l?host=/run/postgresql", "postgres:///l?host=/run/postgresql"),
        ("postgres://db/l?user=me&password=hunter2", "postgres://db/l?user=***&password=***"),
        ("postgres://me:hun/te@r2@db/l", "postgres://***@db/l"),
        ("postgres://db/l?sslmode=require", "postgres://db/l?sslmode=require"),
    ] {
        let parsed = database(url).unwrap();
        assert_eq!(parsed, DatabaseUrl::Postgres(url.to_owned()));
        assert_eq!(format!("{parsed}"), printed);
        assert_eq!(format!("{parsed:?}"), printed);
    }
    let shown = database("postgres://me:hunt?er2@db/l").unwrap().to_string();
    assert!(!shown.contains("er2") && !shown.contains("hunt"), "{shown}");
}

#[test]
fn a_mail_server_is_named_by_its_address_and_its_password_is_not_shown() {
    let server = |text: &str| SmtpUrl::try_from(text.to_owned());
    for (url, shown) in [
        ("smtp://localhost", "smtp://localhost"),
        ("smtp://me:hunter2@mail.example.com:587?tls=required", "smtp://***@mail.example.com:587?tls=required"),
        ("smtps://me%40x:hunter2@mail:465", "smtps://***@mail:465"),
    ] {
        let server = server(url).unwrap();
        assert_eq!((server.expose(), format!("{server:?}")), (url, shown.to_owned()));
    }
    for url in ["", "mail.example.com", "mail:25", "http://mail", "smtp://", "smtp:mail", "smtp://u:hunter2@"] {
        assert!(!server(url).unwrap_err().contains("hunter2"), "{url}");
    }
}

#[test]
fn a_jwk_set_is_json_an_address_or_a_file() {
    let source = |text: &str| JwkSetSource::try_from(text.to_owned());
    assert_eq!(source(" {\"keys\":[]}").unwrap(), JwkSetSource::Inline(" {\"keys\":[]}".to_owned()));
    assert!(matches!(source("https://lms.example.com/jwks.json").unwrap(), JwkSetSource::Url(_)));
    assert_eq!(source("keys/set.json").unwrap(), JwkSetSource::File(PathBuf::from("keys/set.json")));
    assert!(source("ftp://lms.example.com/jwks.json").unwrap_err().contains("`ftp`"));
    assert!(source("http://").is_err());
    assert!(source("").is_err());
    for (url, shown) in [
        ("https://me:hunter2@lms/jwks", "https://***@lms/jwks"),
        ("https://hunter2@lms/jwks?token=hunter2&b=hunter2", "https://***@lms/jwks?token=***&b=***"),
        ("https://lms/jwks?hunter2#hunter2", "https://lms/jwks?***#***"),
    ] {
        assert_eq!(source(url).unwrap().to_string(), shown);
    }
}
