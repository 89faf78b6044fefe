//! Every conformance case on both databases.

use std::collections::BTreeSet;

use license_manager_tests::conformance;

/// Declares a test per case and database, and lists the cases.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        const CASES: &[&str] = &[$(stringify!($case)),+];

        $(
            mod $case {
                use license_manager_tests::conformance::assert_conforms;
                use license_manager_tests::{Database, FakeUpstreams, Server};

                #[test]
                fn sqlite() {
                    let database = Database::sqlite();
                    let catalog = FakeUpstreams::start().url();
                    let server = Server::start_with(database.url(), &[("LM_CATALOG__URL", &catalog)]);
                    assert_conforms(stringify!($case), &server);
                }

                #[test]
                fn postgres() {
                    let database = Database::postgres();
                    let catalog = FakeUpstreams::start().url();
                    let server = Server::start_with(database.url(), &[("LM_CATALOG__URL", &catalog)]);
                    assert_conforms(stringify!($case), &server);
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
    auto_apply,
    bulk_enrollment,
    learner_licenses,
    license_listing,
    lookups,
    plan_provisioning,
    plan_reading,
    remind,
    renewals,
    retirement,
    revocation_cap,
    revoke,
    revoke_all,
    subsidy,
);

#[test]
fn no_case_is_forgotten() {
    let files: BTreeSet<String> = std::fs::read_dir(conformance::folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let listed: BTreeSet<String> = CASES.iter().map(|&name| name.into()).collect();
    assert_eq!(files, listed);
}

#[test]
fn every_case_can_be_read() {
    for name in CASES {
        let text = std::fs::read_to_string(conformance::folder().join(format!("{name}.json")));
        let case: conformance::Case =
            serde_json::from_str(&text.unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!case.steps.is_empty(), "{name}");
    }
}
