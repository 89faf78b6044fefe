//! What existing clients send, and what they have to get back: every case on both databases.

use std::collections::BTreeSet;

use license_manager_tests::conformance;

/// Declares one test per case and database, and the list of the cases.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        const NOW: &[&str] = &[$(stringify!($case)),+];

        $(
            mod $case {
                use license_manager_tests::conformance::assert_conforms;
                use license_manager_tests::{Database, Server};

                #[test]
                fn sqlite() {
                    let database = Database::sqlite();
                    assert_conforms(stringify!($case), &Server::start(database.url()));
                }

                #[test]
                fn postgres() {
                    let database = Database::postgres();
                    assert_conforms(stringify!($case), &Server::start(database.url()));
                }
            }
        )+
    };
}

cases!(
    activation,
    agreement_provisioning,
    assign,
    authentication,
    learner_licenses,
    license_listing,
    plan_provisioning,
    plan_reading,
    renewals,
    revocation_cap,
    revoke,
    revoke_all,
);

/// Cases of endpoints that are not there yet.
const LATER: &[&str] = &["auto_apply", "bulk_enrollment", "lookups", "remind", "retirement", "subsidy"];

#[test]
fn no_case_is_forgotten() {
    let files: BTreeSet<String> = std::fs::read_dir(conformance::folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let listed: BTreeSet<String> = NOW.iter().chain(LATER).map(|&name| name.into()).collect();
    assert_eq!(files, listed);
    assert_eq!(listed.len(), NOW.len() + LATER.len(), "a case is in both lists");
}

#[test]
fn every_case_can_be_read() {
    for name in NOW.iter().chain(LATER) {
        let text = std::fs::read_to_string(conformance::folder().join(format!("{name}.json")));
        let case: conformance::Case =
            serde_json::from_str(&text.unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!case.steps.is_empty(), "{name}");
    }
}
