//! Checks of a database.

use license_manager_adapters::check::{Limits, check_postgres};
use license_manager_domain::ports::StoreExt;

use crate::support::postgres_store;
use crate::{change, hand_out, now, number, provision};

#[test]
fn a_plan_with_too_many_licenses_is_found() {
    let (store, _database) = postgres_store();
    provision(&store, 4);
    let revoke = |unit: &mut dyn license_manager_domain::ports::UnitOfWork| {
        let license = hand_out(unit, 0..1)?.remove(0).revoke(now())?;
        unit.licenses().save(&[license], &change())
    };
    store.write(revoke).unwrap();
    for (licenses_per_plan, violations) in [(3, 0), (2, 1)] {
        let findings = check_postgres(&store, Limits { licenses_per_plan }).unwrap();
        let found: Vec<_> = findings.into_iter().filter(|finding| finding.violations > 0).collect();
        assert_eq!(found.len(), violations, "{found:?}");
        assert!(found.iter().all(|finding| finding.name == "plan-sizes" && finding.violations == 1), "{found:?}");
    }
}

/// A check runs while servers write.
#[test]
fn a_check_waits_for_nobody_and_sees_what_is_committed() {
    let (store, database) = postgres_store();
    provision(&store, 4);
    let checked = store.clone();
    let held = store.write(|unit| {
        hand_out(unit, 0..2)?;
        let findings = check_postgres(&checked, Limits::default()).expect("it waits for nobody");
        assert!(findings.iter().all(|finding| finding.violations == 0), "{findings:?}");
        Ok::<_, license_manager_domain::Error>(())
    });
    held.unwrap();
    assert_eq!(number(&database, "SELECT count(*) AS number FROM license WHERE status = 'assigned'"), 2);
}
