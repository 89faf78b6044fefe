//! Connections to the database that is imported.

use std::fs;

use license_manager_tests::{Database, DjangoIds, DjangoServer};

use super::import;

#[test]
fn a_connection_is_encrypted_and_the_server_is_the_one_that_is_named() {
    let (mariadb, authority) = DjangoServer::with_certificate();
    let source = mariadb.oddities("old", DjangoIds::Native);
    let authority = authority.to_str().expect("a path is text");
    // Who connects without TLS is refused.
    mariadb.execute("old", "ALTER USER lm@127.0.0.1 REQUIRE SSL");
    let named = source.replace("127.0.0.1", "localhost");
    let target = Database::sqlite();
    let plain = import(&target, &source, &["--dry-run"]);
    assert!(plain.code == Some(1) && plain.stderr.contains("Access denied"), "{plain:?}");

    let other = tempfile::NamedTempFile::new().expect("a file is created");
    let (stranger, strange_authority) = DjangoServer::with_certificate();
    fs::copy(strange_authority, other.path()).expect("the certificate is copied");
    drop(stranger);
    let other = other.path().to_str().expect("a path is text");
    for (url, wrong) in [
        // The certificate names localhost, and no address.
        (format!("{source}?ssl-ca={authority}"), "not valid for name"),
        (format!("{named}?ssl-ca={other}"), "certificate"),
        (format!("{named}?ssl-ca={authority}.none"), "authority.pem.none, cannot be read"),
        (format!("{named}?ssl-mode=VERIFY_IDENTITY"), "certificate"),
    ] {
        let refused = import(&target, &url, &["--dry-run"]);
        let complaints: Vec<&str> =
            refused.stderr.lines().filter(|line| line.starts_with("license-manager: ")).collect();
        assert!(refused.code == Some(1) && complaints.len() == 1, "{refused:?}");
        assert!(complaints[0].contains(wrong), "{url}: {complaints:?}");
    }
    let verified = import(&target, &format!("{named}?ssl-ca={authority}"), &[]);
    assert!(verified.succeeded, "{verified:?}");
    let equal = import(&target, &format!("{named}?ssl-ca={authority}"), &["--verify"]);
    assert!(equal.succeeded, "{equal:?}");
}

#[test]
fn the_connection_that_waits_for_the_checksums_is_used_meanwhile() {
    let mariadb = DjangoServer::new();
    let source = mariadb.oddities("old", DjangoIds::Native);
    let used = || mariadb.rows("old", "SHOW GLOBAL STATUS LIKE 'Com_do'").concat();
    let before = used();
    assert!(before.starts_with("Com_do"), "{before}");
    let looked = import(&Database::sqlite(), &source, &["--dry-run"]);
    assert!(looked.succeeded, "{looked:?}");
    assert_ne!(used(), before, "a server ends a connection that is silent for long");
}
