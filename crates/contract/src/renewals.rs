//! Renewals.

use license_manager_domain::history::Change;
use license_manager_domain::model::{FollowingPlan, PriorPlan, RenewalDetails, RenewalLink, RenewalTerms};
use license_manager_domain::ports::{LimitOffset, RenewalFilter, Store, StoreExt};
use license_manager_domain::{
    Conflict, Error, License, LicenseTypesToCopy, LmsUserId, PlanId, RenewalId, SubscriptionPlan,
    SubscriptionPlanRenewal,
};

use super::fixtures::*;
use super::{Database, HistoryEntry};

fn of(db: &dyn Database, agreements: &[u128]) -> Vec<RenewalLink> {
    let ids: Vec<_> = agreements.iter().copied().map(agreement_id).collect();
    let mut links = db.store().read(|unit| unit.renewals().find_by_agreements(&ids)).unwrap();
    links.sort_by_key(|link| link.prior_plan);
    links
}

fn add(store: &dyn Store, terms: &RenewalTerms) -> Result<RenewalId, Error> {
    store.write(|unit| unit.renewals().add(terms, &change(1)))
}

fn save(store: &dyn Store, renewal: &SubscriptionPlanRenewal) -> Result<(), Error> {
    store.write(|unit| unit.renewals().save(renewal, &change(2)))
}

fn found(store: &dyn Store, id: RenewalId) -> RenewalDetails {
    store.read(|unit| unit.renewals().find(id)).unwrap().unwrap()
}

fn listed(store: &dyn Store, filter: &RenewalFilter, limit_offset: LimitOffset) -> Vec<RenewalId> {
    let renewals = store.read(|unit| unit.renewals().list(filter, limit_offset)).unwrap();
    renewals.iter().map(|details| details.renewal.id).collect()
}

/// Renewals of plans 1, 2 and 3. The first created plan 4 and is processed.
fn with_renewals(db: &dyn Database) -> [RenewalId; 3] {
    let store = db.store();
    with_plans(&*store);
    let renewed = SubscriptionPlan { start_date: day(365), expiration_date: day(800), ..plan(4, 1) };
    store.write(|unit| unit.plans().add(&renewed, &change(0))).unwrap();
    let processed = add(&*store, &RenewalTerms { renewed_plan: Some(plan_id(4)), ..terms(1) }).unwrap();
    let renewal = SubscriptionPlanRenewal { processed: true, ..found(&*store, processed).renewal };
    save(&*store, &renewal).unwrap();
    [processed, add(&*store, &terms(2)).unwrap(), add(&*store, &terms(3)).unwrap()]
}

/// A chain of renewals knows its end before the next plan exists.
pub fn a_renewal_without_a_plan_ends_as_agreed(db: &dyn Database) {
    with_renewals(db);
    let links = of(db, &[2]);
    let expected = RenewalLink {
        id: links[0].id,
        agreement: agreement_id(2),
        prior_plan: plan_id(3),
        prior_plan_start: day(0),
        renewed_plan: None,
        renewed_plan_start: None,
        renewed_expiration: day(730),
        effective_date: day(365),
        processed: false,
    };
    assert_eq!(links, [expected]);
}

/// A chain of renewals ends when its last plan does.
pub fn a_renewal_with_a_plan_ends_with_that_plan(db: &dyn Database) {
    with_renewals(db);
    let links = of(db, &[1]);
    let expected = RenewalLink {
        id: links[0].id,
        agreement: agreement_id(1),
        prior_plan: plan_id(1),
        prior_plan_start: day(0),
        renewed_plan: Some(plan_id(4)),
        renewed_plan_start: Some(day(365)),
        renewed_expiration: day(800),
        effective_date: day(365),
        processed: true,
    };
    assert_eq!(links[0], expected);
}

/// A customer's chain of renewals is complete.
pub fn renewals_are_found_by_agreement(db: &dyn Database) {
    with_renewals(db);
    let priors = |agreements: &[u128]| of(db, agreements).iter().map(|link| link.prior_plan).collect::<Vec<_>>();
    assert_eq!(priors(&[1]), [plan_id(1), plan_id(2)]);
    assert_eq!(priors(&[1, 2]), [plan_id(1), plan_id(2), plan_id(3)]);
    assert_eq!(priors(&[9]), []);
    assert_eq!(priors(&[]), []);
}

/// Use cases read the renewals of agreements right after their plans: a store that has read them together by then knows
/// those of other agreements as well, and what was changed since.
pub fn renewals_are_found_by_agreement_after_its_plans(db: &dyn Database) {
    let [_, open, _] = with_renewals(db);
    let [first, both] = [&[1][..], &[1, 2]].map(|agreements| (agreements, of(db, agreements)));
    let store = db.store();
    for (agreements, alone) in [&first, &both] {
        let ids: Vec<_> = agreements.iter().copied().map(agreement_id).collect();
        let (mut after, again) = store
            .read(|unit| {
                unit.plans().find_by_agreements(&ids)?;
                Ok((unit.renewals().find_by_agreements(&ids)?, unit.renewals().find_by_agreements(&ids)?))
            })
            .unwrap();
        after.sort_by_key(|link| link.prior_plan);
        assert_eq!((&after, again.len()), (alone, alone.len()));
    }
    let (agreement, mut after) = store
        .read(|unit| {
            unit.plans().find_by_agreement_of(plan_id(2))?;
            Ok((unit.agreements().find(agreement_id(1))?, unit.renewals().find_by_agreements(&[agreement_id(1)])?))
        })
        .unwrap();
    after.sort_by_key(|link| link.prior_plan);
    assert_eq!(after, first.1);
    for limit in [9, 1] {
        let of_customer = store.read(|unit| {
            unit.plans().find_by_customer(customer(1), limit)?;
            unit.renewals().find_by_agreements(&[agreement_id(1)])
        });
        let mut of_customer = of_customer.unwrap();
        of_customer.sort_by_key(|link| link.prior_plan);
        assert_eq!(of_customer, first.1, "of all plans, even if not all were read: {limit}");
    }
    assert_eq!(agreement, store.read(|unit| unit.agreements().find(agreement_id(1))).unwrap());
    let (of_others, since) = store
        .write(|unit| {
            unit.plans().find_by_agreements(&[agreement_id(1)])?;
            let of_others = unit.renewals().find_by_agreements(&[agreement_id(2)])?;
            unit.plans().find_by_agreements(&[agreement_id(1)])?;
            unit.renewals().delete(open, &change(3))?;
            Ok((of_others, unit.renewals().find_by_agreements(&[agreement_id(1)])?))
        })
        .unwrap();
    assert_eq!(of_others, of(db, &[2]));
    assert_eq!(since, of(db, &[1]));
    assert_eq!(since.len() + 1, first.1.len());
}

/// No term of a renewal is lost, and both plans come with it.
pub fn a_renewal_comes_back_with_its_surroundings(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let agreed = RenewalTerms { renewed_plan: Some(plan_id(2)), ..full_terms(1) };
    let id = add(&*store, &agreed).unwrap();
    let expected = RenewalDetails {
        renewal: SubscriptionPlanRenewal {
            id,
            terms: agreed,
            processed: false,
            processed_datetime: None,
            created: day(1),
            modified: day(1),
        },
        prior_plan_title: "Plan 1".to_owned(),
        renewed_plan_title: Some("Plan 2".to_owned()),
        customer: customer(1),
        num_not_carried_over: 0,
    };
    assert_eq!(found(&*store, id), expected);
    assert_eq!(store.write(|unit| unit.renewals().lock(id)), Ok(Some(expected)));
    let bare = add(&*store, &terms(3)).unwrap();
    let bare = found(&*store, bare);
    assert_eq!((bare.renewed_plan_title, bare.renewal.terms, bare.customer), (None, terms(3), customer(2)));
    let unknown = RenewalId(4711);
    assert_eq!(store.read(|unit| unit.renewals().find(unknown)), Ok(None));
    assert_eq!(store.write(|unit| unit.renewals().lock(unknown)), Ok(None));
}

/// A change reaches every column.
pub fn every_term_of_a_renewal_can_be_changed_and_emptied(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let id = add(&*store, &terms(1)).unwrap();
    let full = SubscriptionPlanRenewal {
        id,
        terms: RenewalTerms { renewed_plan: Some(plan_id(2)), ..full_terms(1) },
        processed: true,
        processed_datetime: Some(day(9)),
        created: day(1),
        modified: day(9),
    };
    let empty = SubscriptionPlanRenewal {
        terms: RenewalTerms { license_types_to_copy: LicenseTypesToCopy::Activated, ..terms(1) },
        processed: false,
        processed_datetime: None,
        ..full.clone()
    };
    for renewal in [full, empty] {
        save(&*store, &renewal).unwrap();
        assert_eq!(found(&*store, id).renewal, renewal);
    }
}

/// Who changed a renewal, when and why, is known.
pub fn writing_a_renewal_is_recorded(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let id = add(&*store, &terms(1)).unwrap();
    save(&*store, &found(&*store, id).renewal).unwrap();
    store.write(|unit| unit.renewals().delete(id, &Change { by: None, ..change(3) })).unwrap();
    assert_eq!(store.read(|unit| unit.renewals().find(id)), Ok(None));
    let entry =
        |kind, user: Option<&str>, on| HistoryEntry { kind, user: user.map(str::to_owned), reason: None, at: day(on) };
    let history = db.history("subscription_plan_renewal", &id.to_string());
    assert_eq!(history, [entry('+', Some("admin"), 1), entry('~', Some("admin"), 2), entry('-', None, 3)]);
}

/// A change of a deleted renewal is not reported as done.
pub fn writing_a_renewal_that_does_not_exist_fails(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let id = add(&*store, &terms(1)).unwrap();
    let missing = SubscriptionPlanRenewal { id: RenewalId(id.0 + 1), ..found(&*store, id).renewal };
    let missing = SubscriptionPlanRenewal { terms: terms(2), ..missing };
    assert!(matches!(save(&*store, &missing), Err(Error::Internal(_))));
    let deleted = store.write(|unit| unit.renewals().delete(missing.id, &change(2)));
    assert!(matches!(deleted, Err(Error::Internal(_))), "{deleted:?}");
    assert_eq!(db.history("subscription_plan_renewal", &missing.id.to_string()), []);
}

/// Two requests at once cannot renew a plan twice.
pub fn a_plan_is_renewed_once_and_follows_one_other(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let leading_to_2 = |prior| RenewalTerms { renewed_plan: Some(plan_id(2)), ..terms(prior) };
    add(&*store, &leading_to_2(1)).unwrap();
    assert_eq!(add(&*store, &terms(1)), Err(Conflict::RenewalOfPlan.into()));
    assert_eq!(add(&*store, &leading_to_2(3)), Err(Conflict::RenewalByPlan.into()));
    let other = add(&*store, &terms(3)).unwrap();
    let other = SubscriptionPlanRenewal { terms: leading_to_2(3), ..found(&*store, other).renewal };
    assert_eq!(save(&*store, &other), Err(Conflict::RenewalByPlan.into()));
    add(&*store, &terms(2)).unwrap();
}

/// A renewal that conflicts with a new one is found.
pub fn renewals_are_found_by_either_plan(db: &dyn Database) {
    let [processed, second, third] = with_renewals(db);
    let store = db.store();
    let find_by_plans = |prior, renewed: Option<u128>| {
        let found = store.read(|unit| unit.renewals().find_by_plans(plan_id(prior), renewed.map(plan_id))).unwrap();
        found.iter().map(|details| details.renewal.id).collect::<Vec<_>>()
    };
    assert_eq!(find_by_plans(1, None), [processed]);
    assert_eq!(find_by_plans(1, Some(4)), [processed]);
    assert_eq!(find_by_plans(2, Some(4)), [second, processed], "the prior plan's comes first");
    assert_eq!(find_by_plans(3, Some(2)), [third]);
    assert_eq!(find_by_plans(4, None), []);
}

/// Pages neither repeat nor miss a renewal.
pub fn renewals_are_listed_the_latest_first_part_by_part(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let on = |prior, effective| RenewalTerms { effective_date: day(effective), ..terms(prior) };
    let [early, first, last] = [on(1, 100), on(2, 300), on(3, 300)].map(|terms| add(&*store, &terms).unwrap());
    assert_eq!(listed(&*store, &RenewalFilter::default(), ALL), [last, first, early]);
    assert_eq!(listed(&*store, &RenewalFilter::default(), LimitOffset { offset: 1, limit: 1 }), [first]);
    assert_eq!(store.read(|unit| unit.renewals().count(&RenewalFilter::default())), Ok(3));
}

/// A list of renewals has what was asked for.
pub fn renewals_are_filtered(db: &dyn Database) {
    let [processed, second, third] = with_renewals(db);
    let store = db.store();
    let any = RenewalFilter::default();
    let opportunity = "00k000000000000002".to_owned();
    let sold = add(&*store, &full_terms(4)).unwrap();
    for (filter, expected) in [
        (RenewalFilter { ids: Some(vec![sold, processed]), ..any.clone() }, vec![sold, processed]),
        (RenewalFilter { ids: Some(vec![sold, processed]), processed: Some(true), ..any.clone() }, vec![processed]),
        (RenewalFilter { ids: Some(Vec::new()), ..any.clone() }, vec![]),
        (RenewalFilter { prior_plan: Some(plan_id(2)), ..any.clone() }, vec![second]),
        (RenewalFilter { renewed_plan: Some(plan_id(4)), ..any.clone() }, vec![processed]),
        (RenewalFilter { customer: Some(customer(1)), ..any.clone() }, vec![sold, second, processed]),
        (RenewalFilter { processed: Some(true), ..any.clone() }, vec![processed]),
        (RenewalFilter { processed: Some(false), ..any.clone() }, vec![sold, third, second]),
        (RenewalFilter { customer: Some(customer(2)), processed: Some(true), ..any.clone() }, vec![]),
        (RenewalFilter { salesforce_opportunity_id: Some(opportunity.clone()), ..any.clone() }, vec![sold]),
        (RenewalFilter { salesforce_opportunity_id: Some("00k".to_owned()), ..any.clone() }, vec![]),
    ] {
        assert_eq!(listed(&*store, &filter, ALL), expected, "{filter:?}");
        let count = store.read(|unit| unit.renewals().count(&filter)).unwrap();
        assert_eq!(count, expected.len() as i64, "{filter:?}");
    }
}

/// The history of a deleted renewal stays its own.
pub fn an_id_is_not_given_to_another_renewal(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let first = add(&*store, &terms(1)).unwrap();
    store.write(|unit| unit.renewals().delete(first, &change(2))).unwrap();
    assert_ne!(add(&*store, &terms(1)).unwrap(), first);
}

/// The plan that follows plan 1 in [`with_renewals`].
fn following(license_types_to_copy: LicenseTypesToCopy) -> FollowingPlan {
    FollowingPlan { id: plan_id(4), start_date: day(365), license_types_to_copy }
}

/// Every writer of licenses knows that another plan follows.
pub fn a_plan_comes_with_the_plan_that_follows_it(db: &dyn Database) {
    with_renewals(db);
    let store = db.store();
    let expected = Some(following(LicenseTypesToCopy::AssignedAndActivated));
    let plan_of = |number| store.read(|unit| unit.plans().find(plan_id(number))).unwrap().unwrap();
    assert_eq!(plan_of(1).following, expected);
    assert_eq!((plan_of(2).following, plan_of(4).following), (None, None), "not processed, not renewed");
    let locked = store.write(|unit| unit.plans().lock(plan_id(1))).unwrap().unwrap();
    assert_eq!(locked.following, expected);
    let agreed = store.read(|unit| unit.plans().find_by_agreements(&[agreement_id(1)])).unwrap();
    assert_eq!(agreed.iter().filter(|details| details.following == expected).count(), 1);
    let beside = store.read(|unit| unit.plans().find_by_agreement_of(plan_id(2))).unwrap();
    assert_eq!(beside, agreed);

    let prior = PriorPlan { id: plan_id(1), license_types_to_copy: LicenseTypesToCopy::AssignedAndActivated };
    assert_eq!([1, 2, 4].map(|number| plan_of(number).prior), [None, None, Some(prior)]);
    assert_eq!(agreed.iter().filter(|details| details.prior == Some(prior)).count(), 1);

    let in_renewals = |plans: &[u128], now| {
        let plans: Vec<PlanId> = plans.iter().copied().map(plan_id).collect();
        let found = store.read(|unit| unit.plans().in_renewals(&plans, day(now))).unwrap();
        found.iter().map(|details| details.plan.id).collect::<Vec<_>>()
    };
    assert_eq!(in_renewals(&[3, 2, 1, 4], 364), [1, 4].map(plan_id));
    assert_eq!(in_renewals(&[3, 2, 1, 4], 365), [], "a plan that has started follows none");
    assert_eq!((in_renewals(&[4, 2], 364), in_renewals(&[], 1)), (vec![plan_id(4)], vec![]));
}

/// A person who found no seat in the renewed plan gets the next free one.
pub fn licenses_without_a_copy_wait(db: &dyn Database) {
    let [renewal, unprocessed, _] = with_renewals(db);
    let store = db.store();
    let carried = License { renewed_to: Some(license_id(11)), ..activated(1, 1, "amy@example.com", 1) };
    put(&*store, &[activated(11, 4, "amy@example.com", 1), assigned(12, 4, "fay@example.com"), unassigned(13, 4)]);
    put(
        &*store,
        &[
            carried,
            activated(2, 1, "bob@example.com", 2),
            assigned(3, 1, "cid@example.com"),
            assigned(4, 1, "dan@example.com"),
            assigned(5, 1, "fay@example.com"),
            revoked(6, 1, "eve@example.com", 6),
            unassigned(7, 1),
            assigned(8, 2, "gus@example.com"),
        ],
    );
    let waiting =
        |types, limit| store.read(|unit| unit.renewals().waiting_for(plan_id(1), &following(types), limit)).unwrap();
    let ids = |numbers: &[u128]| numbers.iter().map(|&number| license_id(number)).collect::<Vec<_>>();
    assert_eq!(waiting(LicenseTypesToCopy::AssignedAndActivated, 9), ids(&[2, 3, 4]), "fay holds one already");
    assert_eq!(waiting(LicenseTypesToCopy::AssignedAndActivated, 2), ids(&[2, 3]));
    assert_eq!(waiting(LicenseTypesToCopy::AssignedAndActivated, 0), []);
    assert_eq!(waiting(LicenseTypesToCopy::Activated, 9), ids(&[2]));
    assert_eq!(waiting(LicenseTypesToCopy::Nothing, 9), []);

    let among = |numbers: &[u128]| {
        let following = following(LicenseTypesToCopy::AssignedAndActivated);
        store.read(|unit| unit.renewals().waiting_among(plan_id(1), &following, &ids(numbers))).unwrap()
    };
    assert_eq!(among(&[8, 7, 6, 5, 4, 2, 1]), ids(&[2, 4]));
    assert_eq!(among(&[]), []);

    let count = |ids: &[RenewalId], now, id: RenewalId| {
        let counts = store.read(|unit| unit.renewals().not_carried_over(ids, day(now))).unwrap();
        counts.get(&id).copied().unwrap_or_default()
    };
    assert_eq!(count(&[unprocessed, renewal], 364, renewal), 3);
    assert_eq!(count(&[unprocessed, renewal], 364, unprocessed), 0, "it is not processed");
    assert_eq!(count(&[unprocessed], 364, renewal), 0, "nobody asked");
    assert_eq!(count(&[renewal], 365, renewal), 0, "its plan has started");
    assert_eq!(count(&[], 1, renewal), 0);
}

/// A seat that an admin took back does not return by itself.
pub fn who_was_refused_in_the_following_plan_does_not_wait(db: &dyn Database) {
    with_renewals(db);
    let store = db.store();
    let since = |at, license: License| {
        let assigned = license.reset(day(1)).unwrap().assign(email("dan@example.com"), key(at as u128), day(at));
        assigned.unwrap()
    };
    put(
        &*store,
        &[
            assigned(1, 1, "amy@example.com"),
            assigned(2, 1, "bob@example.com"),
            since(5, assigned(3, 1, "dan@example.com")),
            // Revoked on day 4.
            revoked(11, 4, "amy@example.com", 1),
            License { renewed_from: Some(license_id(2)), ..revoked(12, 4, "bob@example.com", 2) },
            revoked(13, 4, "dan@example.com", 3),
        ],
    );
    let following = following(LicenseTypesToCopy::AssignedAndActivated);
    let waiting = store.read(|unit| unit.renewals().waiting_for(plan_id(1), &following, 9)).unwrap();
    assert_eq!(waiting, [2, 3].map(license_id), "bob's copy ended with his license, and dan was assigned later");
}

/// A renewed plan can be brought in line with its prior one.
pub fn copies_that_differ_are_found(db: &dyn Database) {
    with_renewals(db);
    let store = db.store();
    // An activated copy is activated from the start of its plan.
    let activated_copy =
        |number, address: &str, user| assigned(number, 4, address).activate(Some(LmsUserId(user)), day(365)).unwrap();
    let self_activated =
        |number, address: &str, user| assigned(number, 4, address).activate(Some(LmsUserId(user)), day(300)).unwrap();
    let pairs = [
        (activated(1, 1, "amy@example.com", 1), activated_copy(101, "amy@example.com", 1)),
        (assigned(2, 1, "bob@example.com"), assigned(102, 4, "bob@example.com")),
        (activated(3, 1, "cid@example.com", 3), assigned(103, 4, "cid@example.com")),
        (assigned(4, 1, "dan.new@example.com"), assigned(104, 4, "dan@example.com")),
        (activated(5, 1, "eve@example.com", 5), activated_copy(105, "eve@example.com", 55)),
        (
            assigned(6, 1, "fay@example.com").with_lms_user_id(Some(LmsUserId(6)), day(3)),
            assigned(106, 4, "fay@example.com"),
        ),
        (revoked(7, 1, "gus@example.com", 7), activated_copy(107, "gus@example.com", 7)),
        (revoked(8, 1, "hal@example.com", 8), revoked(108, 4, "hal@example.com", 8)),
        (unassigned(9, 1), assigned(109, 4, "ivy@example.com")),
        (retired(10, 1), assigned(110, 4, "jan@example.com")),
        (assigned(11, 1, "kim@example.com"), assigned(111, 2, "kim.new@example.com")),
        (assigned(12, 2, "leo@example.com"), assigned(112, 4, "leo.new@example.com")),
        (activated(13, 1, "may@example.com", 13), activated(113, 4, "may@example.com", 13)),
        // Copies that were activated themselves stay activated, and get the LMS user id of their original.
        (assigned(17, 1, "qin@example.com"), self_activated(117, "qin@example.com", 17)),
        (
            assigned(18, 1, "ray@example.com").with_lms_user_id(Some(LmsUserId(18)), day(3)),
            self_activated(118, "ray@example.com", 81),
        ),
        (assigned(19, 1, "sue@example.com"), activated_copy(119, "sue@example.com", 19)),
    ];
    for (original, copy) in pairs {
        put(&*store, &[License { renewed_from: Some(original.id), ..copy.clone() }]);
        let renewed_to = Some(copy.id).filter(|_| original.is_live());
        put(&*store, &[License { renewed_to, ..original }]);
    }
    // Somebody's license is nobody's copy because a license names it; and one that was given to somebody else names none.
    put(&*store, &[assigned(114, 4, "ned@example.com"), assigned(14, 1, "ned.new@example.com")]);
    put(&*store, &[License { renewed_to: Some(license_id(114)), ..assigned(15, 1, "oda@example.com") }]);
    put(&*store, &[License { renewed_from: Some(license_id(16)), ..assigned(116, 4, "pam@example.com") }]);
    put(&*store, &[assigned(16, 1, "pam@example.com")]);
    let types = LicenseTypesToCopy::AssignedAndActivated;
    let found = store.read(|unit| unit.renewals().differing_from(plan_id(1), &following(types))).unwrap();
    assert_eq!(found, [3, 4, 5, 6, 7, 9, 13, 16, 18, 19].map(license_id));
}

/// Plans follow a last time before they start.
pub fn processed_renewals_are_found_by_the_start_of_their_plan(db: &dyn Database) {
    let [processed, ..] = with_renewals(db);
    let store = db.store();
    let starting = |from, to| {
        let found = store.read(|unit| unit.due_work().renewals_starting(day(from), day(to))).unwrap();
        found.iter().map(|due| (due.renewal, due.prior_plan)).collect::<Vec<_>>()
    };
    assert_eq!(starting(365, 365), [(processed, plan_id(1))]);
    assert_eq!(starting(1, 800), [(processed, plan_id(1))]);
    assert_eq!((starting(1, 364), starting(366, 800)), (vec![], vec![]));
}
