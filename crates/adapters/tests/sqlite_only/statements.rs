//! What a connection prepares, and which licenses statements read.

use license_manager_adapters::sqlite::{SqliteOptions, SqliteStore};
use license_manager_contract::fixtures::*;
use license_manager_domain::LicenseTypesToCopy;
use license_manager_domain::model::FollowingPlan;
use license_manager_domain::ports::{StoreExt, Unlinking};
use tempfile::TempDir;

use crate::prepared_once::{assert_prepared_once, watch};
use crate::{Watched, options, plans_of};

#[test]
fn a_connection_prepares_a_statement_once() {
    watch();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("test.db");
    let store = SqliteStore::open(&SqliteOptions { pool_size: 1, ..options(&path) }).unwrap();
    store.migrate().unwrap();
    assert_prepared_once(&store);
}

#[test]
fn licenses_without_a_copy_are_looked_for_in_their_plan() {
    let watched = Watched::new();
    let store = &watched.store;
    with_plans(store);
    let renewal = store.write(|unit| unit.renewals().add(&terms(1), &change(1))).unwrap();
    let following = FollowingPlan {
        id: plan_id(2),
        start_date: day(365),
        license_types_to_copy: LicenseTypesToCopy::AssignedAndActivated,
    };
    let of_plan = plans_of(&watched, || {
        let read = store.read(|unit| {
            unit.renewals().waiting_for(plan_id(1), &following, 10)?;
            unit.renewals().not_carried_over(&[renewal], day(5))?;
            let unlinking = Unlinking { customer: customer(1), now: day(5), event_name: "unlinked" };
            unit.due_work().licenses_to_unlink(plan_id(1), unlinking, None, 10)
        });
        read.unwrap();
    });
    let by_id = plans_of(&watched, || {
        store.read(|unit| unit.renewals().waiting_among(plan_id(1), &following, &[license_id(1)])).unwrap();
    });
    for plan in [&of_plan, &by_id] {
        assert!(!plan.iter().any(|step| step.contains("renewed_to_uuid=?")), "{plan:#?}");
        assert!(!plan.iter().any(|step| step.starts_with("SCAN license")), "{plan:#?}");
    }
    assert!(by_id.iter().any(|step| step.starts_with("SEARCH license") && step.ends_with("(uuid=?)")), "{by_id:#?}");
}
