//! A source that has nothing of what was imported, as where its URL is mistyped.

use license_manager_tests::{Database, DjangoIds, DjangoServer, Ran};

use super::again::assert_equal_to_the_source;
use super::{count, import, summary};

#[test]
fn a_source_without_agreements_and_licenses_is_refused_unless_it_is_forced() {
    let mariadb = DjangoServer::new();
    let source = mariadb.oddities("old", DjangoIds::Native);
    let blank = mariadb.fresh("blank", DjangoIds::Native);
    for target in [Database::sqlite(), Database::postgres()] {
        assert!(import(&target, &source, &[]).succeeded);
        for more in [&["--dry-run"][..], &[], &["--keep"], &["--strict"]] {
            let refused = import(&target, &blank, more);
            assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
            let why = "license-manager: nothing was imported: the source had 4 agreements and 16 licenses at the last \
                       import, and has none now. Check its URL. --force goes on, and deletes them here\n";
            assert!(refused.stderr.ends_with(why), "{refused:?}");
        }
        let refused = import(&target, &blank, &["--verify"]);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
        let why = "license-manager: nothing was compared: the source had 4 agreements and 16 licenses at the last import, \
                   and has none now. Check its URL\n";
        assert!(refused.stderr.ends_with(why), "{refused:?}");
        assert_equal_to_the_source(&target, &source);

        let dry = import(&target, &blank, &["--force", "--dry-run", "--output", "json"]);
        assert!(dry.succeeded && summary(&dry)["changes"]["license"]["deleted"] == 16, "{dry:?}");
        assert_eq!(count(&target, "license"), "16", "a dry run changes nothing");
        let forced = import(&target, &blank, &["--force"]);
        assert!(forced.succeeded, "{forced:?}");
        assert_eq!((count(&target, "customer_agreement"), count(&target, "license")), ("0".to_owned(), "0".to_owned()));
        assert_equal_to_the_source(&target, &blank);

        // Nothing is left to lose.
        mariadb.execute("blank", "UPDATE subscriptions_product SET description = 'changed' WHERE id = 5");
        let again = import(&target, &blank, &[]);
        assert!(again.succeeded && again.stdout.contains("product: 0 added, 1 changed"), "{again:?}");
        mariadb.execute("blank", "UPDATE subscriptions_product SET description = 'OCE' WHERE id = 5");
    }
}

#[test]
fn a_source_without_licenses_alone_is_refused_too() {
    let mariadb = DjangoServer::new();
    for (name, target) in [("one", Database::sqlite()), ("two", Database::postgres())] {
        let source = mariadb.oddities(name, DjangoIds::Native);
        assert!(import(&target, &source, &[]).succeeded);
        mariadb.execute(name, "DELETE FROM subscriptions_license");
        for more in [&[][..], &["--verify"]] {
            let refused = import(&target, &source, more);
            assert_eq!(refused.code, Some(1), "{refused:?}");
            assert!(refused.stderr.contains("the source had 16 licenses at the last import"), "{refused:?}");
        }
        assert_eq!(count(&target, "license"), "16");

        // Then nobody knows any more what was imported.
        assert!(Ran::alone(target.url(), &["import", "--finish"]).succeeded);
        let compared = import(&target, &source, &["--verify"]);
        assert_eq!(compared.code, Some(1), "{compared:?}");
        assert!(compared.stdout.contains("license: 0 there, 16 here, 16 differences"), "{compared:?}");
    }
}
