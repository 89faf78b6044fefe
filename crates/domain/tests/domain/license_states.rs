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
    Identify(Option<i64>),
    Remind(u8),
    Renew,
    Purge,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_u8).prop_map(Step::Assign),
        3 => option::of(1..5_i64).prop_map(Step::Activate),
        1 => (0..3_u8, option::of(1..5_i64)).prop_map(|(person, user)| Step::AutoApply(person, user)),
        1 => Just(Step::Revoke),
        1 => Just(Step::Reset),
        1 => (0..3_u8).prop_map(Step::Rename),
        1 => option::of(1..5_i64).prop_map(Step::Identify),
        1 => (0..3_u8).prop_map(Step::Remind),
        1 => Just(Step::Renew),
        1 => Just(Step::Purge),
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

/// The license of the next plan that the step with this number renews onto.
fn next(number: usize) -> License {
    let (id, plan) = (Uuid::from_u128(100 + number as u128), Uuid::from_u128(3));
    License::unassigned(LicenseId(id), PlanId(plan), moment(0))
}

/// When the next plan starts.
fn next_start() -> DateTime<Utc> {
    moment(0) + Duration::days(100)
}

fn take(license: License, step: &Step, number: usize) -> Result<License, ImpossibleTransition> {
    let now = moment(number);
    let from = license.status();
    match step {
        Step::Assign(person) => license.assign(address(*person), key(number), now),
        Step::Activate(user) => license.activate(user.map(LmsUserId), now),
        Step::AutoApply(person, user) => license.auto_apply(address(*person), user.map(LmsUserId), key(number), now),
        Step::Revoke => license.revoke(now),
        Step::Reset => license.reset(now),
        Step::Rename(person) => Ok(license.with_email(address(*person), now)),
        Step::Identify(user) => Ok(license.with_lms_user_id(user.map(LmsUserId), now)),
        Step::Remind(person) => {
            license.reminded(&address(*person), now).ok_or(ImpossibleTransition { from, step: "reminded" })
        }
        Step::Renew => Ok(license.renew(next(number), next_start(), now)?.0),
        Step::Purge => Ok(license.purge(now)),
    }
}

/// Where a step leads according to crates/domain/RULES.md, or `None` where a license cannot take it.
fn documented(from: &License, step: &Step) -> Option<LicenseStatus> {
    use LicenseStatus::*;
    match (from.status(), step) {
        (Unassigned, Step::Assign(_)) => Some(Assigned),
        (Unassigned, Step::AutoApply(..)) => Some(Activated),
        (Assigned | Activated, Step::Activate(_)) => Some(Activated),
        (Assigned | Activated, Step::Revoke) => Some(Revoked),
        (Assigned | Activated, Step::Reset) => Some(Unassigned),
        (status, Step::Rename(_) | Step::Identify(_)) => Some(status),
        (Assigned, Step::Remind(person)) if from.holder_email() == Some(&address(*person)) => Some(Assigned),
        (Assigned, Step::Renew) => Some(Assigned),
        (Activated, Step::Renew) => Some(Activated),
        (Unassigned, Step::Purge) => Some(Unassigned),
        (Assigned | Activated | Revoked, Step::Purge) => Some(Revoked),
        _ => None,
    }
}

/// Checks that the license's state carries its data, all of it and no other.
fn check_data(license: &License) -> Result<(), TestCaseError> {
    let columns = license.columns();
    // The address of a revoked license goes when its time is over.
    let named = columns.user_email.is_some() || license.status() == LicenseStatus::Revoked;
    let held = named && columns.activation_key.is_some() && columns.assigned_date.is_some();
    match license.status() {
        LicenseStatus::Unassigned => {
            prop_assert_eq!(&columns, &LicenseColumns::default(), "nothing of a holder remains");
            prop_assert_eq!((license.auto_applied, license.renewed_to), (None, None));
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
    prop_assert_eq!(license.assigned_date(), columns.assigned_date);
    prop_assert_eq!(license.activation_date(), columns.activation_date);
    prop_assert_eq!(license.last_remind_date(), columns.last_remind_date);
    prop_assert_eq!(license.is_live(), LicenseStatus::LIVE.contains(&license.status()));
    Ok(())
}

/// Checks that a step changes what it is for, and nothing else.
fn check_step(before: &License, step: &Step, after: &License, number: usize) -> Result<(), TestCaseError> {
    let (now, columns) = (moment(number), before.columns());
    let unwritten = License { modified: before.modified, ..after.clone() };
    prop_assert!(unwritten == *before || after.modified == now, "{:?} changes it and does not say when", step);
    let expected = match step {
        Step::Revoke => LicenseColumns { status: LicenseStatus::Revoked, revoked_date: Some(now), ..columns },
        Step::Remind(_) => LicenseColumns { last_remind_date: Some(now), ..columns },
        Step::Rename(person) if before.status() != LicenseStatus::Unassigned => {
            LicenseColumns { user_email: Some(address(*person)), ..columns }
        }
        Step::Identify(user) if before.status() != LicenseStatus::Unassigned => {
            LicenseColumns { lms_user_id: user.map(LmsUserId), ..columns }
        }
        Step::Renew => {
            prop_assert_eq!(after.renewed_to, Some(next(number).id));
            columns
        }
        _ => return Ok(()),
    };
    prop_assert_eq!(after.columns(), expected);
    prop_assert_eq!((after.renewed_from, after.auto_applied), (before.renewed_from, before.auto_applied));
    Ok(())
}

proptest! {
    #[test]
    fn a_license_takes_the_documented_steps_and_no_others(steps in prop::collection::vec(step(), 0..24)) {
        let mut license = fresh();
        for (number, step) in steps.iter().enumerate() {
            let before = license.clone();
            let expected = documented(&before, step);
            match take(license, step, number + 1) {
                Ok(after) => {
                    prop_assert_eq!(Some(after.status()), expected, "{:?} from {}", step, before.status());
                    prop_assert_eq!((after.id, after.plan, after.created), (before.id, before.plan, before.created));
                    check_step(&before, step, &after, number + 1)?;
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
    fn a_renewed_license_stays_and_the_other_has_its_holder(steps in prop::collection::vec(step(), 0..24)) {
        let mut license = fresh();
        for (number, step) in steps.iter().enumerate() {
            license = take(license.clone(), step, number + 1).unwrap_or(license);
        }
        let (before, now, start) = (license.columns(), moment(99), next_start());
        let taken = next(99).assign(address(0), key(99), moment(98)).unwrap();
        let refused = license.clone().renew(taken, start, now).unwrap_err();
        prop_assert_eq!(refused, ImpossibleTransition { from: LicenseStatus::Assigned, step: "carried over onto" });
        match license.clone().renew(next(99), start, now) {
            Ok((prior, copy)) => {
                prop_assert!(license.is_live());
                prop_assert_eq!(prior.columns(), before.clone());
                prop_assert_eq!((prior.renewed_to, prior.renewed_from), (Some(copy.id), license.renewed_from));
                prop_assert_eq!((copy.id, copy.plan, copy.created), (next(99).id, next(99).plan, next(99).created));
                prop_assert_eq!((copy.renewed_to, copy.renewed_from), (None, Some(license.id)));
                prop_assert_eq!((prior.modified, copy.modified), (now, now));
                let activation_date = (before.status == LicenseStatus::Activated).then_some(start);
                let renewed =
                    LicenseColumns { assigned_date: Some(now), last_remind_date: None, activation_date, ..before };
                prop_assert_eq!(copy.columns(), renewed);
            }
            Err(refused) => {
                prop_assert!(!license.is_live());
                prop_assert_eq!(refused, ImpossibleTransition { from: license.status(), step: "carried over" });
            }
        }
    }

    #[test]
    fn a_copy_follows_its_original(
        before in prop::collection::vec(step(), 0..12),
        since in prop::collection::vec(step(), 0..12),
        copied in prop::collection::vec(step(), 0..3),
    ) {
        let mut original = fresh();
        for (number, step) in before.iter().enumerate() {
            original = take(original.clone(), step, number + 1).unwrap_or(original);
        }
        let Ok((mut original, mut copy)) = original.renew(next(20), next_start(), moment(20)) else { return Ok(()) };
        for (number, step) in since.iter().enumerate() {
            original = take(original.clone(), step, number + 21).unwrap_or(original);
        }
        for (number, step) in copied.iter().enumerate() {
            copy = take(copy.clone(), step, number + 41).unwrap_or(copy);
        }
        let followed = copy.clone().following(&original, next_start(), moment(60));
        if !original.is_live() || !copy.is_live() {
            prop_assert_eq!(followed, copy);
            return Ok(());
        }
        let (is, was, theirs) = (followed.columns(), copy.columns(), original.columns());
        prop_assert_eq!((&is.user_email, is.activation_key), (&theirs.user_email, theirs.activation_key));
        prop_assert_eq!((is.assigned_date, is.last_remind_date), (was.assigned_date, was.last_remind_date));
        let itself = was.activation_date.filter(|date| *date != next_start());
        let (status, activation_date, user) = match (theirs.status, itself) {
            (LicenseStatus::Activated, _) => (LicenseStatus::Activated, Some(next_start()), theirs.lms_user_id),
            (_, Some(date)) => (LicenseStatus::Activated, Some(date), theirs.lms_user_id.or(was.lms_user_id)),
            (_, None) => (LicenseStatus::Assigned, None, theirs.lms_user_id),
        };
        prop_assert_eq!((is.status, is.activation_date, is.lms_user_id), (status, activation_date, user));
        prop_assert_eq!(followed.modified, if is == was { copy.modified } else { moment(60) });
        prop_assert_eq!(followed.clone().following(&original, next_start(), moment(61)), followed, "it is in line");
    }

    #[test]
    fn a_reminder_counts_for_whoever_is_yet_to_activate(
        steps in prop::collection::vec(step(), 0..24),
        person in 0..3_u8,
    ) {
        let mut license = fresh();
        for (number, step) in steps.iter().enumerate() {
            license = take(license.clone(), step, number + 1).unwrap_or(license);
        }
        let waits = license.status() == LicenseStatus::Assigned && license.holder_email() == Some(&address(person));
        let reminded = license.clone().reminded(&address(person), moment(99));
        prop_assert_eq!(reminded.is_some(), waits);
        if let Some(reminded) = reminded {
            let columns = LicenseColumns { last_remind_date: Some(moment(99)), ..license.columns() };
            prop_assert_eq!(reminded.columns(), columns);
            prop_assert_eq!(reminded.modified, moment(99));
        }
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
