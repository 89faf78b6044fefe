//! What a connection prepares, which licenses statements read, and which columns they write.

use license_manager_adapters::sqlite::{SqliteOptions, SqliteStore};
use license_manager_contract::fixtures::*;
use license_manager_domain::model::{
    AnswerQuota, Claimed, FirstRequest, FollowingPlan, IdempotencyKey, StoredAnswer, StoredBody,
};
use license_manager_domain::ports::{LicenseFilter, Purge, StoreExt, Unlinking};
use license_manager_domain::{LicenseStatus, LicenseTypesToCopy};
use tempfile::TempDir;
use uuid::Uuid;

use crate::prepared_once::{assert_prepared_once, watch};
use crate::{Watched, lines, migrated, options, plans_of, stranger};

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
    // Waiting ones and their number, each in two states. Otherwise a whole plan would be read for each change.
    let search = "SEARCH license USING INDEX license_without_copy (subscription_plan_uuid=? AND status=?)";
    assert_eq!(of_plan.iter().filter(|step| *step == search).count(), 4, "{of_plan:#?}");
    let lookup = "SEARCH renewed_license USING INDEX license_by_email (user_email=?)";
    assert_eq!(of_plan.iter().filter(|step| *step == lookup).count(), 4, "{of_plan:#?}");
    assert!(by_id.iter().any(|step| step == lookup), "{by_id:#?}");
    for plan in [&of_plan, &by_id] {
        assert!(!plan.iter().any(|step| step.contains("renewed_to_uuid=?")), "{plan:#?}");
        assert!(!plan.iter().any(|step| step.starts_with("SCAN license")), "{plan:#?}");
    }
    assert!(by_id.iter().any(|step| step.starts_with("SEARCH license") && step.ends_with("(uuid=?)")), "{by_id:#?}");
}

/// If each batch sorted all licenses that are left, work on a whole plan would grow with the square of its size.
#[test]
fn licenses_that_are_locked_in_batches_are_not_sorted() {
    let watched = Watched::new();
    let store = &watched.store;
    with_plans(store);
    put(store, &[assigned(1, 1, "amy@example.com"), revoked(2, 1, "bob@example.com", 2)]);
    let filters = [
        LicenseFilter::default(),
        LicenseFilter { statuses: Some(vec![LicenseStatus::Assigned]), ..LicenseFilter::default() },
        LicenseFilter { assigned_until: Some(day(9)), ..LicenseFilter::default() },
    ];
    for after in [None, Some(license_id(1))] {
        let steps = plans_of(&watched, || {
            let locked = store.write(|unit| {
                for filter in &filters {
                    unit.licenses().lock_live_after(plan_id(1), filter, after, 10)?;
                }
                for status in LicenseStatus::ALL {
                    unit.licenses().lock_with_status_after(plan_id(1), status, after, 10)?;
                }
                Ok(())
            });
            locked.unwrap();
        });
        let searches = steps.iter().filter(|step| step.starts_with("SEARCH license USING INDEX")).count();
        assert_eq!(searches, filters.len() + LicenseStatus::ALL.len(), "{steps:#?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:#?}");
    }
}

/// Otherwise each batch would read again what the batches before have passed.
#[test]
fn licenses_whose_holders_are_to_be_forgotten_are_found_in_their_plans() {
    let watched = Watched::new();
    for (purge, lookup) in [
        (Purge::PlanExpired, "license_by_plan (subscription_plan_uuid=? AND status=? AND user_email>?)"),
        (Purge::Revoked, "license_revoked (subscription_plan_uuid=? AND revoked_date<?)"),
        (Purge::NeverActivated, "license_idle (subscription_plan_uuid=? AND assigned_date<?)"),
    ] {
        let steps = plans_of(&watched, || {
            assert_eq!(watched.store.write(|unit| unit.purge().lock_due(purge, day(5), 10)), Ok(vec![]));
        });
        assert!(steps.iter().any(|step| step.contains(lookup)), "{lookup}: {steps:#?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:#?}");
    }
}

#[test]
fn whether_a_plan_was_used_is_found_by_indexes() {
    let watched = Watched::new();
    let steps = plans_of(&watched, || {
        assert_eq!(watched.store.read(|unit| unit.plans().was_handed_out(plan_id(1))), Ok(false));
    });
    assert!(steps.iter().any(|step| step.contains("license_unassigned_again (subscription_plan_uuid=?")), "{steps:#?}");
    assert!(!steps.iter().any(|step| step.contains("license_by_plan")), "{steps:#?}");
}

#[test]
fn a_key_that_is_claimed_again_is_as_a_new_one() {
    let directory = TempDir::new().unwrap();
    let store = migrated(&directory);
    let key = |name: &str| IdempotencyKey {
        username: "amy".to_owned(),
        key: name.to_owned(),
        operation: "POST /".to_owned(),
    };
    let quota = AnswerQuota { answer: 1_000, user: 1_000_000, total: 1_000_000 };
    let claim = |name: &str, number: u8, at: i64| {
        let request = FirstRequest {
            fingerprint: [number; 32],
            owner: Uuid::from_u128(number.into()),
            created: day(at),
            lease_until: day(at + 1),
            reserved: number.into(),
            answer: None,
        };
        let claimed = store.write(|unit| unit.idempotency().claim(&key(name), &request, day(at - 1), &quota));
        assert_eq!(claimed, Ok(Claimed::First), "{name}");
    };
    for (name, body) in [("plain", StoredBody::Plain(vec![1])), ("compressed", StoredBody::Compressed(vec![2]))] {
        claim(name, 1, 5);
        let answer = StoredAnswer { status: 201, content_type: Some("text/plain".to_owned()), body: Some(body) };
        let completed = store.write(|unit| unit.idempotency().complete(&key(name), Uuid::from_u128(1), &answer));
        assert_eq!(completed, Ok(true), "{name}");
    }
    for name in ["plain", "compressed", "new"] {
        claim(name, 2, 20);
    }
    let mut conn = stranger(&store);
    let columns = lines(
        &mut conn,
        "SELECT 'quote(' || name || ')' AS line FROM pragma_table_info('idempotency_key') WHERE name <> 'key'",
    );
    assert!(columns.len() > 10, "{columns:?}");
    let rows = lines(&mut conn, &format!("SELECT {} AS line FROM idempotency_key", columns.join(" || ', ' || ")));
    assert!(rows.len() == 3 && rows.iter().all(|row| *row == rows[0]), "{rows:#?}");
}
