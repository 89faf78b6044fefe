//! The life of a license, whatever is done to it in whatever order.

use chrono::{DateTime, Duration, Utc};
use license_manager_domain::model::ImpossibleTransition;
use license_manager_domain::*;
use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

/// Something that is tried with a license.
#[derive(Debug, Clone)]
enum Step {
    Assign(u8),
    Activate(Option<i64>),
    AutoApply(u8, Option<i64>),
    Revoke,
    Reset,
    Rename(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_u8).prop_map(Step::Assign),
        3 => option::of(1..5_i64).prop_map(Step::Activate),
        1 => (0..3_u8, option::of(1..5_i64)).prop_map(|(person, user)| Step::AutoApply(person, user)),
        1 => Just(Step::Revoke),
        1 => Just(Step::Reset),
        1 => (0..3_u8).prop_map(Step::Rename),
    ]
}

fn address(number: u8) -> Email {
    format!("learner{number}@example.com").parse().unwrap()
}

fn key(number: usize) -> ActivationKey {
    ActivationKey(Uuid::from_u128(1_000 + number as u128))
}

fn moment(number: usize) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(20_000) + Duration::hours(number as i64)
}

fn fresh() -> License {
    License::unassigned(LicenseId(Uuid::from_u128(1)), PlanId(Uuid::from_u128(2)), moment(0))
}

fn take(license: License, step: &Step, number: usize) -> Result<License, ImpossibleTransition> {
    let now = moment(number);
    match step {
        Step::Assign(person) => license.assign(address(*person), key(number), now),
        Step::Activate(user) => license.activate(user.map(LmsUserId), now),
        Step::AutoApply(person, user) => license.auto_apply(address(*person), user.map(LmsUserId), key(number), now),
        Step::Revoke => license.revoke(now),
        Step::Reset => license.reset(now),
        Step::Rename(person) => Ok(license.with_email(address(*person), now)),
    }
}

/// Where a step leads according to crates/domain/RULES.md, or `None` where a license cannot take it.
fn documented(from: LicenseStatus, step: &Step) -> Option<LicenseStatus> {
    use LicenseStatus::*;
    match (from, step) {
        (Unassigned, Step::Assign(_)) => Some(Assigned),
        (Unassigned, Step::AutoApply(..)) => Some(Activated),
        (Assigned | Activated, Step::Activate(_)) => Some(Activated),
        (Assigned | Activated, Step::Revoke) => Some(Revoked),
        (Assigned | Activated, Step::Reset) => Some(Unassigned),
        (status, Step::Rename(_)) => Some(status),
        _ => None,
    }
}

/// Checks that the license's state carries its data, all of it and no other.
fn check_data(license: &License) -> Result<(), TestCaseError> {
    let columns = license.columns();
    let held = columns.user_email.is_some() && columns.activation_key.is_some() && columns.assigned_date.is_some();
    match license.status() {
        LicenseStatus::Unassigned => {
            prop_assert_eq!(&columns, &LicenseColumns::default(), "nothing of a holder remains");
            prop_assert_eq!(license.auto_applied, None);
        }
        LicenseStatus::Assigned => {
            prop_assert!(held && columns.activation_date.is_none() && columns.revoked_date.is_none());
        }
        LicenseStatus::Activated => {
            prop_assert!(held && columns.activation_date.is_some() && columns.revoked_date.is_none());
            prop_assert!(columns.activation_date >= columns.assigned_date);
        }
        LicenseStatus::Revoked => {
            prop_assert!(held && columns.revoked_date.is_some());
            prop_assert!(columns.revoked_date >= columns.assigned_date.max(columns.activation_date));
        }
    }
    prop_assert_eq!(license.is_live(), LicenseStatus::LIVE.contains(&license.status()));
    Ok(())
}

proptest! {
    #[test]
    fn a_license_takes_the_documented_steps_and_no_others(steps in prop::collection::vec(step(), 0..24)) {
        let mut license = fresh();
        for (number, step) in steps.iter().enumerate() {
            let before = license.clone();
            let expected = documented(before.status(), step);
            match take(license, step, number + 1) {
                Ok(after) => {
                    prop_assert_eq!(Some(after.status()), expected, "{:?} from {}", step, before.status());
                    prop_assert_eq!((after.id, after.plan, after.created), (before.id, before.plan, before.created));
                    license = after;
                }
                Err(error) => {
                    prop_assert_eq!(None, expected, "{:?} from {}", step, before.status());
                    prop_assert_eq!(error.from, before.status());
                    license = before;
                }
            }
            check_data(&license)?;
        }
    }

    #[test]
    fn a_state_survives_being_spread_over_columns(steps in prop::collection::vec(step(), 0..24)) {
        let mut license = fresh();
        for (number, step) in steps.iter().enumerate() {
            license = take(license.clone(), step, number + 1).unwrap_or(license);
            prop_assert_eq!(license.columns().into_state(), Some(license.state.clone()));
        }
    }

    #[test]
    fn revoked_is_final(steps in prop::collection::vec(step(), 0..24), user in option::of(1..5_i64)) {
        let assigned = fresh().assign(address(0), key(0), moment(1)).unwrap();
        let used = assigned.clone().activate(user.map(LmsUserId), moment(2)).unwrap();
        for license in [assigned, used] {
            let mut license = license.revoke(moment(3)).unwrap();
            let revoked = license.columns();
            for (number, step) in steps.iter().enumerate() {
                license = take(license.clone(), step, number + 4).unwrap_or(license);
                let columns = license.columns();
                prop_assert_eq!(columns.status, LicenseStatus::Revoked);
                prop_assert_eq!(columns.revoked_date, revoked.revoked_date);
                prop_assert_eq!(columns.activation_key, revoked.activation_key);
            }
        }
    }

    #[test]
    fn a_retired_license_knows_nobody(steps in prop::collection::vec(step(), 0..24)) {
        let mut license = fresh();
        for (number, step) in steps.iter().enumerate() {
            license = take(license.clone(), step, number + 1).unwrap_or(license);
        }
        let retired = license.clone().retire(moment(99));
        let before = license.columns();
        let nobody = match license.status() {
            LicenseStatus::Revoked => LicenseColumns { user_email: None, lms_user_id: None, ..before },
            _ => LicenseColumns::default(),
        };
        prop_assert_eq!(retired.columns(), nobody);
        prop_assert_eq!((retired.id, retired.plan), (license.id, license.plan));
        prop_assert_eq!(retired.columns().into_state(), Some(retired.state));
    }

    #[test]
    fn a_license_whose_time_is_over_is_revoked_and_keeps_all_but_the_address(
        steps in prop::collection::vec(step(), 0..24),
    ) {
        let mut license = fresh();
        for (number, step) in steps.iter().enumerate() {
            license = take(license.clone(), step, number + 1).unwrap_or(license);
        }
        let purged = license.clone().purge(moment(99));
        let before = license.columns();
        let nameless = match license.status() {
            LicenseStatus::Unassigned => before,
            _ => LicenseColumns {
                status: LicenseStatus::Revoked,
                user_email: None,
                revoked_date: before.revoked_date.or(Some(moment(99))),
                ..before
            },
        };
        prop_assert_eq!(purged.columns(), nameless);
        prop_assert_eq!(purged.columns().into_state(), Some(purged.state));
    }

    #[test]
    fn a_second_activation_changes_nothing(first in option::of(1..5_i64), second in option::of(1..5_i64)) {
        let assigned = fresh().assign(address(0), key(0), moment(1)).unwrap();
        let activated = assigned.activate(first.map(LmsUserId), moment(2)).unwrap();
        prop_assert_eq!(activated.clone().activate(second.map(LmsUserId), moment(3)).unwrap(), activated);
    }

    #[test]
    fn columns_that_lack_what_their_status_carries_spell_no_state(
        status in prop::sample::select(LicenseStatus::ALL.to_vec()),
        present in prop::collection::vec(any::<bool>(), 5),
    ) {
        let columns = LicenseColumns {
            status,
            user_email: present[0].then(|| address(0)),
            activation_key: present[1].then(|| key(0)),
            assigned_date: present[2].then(|| moment(1)),
            activation_date: present[3].then(|| moment(2)),
            revoked_date: present[4].then(|| moment(3)),
            ..LicenseColumns::default()
        };
        let held = present[0] && present[1] && present[2];
        let complete = match status {
            LicenseStatus::Unassigned => true,
            LicenseStatus::Assigned => held,
            LicenseStatus::Activated => held && present[3],
            LicenseStatus::Revoked => present[4],
        };
        let state = columns.into_state();
        prop_assert_eq!(state.is_some(), complete);
        if let Some(state) = state {
            prop_assert_eq!(License { state, ..fresh() }.status(), status);
        }
    }
}

#[test]
fn an_assignment_sets_what_a_learner_needs_to_activate() {
    let columns = fresh().assign(address(1), key(5), moment(1)).unwrap().columns();
    assert_eq!(columns.user_email, Some(address(1)));
    assert_eq!(columns.activation_key, Some(key(5)));
    assert_eq!((columns.assigned_date, columns.last_remind_date), (Some(moment(1)), Some(moment(1))));
    assert_eq!(columns.lms_user_id, None);
}

#[test]
fn a_reminder_counts_only_for_whoever_holds_the_license() {
    let assigned = fresh().assign(address(1), key(5), moment(1)).unwrap();
    let reminded = assigned.clone().reminded(&address(1), moment(2)).unwrap();
    assert_eq!((reminded.last_remind_date(), reminded.modified), (Some(moment(2)), moment(2)));
    assert_eq!(assigned.clone().reminded(&address(2), moment(2)), None, "another person's");
    assert_eq!(assigned.clone().activate(None, moment(2)).unwrap().reminded(&address(1), moment(3)), None);
    assert_eq!(assigned.revoke(moment(2)).unwrap().reminded(&address(1), moment(3)), None);
}

#[test]
fn a_freed_license_is_carried_on_by_none_and_continues_none() {
    let [to, from] = [9, 8].map(|number| Some(LicenseId(Uuid::from_u128(number))));
    let carried_on = |license: License| License { renewed_to: to, renewed_from: from, ..license };
    let assigned = || carried_on(fresh().assign(address(1), key(5), moment(1)).unwrap());
    for freed in [assigned().reset(moment(2)).unwrap(), assigned().retire(moment(2))] {
        assert_eq!((freed.renewed_to, freed.renewed_from), (None, None));
    }
    let revoked = assigned().revoke(moment(2)).unwrap();
    for kept in [revoked.clone(), revoked.retire(moment(3)), assigned().purge(moment(2))] {
        assert_eq!((kept.renewed_to, kept.renewed_from), (to, from));
    }
}

#[test]
fn what_cannot_be_done_says_why() {
    let error = fresh().revoke(moment(1)).unwrap_err();
    assert_eq!(error.to_string(), "A license that is unassigned cannot be revoked.");
}

#[test]
fn statuses_have_names_that_read_back() {
    for status in LicenseStatus::ALL {
        assert_eq!(LicenseStatus::from_name(status.as_str()), Some(status));
    }
    assert_eq!(LicenseStatus::from_name("Assigned"), None);
}
