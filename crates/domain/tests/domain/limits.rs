//! The limits in the rules of plans and renewals: the last value that is allowed, and the first that is not.

use chrono::{Duration, TimeZone, Utc};
use license_manager_domain::model::{FollowingPlan, RenewalTerms, seeded_products};
use license_manager_domain::*;
use proptest::prelude::*;
use uuid::Uuid;

use crate::support::*;

/// A plan of the product Test, for a year from the beginning.
fn plan() -> SubscriptionPlan {
    let id = |number| Uuid::from_u128(number);
    let runs = beginning()..beginning() + Duration::days(365);
    let new =
        SubscriptionPlan::new(PlanId(id(1)), AgreementId(id(2)), CatalogId(id(3)), "Engineering", runs, beginning());
    SubscriptionPlan { product: ProductId(4), ..new }
}

/// The fields at fault.
fn at_fault(outcome: Result<(), Error>) -> Vec<String> {
    match outcome {
        Ok(()) => Vec::new(),
        Err(Error::Invalid(errors)) => errors.iter().map(|(field, _)| field.to_owned()).collect(),
        Err(other) => panic!("{other:?}"),
    }
}

fn wrong_in(plan: &SubscriptionPlan) -> Vec<String> {
    let product = seeded_products().into_iter().find(|product| product.id == plan.product).unwrap();
    at_fault(plan.check(&product))
}

/// A renewal of [`plan`] when it ends, for a year.
fn terms() -> RenewalTerms {
    RenewalTerms {
        prior_plan: plan().id,
        renewed_plan: None,
        salesforce_opportunity_id: None,
        number_of_licenses: 5,
        effective_date: plan().expiration_date,
        renewed_expiration_date: plan().expiration_date + Duration::days(365),
        renewed_plan_title: None,
        license_types_to_copy: LicenseTypesToCopy::AssignedAndActivated,
        disable_auto_apply_licenses: false,
        exempt_from_batch_processing: false,
    }
}

#[test]
fn a_plan_is_current_from_its_start_to_its_expiration() {
    let (plan, instant) = (plan(), Duration::microseconds(1));
    for (moment, is_current) in [
        (plan.start_date - instant, false),
        (plan.start_date, true),
        (plan.expiration_date, true),
        (plan.expiration_date + instant, false),
    ] {
        assert_eq!(plan.is_current(moment), is_current, "{moment}");
    }
}

#[test]
fn days_until_the_expiration_are_rounded_down() {
    let (plan, instant) = (plan(), Duration::microseconds(1));
    for (days, left) in [(1, 1), (0, 0), (-1, -1)] {
        let moment = plan.expiration_date - Duration::days(days);
        assert_eq!(plan.days_until_expiration(moment), left);
        assert_eq!(plan.days_until_expiration(moment + instant), left - 1);
        assert_eq!(plan.days_until_expiration(moment - instant), left);
    }
}

#[test]
fn numbers_of_licenses_add_up() {
    let counts = LicenseCounts { activated: 1, assigned: 10, unassigned: 100, revoked: 1_000 };
    assert_eq!((counts.allocated(), counts.total(), counts.all()), (11, 111, 1_111));
    let live = counts.only(&LicenseStatus::LIVE);
    assert_eq!(live, LicenseCounts { activated: 1, assigned: 10, ..LicenseCounts::default() });
    let mut counted = LicenseCounts::default();
    for (status, number) in LicenseStatus::ALL.into_iter().zip([1, 10, 1_000, 100]) {
        *counted.of_mut(status) += number;
        assert_eq!(counts.only(&[status]), LicenseCounts::default().with(status, number));
    }
    assert_eq!(counted, counts);
}

trait With {
    fn with(self, status: LicenseStatus, number: i64) -> Self;
}

impl With for LicenseCounts {
    fn with(mut self, status: LicenseStatus, number: i64) -> Self {
        *self.of_mut(status) = number;
        self
    }
}

#[test]
fn a_plan_lacks_what_it_has_less_than_desired_unless_it_is_frozen() {
    let counts = LicenseCounts { activated: 1, assigned: 2, unassigned: 3, revoked: 40 };
    for (desired, lacking) in [(None, 0), (Some(5), 0), (Some(6), 0), (Some(7), 1), (Some(16), 10)] {
        let plan = SubscriptionPlan { desired_num_licenses: desired, ..plan() };
        assert_eq!(plan.licenses_to_provision(&counts), lacking, "{desired:?}");
        let frozen = SubscriptionPlan { last_freeze_timestamp: Some(beginning()), ..plan };
        assert_eq!(frozen.licenses_to_provision(&counts), 0);
    }
}

#[test]
fn the_numbers_of_a_plan_have_limits() {
    let numbers = |revoke_max_percentage, desired: i32, for_internal_use_only| {
        let desired_num_licenses = Some(desired);
        wrong_in(&SubscriptionPlan { revoke_max_percentage, desired_num_licenses, for_internal_use_only, ..plan() })
    };
    let most = SubscriptionPlan::MAX_LICENSES;
    assert_eq!(numbers(0, 0, false), [""; 0]);
    assert_eq!(numbers(100, most, false), [""; 0]);
    assert_eq!(numbers(-1, 0, false), ["revoke_max_percentage"]);
    assert_eq!(numbers(101, 0, false), ["revoke_max_percentage"]);
    assert_eq!(numbers(5, -1, false), ["desired_num_licenses"]);
    assert_eq!(numbers(5, -1, true), ["desired_num_licenses"]);
    assert_eq!(numbers(5, most + 1, false), ["desired_num_licenses"]);
    assert_eq!(numbers(5, most + 1, true), [""; 0], "a plan for internal use may be larger");
}

#[test]
fn a_plan_ends_after_it_starts() {
    let ending = |after| wrong_in(&SubscriptionPlan { expiration_date: beginning() + after, ..plan() });
    assert_eq!(ending(Duration::microseconds(1)), [""; 0]);
    assert_eq!(ending(Duration::zero()), ["expiration_date"]);
    assert_eq!(ending(Duration::microseconds(-1)), ["expiration_date"]);
}

#[test]
fn a_title_is_neither_blank_nor_long_nor_surrounded_by_space() {
    let longest = "ü".repeat(SubscriptionPlan::MAX_TITLE_LENGTH);
    for (title, wrong) in [
        ("a", false),
        (longest.as_str(), false),
        ("a b", false),
        (&format!("{longest}ü"), true),
        ("", true),
        (" ", true),
        (" a", true),
        ("a ", true),
        ("a\0b", true),
    ] {
        let expected: &[&str] = if wrong { &["title"] } else { &[] };
        assert_eq!(wrong_in(&SubscriptionPlan { title: title.to_owned(), ..plan() }), expected, "{title:?}");
        let terms = RenewalTerms { renewed_plan_title: Some(title.to_owned()), ..terms() };
        assert_eq!(!at_fault(terms.check(&plan(), None)).is_empty(), wrong, "{title:?}");
    }
}

#[test]
fn a_line_item_is_a_salesforce_id_that_starts_as_those_of_line_items() {
    for (item, wrong) in [
        ("00k000000000000001", false),
        ("00kAAAAAAAAAAAAAZz", false),
        ("00k00000000000001", true),
        ("00k0000000000000001", true),
        ("00k00000000000000-", true),
        ("006000000000000001", true),
    ] {
        let item = Some(item.to_owned());
        let plan = SubscriptionPlan { salesforce_opportunity_line_item: item.clone(), ..plan() };
        assert_eq!(!wrong_in(&plan).is_empty(), wrong, "{item:?}");
    }
}

#[test]
fn the_terms_of_a_renewal_have_limits() {
    let (prior, instant) = (plan(), Duration::microseconds(1));
    let most = SubscriptionPlan::MAX_LICENSES;
    let wrong = |terms: RenewalTerms| at_fault(terms.check(&prior, None));
    for (number, field) in [(0, true), (1, false), (most, false), (most + 1, true)] {
        let expected: &[&str] = if field { &["number_of_licenses"] } else { &[] };
        assert_eq!(wrong(RenewalTerms { number_of_licenses: number, ..terms() }), expected, "{number}");
    }
    let large = RenewalTerms { number_of_licenses: most + 1, ..terms() };
    let internal = SubscriptionPlan { for_internal_use_only: true, ..plan() };
    assert_eq!(at_fault(large.check(&internal, None)), [""; 0]);

    let from = |effective_date| wrong(RenewalTerms { effective_date, ..terms() });
    assert_eq!(from(prior.start_date), [""; 0]);
    assert_eq!(from(prior.start_date - instant), ["non_field_errors"]);
    let until = |renewed_expiration_date| wrong(RenewalTerms { renewed_expiration_date, ..terms() });
    assert_eq!(until(terms().effective_date + instant), [""; 0]);
    assert_eq!(until(terms().effective_date), ["non_field_errors"]);

    let opportunity = |id: &str| wrong(RenewalTerms { salesforce_opportunity_id: Some(id.to_owned()), ..terms() });
    assert_eq!(opportunity("006000000000000001"), [""; 0]);
    assert_eq!(opportunity("00600000000000000"), ["salesforce_opportunity_id"]);

    let onto = |renewed: SubscriptionPlan| at_fault(terms().check(&prior, Some(&renewed)));
    let other = SubscriptionPlan { id: PlanId(Uuid::from_u128(9)), ..plan() };
    assert_eq!(onto(other.clone()), [""; 0]);
    assert_eq!(onto(plan()), ["non_field_errors"], "a plan cannot follow itself");
    assert_eq!(onto(SubscriptionPlan { agreement: AgreementId(Uuid::from_u128(9)), ..other }), ["non_field_errors"]);
}

#[test]
fn new_terms_take_all_live_licenses_over_into_a_plan_that_is_created() {
    let plan = plan();
    let runs = plan.expiration_date..plan.expiration_date + Duration::days(365);
    assert_eq!(RenewalTerms::new(plan.id, 5, runs), terms());
}

#[test]
fn the_licenses_of_a_renewal_fit_into_a_fresh_plan_of_its_size() {
    let room = |needed, present| terms().check_room(needed, &present);
    let fresh = |unassigned| LicenseCounts { unassigned, ..LicenseCounts::default() };
    assert_eq!(room(5, fresh(5)), Ok(()));
    assert_eq!(room(0, fresh(0)), Ok(()));
    assert_eq!(room(6, fresh(0)), Err(Refusal::RenewalTooSmall { agreed: 5, needed: 6 }.into()));
    assert_eq!(room(0, fresh(6)), Err(Refusal::RenewedPlanTooLarge { agreed: 5, present: 6 }.into()));
    for used in [LicenseStatus::Activated, LicenseStatus::Assigned, LicenseStatus::Revoked] {
        let outcome = room(0, fresh(0).with(used, 1));
        assert_eq!(outcome, Err(Refusal::RenewedPlanInUse { used: 1 }.into()), "{used}");
    }
    let all = LicenseCounts { activated: 1, assigned: 10, unassigned: 0, revoked: 100 };
    assert_eq!(room(0, all), Err(Refusal::RenewedPlanInUse { used: 111 }.into()));
}

#[test]
fn a_created_plan_has_the_terms_of_its_renewal_and_the_settings_of_the_prior_plan() {
    let prior = SubscriptionPlan {
        title: "t".repeat(SubscriptionPlan::MAX_TITLE_LENGTH),
        is_active: true,
        is_revocation_cap_enabled: true,
        revoke_max_percentage: 7,
        for_internal_use_only: true,
        can_freeze_unused_licenses: true,
        num_revocations_applied: 3,
        ..plan()
    };
    let terms = RenewalTerms {
        salesforce_opportunity_id: Some("006000000000000001".to_owned()),
        effective_date: Utc.with_ymd_and_hms(2031, 1, 1, 0, 0, 0).unwrap(),
        renewed_expiration_date: Utc.with_ymd_and_hms(2032, 1, 1, 0, 0, 0).unwrap(),
        ..terms()
    };
    let (id, now) = (PlanId(Uuid::from_u128(9)), beginning() + Duration::days(1));
    let ending = " - Renewal 2031";
    let title = format!("{}{ending}", "t".repeat(SubscriptionPlan::MAX_TITLE_LENGTH - ending.len()));
    let runs = terms.effective_date..terms.renewed_expiration_date;
    let expected = SubscriptionPlan {
        product: prior.product,
        is_active: true,
        is_revocation_cap_enabled: true,
        revoke_max_percentage: 7,
        for_internal_use_only: true,
        salesforce_opportunity_line_item: terms.salesforce_opportunity_id.clone(),
        desired_num_licenses: Some(terms.number_of_licenses),
        ..SubscriptionPlan::new(id, prior.agreement, prior.catalog, title, runs, now)
    };
    assert_eq!(terms.make_plan(id, &prior, now), expected);
}

#[test]
fn a_renewal_carries_over_the_licenses_that_it_says() {
    use LicenseStatus::{Activated, Assigned, Revoked, Unassigned};
    for (license_types_to_copy, taken) in [
        (LicenseTypesToCopy::AssignedAndActivated, &[Activated, Assigned][..]),
        (LicenseTypesToCopy::Activated, &[Activated]),
        (LicenseTypesToCopy::Nothing, &[]),
    ] {
        let following = FollowingPlan { id: plan().id, start_date: beginning(), license_types_to_copy };
        for status in [Activated, Assigned, Revoked, Unassigned] {
            assert_eq!(following.takes(status), taken.contains(&status), "{license_types_to_copy:?}: {status}");
        }
    }
}

proptest! {
    #[test]
    fn the_cap_is_the_share_of_a_plan_rounded_up(
        total in 0..10_000_i64,
        revoked in 0..10_000_i64,
        percentage in 0..=100_i16,
        applied in 0..10_000_i32,
    ) {
        let capped = SubscriptionPlan {
            is_revocation_cap_enabled: true,
            revoke_max_percentage: percentage,
            num_revocations_applied: applied,
            ..plan()
        };
        let counts = LicenseCounts { unassigned: total, revoked, ..LicenseCounts::default() };
        let remaining = capped.revocations_remaining(&counts).unwrap();
        let share = total * i64::from(percentage);
        let allowed = share / 100 + i64::from(share % 100 != 0);
        prop_assert_eq!(remaining, (allowed - i64::from(applied)).max(0));
        let uncapped = SubscriptionPlan { is_revocation_cap_enabled: false, ..capped };
        prop_assert_eq!(uncapped.revocations_remaining(&counts), None);
    }
}

#[test]
fn the_settings_are_those_that_were_given() {
    let world = World::with(Settings { inline_limit: 5, ..Settings::default() });
    assert_eq!(world.manager.settings().inline_limit, 5);
}
