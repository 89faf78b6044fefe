//! How SQLite reads pages of licenses, and searches.

use diesel::connection::SimpleConnection;
use license_manager_domain::ports::{
    CustomerScope, LicenseField, LicenseFilter, LicenseOrder, LicensePosition, LicenseSearch, LimitOffset, StoreExt,
};
use license_manager_domain::{LicenseStatus, PlanId};

use crate::{Watched, plans_of, stranger};
use license_manager_contract::fixtures::*;

const FIELDS: [LicenseField; 4] =
    [LicenseField::Status, LicenseField::UserEmail, LicenseField::ActivationDate, LicenseField::LastRemindDate];

fn search(plan: Option<PlanId>, scope: CustomerScope, filter: LicenseFilter) -> LicenseSearch {
    LicenseSearch { scope, customer: None, plan, filter }
}

fn filled() -> Watched {
    let watched = Watched::new();
    with_plans(&watched.store);
    put(
        &watched.store,
        &[
            assigned(1, 1, "amy@example.com"),
            activated(2, 1, "bob@example.com", 2),
            revoked(3, 2, "cid@example.com", 3),
            retired(4, 3),
            unassigned(5, 1),
        ],
    );
    watched
}

/// Whether a step reads the whole table, or all of an index that has more than unassigned licenses.
fn reads_all(step: &str) -> bool {
    step.starts_with("SCAN license") && !step.contains("license_of_all_unassigned")
}

/// The steps of reading the license at an offset.
fn page(watched: &Watched, search: &LicenseSearch, order: &[LicenseOrder], offset: i64) -> Vec<String> {
    plans_of(watched, || {
        let limit_offset = LimitOffset { offset, limit: 1 };
        watched.store.read(|unit| unit.lookups().list(search, order, limit_offset)).unwrap();
    })
}

/// The steps of reading the licenses after a place.
fn page_after(
    watched: &Watched,
    search: &LicenseSearch,
    order: &[LicenseOrder],
    place: Option<&LicensePosition>,
) -> Vec<String> {
    plans_of(watched, || {
        watched.store.read(|unit| unit.lookups().list_after(search, order, place, 10)).unwrap();
    })
}

/// Whether a step sorts.
fn sorts(step: &str) -> bool {
    step.contains("TEMP B-TREE FOR ORDER BY")
}

/// Neither the whole table nor an index on other licenses is read, and nothing is sorted but what ties, the page and
/// its beginnings.
fn assert_ranges(plan: &[String], statements: usize, what: &str) {
    let sorts = plan.iter().filter(|step| sorts(step)).count();
    assert!(!plan.iter().any(|step| reads_all(step)) && sorts <= 2 * statements, "{what}: {plan:#?}");
}

#[test]
fn pages_in_every_order_are_read_from_indexes() {
    for analyzed in [false, true] {
        let watched = filled();
        if analyzed {
            stranger(&watched.store).batch_execute("ANALYZE").unwrap();
        }
        let all = || LicenseFilter::default();
        let searches = [
            search(Some(plan_id(1)), CustomerScope::All, all()),
            search(None, CustomerScope::All, all()),
            search(None, CustomerScope::All, LicenseFilter { hide_retired: true, ..all() }),
            search(None, CustomerScope::Only(vec![customer(1)]), all()),
        ];
        let place = LicensePosition {
            id: license_id(1),
            status: LicenseStatus::Assigned,
            user_email: Some(email("amy@example.com")),
            activation_date: Some(day(3)),
            last_remind_date: None,
        };
        for (search, field, descending) in searches
            .iter()
            .flat_map(|search| FIELDS.into_iter().map(move |field| (search, field)))
            .flat_map(|(search, field)| [false, true].map(|descending| (search, field, descending)))
        {
            let orders = [
                vec![LicenseOrder { field, descending }],
                vec![
                    LicenseOrder { field: LicenseField::Status, descending: false },
                    LicenseOrder { field, descending },
                ],
            ];
            for order in &orders[..if field == LicenseField::Status { 1 } else { 2 }] {
                let plan: Vec<String> =
                    [0, 1, 4].into_iter().flat_map(|offset| page(&watched, search, order, offset)).collect();
                assert_ranges(&plan, 3, &format!("{search:?} by {order:?}"));
                let plan = page_after(&watched, search, order, Some(&place));
                assert_ranges(&plan, 1, &format!("{search:?} after a place by {order:?}"));
            }
        }
    }
}

#[test]
fn licenses_of_one_moment_are_not_sorted() {
    use LicenseField::{ActivationDate, LastRemindDate, Status};

    let watched = filled();
    let place = LicensePosition {
        id: license_id(1),
        status: LicenseStatus::Activated,
        user_email: None,
        activation_date: Some(day(3)),
        last_remind_date: Some(day(3)),
    };
    let searches = [
        search(Some(plan_id(1)), CustomerScope::All, LicenseFilter::default()),
        search(None, CustomerScope::All, LicenseFilter::default()),
        search(None, CustomerScope::Only(vec![customer(1)]), LicenseFilter::default()),
    ];
    for search in &searches {
        for field in [ActivationDate, LastRemindDate] {
            for descending in [false, true] {
                let key = LicenseOrder { field, descending };
                let by_state = LicenseOrder { field: Status, descending };
                for order in [vec![key], vec![by_state, key], vec![key, by_state]] {
                    let plan = plans_of(&watched, || {
                        // The first page, and the last one, which is read from the end.
                        for offset in [0, 4] {
                            let limit_offset = LimitOffset { offset, limit: 1 };
                            watched.store.read(|unit| unit.lookups().list(search, &order, limit_offset)).unwrap();
                        }
                        watched.store.read(|unit| unit.lookups().list_after(search, &order, Some(&place), 10)).unwrap();
                    });
                    // SQLite names the terms by which it sorts what an index has in the order of the others.
                    let sorts_ties = |step: &String| step.contains("TEMP B-TREE") && !step.ends_with("FOR ORDER BY");
                    assert!(!plan.iter().any(sorts_ties), "{search:?} by {order:?}: {plan:#?}");
                    assert_ranges(&plan, 3, &format!("{search:?} by {order:?}"));
                }
            }
        }
    }
}

#[test]
fn licenses_that_were_never_activated_are_a_range_of_their_own() {
    let watched = filled();
    let filter = LicenseFilter { statuses: Some(vec![LicenseStatus::Revoked]), ..LicenseFilter::default() };
    let order = [LicenseOrder { field: LicenseField::ActivationDate, descending: false }];
    for (plan, range) in [
        (Some(plan_id(2)), "license_by_activation (subscription_plan_uuid=? AND status=? AND activation_date=?)"),
        (None, "license_of_all_by_activation (status=? AND activation_date=?)"),
    ] {
        let search = search(plan, CustomerScope::All, filter.clone());
        let steps = page(&watched, &search, &order, 0);
        assert!(steps.iter().any(|step| step.ends_with(range)), "{steps:#?}");
    }
}

#[test]
fn what_lacks_two_fields_is_found_by_an_index_on_both() {
    use LicenseField::{ActivationDate, LastRemindDate, UserEmail};

    let watched = filled();
    let filter = LicenseFilter { statuses: Some(vec![LicenseStatus::Revoked]), ..LicenseFilter::default() };
    for (fields, within, across) in [
        (
            [UserEmail, ActivationDate],
            "license_never_activated (subscription_plan_uuid=? AND user_email=?)",
            "license_of_all_never_activated (user_email=?)",
        ),
        (
            [UserEmail, LastRemindDate],
            "license_never_reminded (subscription_plan_uuid=? AND status=? AND user_email=?)",
            "license_of_all_never_reminded (status=? AND user_email=?)",
        ),
        (
            [ActivationDate, LastRemindDate],
            "license_never_reminded_by_activation (subscription_plan_uuid=? AND status=? AND activation_date=?)",
            "license_of_all_never_reminded_by_activation (status=? AND activation_date=?)",
        ),
    ] {
        for (plan, range) in [(Some(plan_id(2)), within), (None, across)] {
            let search = search(plan, CustomerScope::All, filter.clone());
            for order in [fields, [fields[1], fields[0]]] {
                let order = order.map(|field| LicenseOrder { field, descending: false });
                let steps = page(&watched, &search, &order, 0);
                assert!(steps.iter().any(|step| step.ends_with(range)), "{search:?} by {order:?}: {steps:#?}");
            }
        }
    }
}

/// The fields of an order; the index that finds the licenses that lack the first one, within a plan and across plans; and
/// how many more sorts that takes. Those that no index has in the order of the next field are sorted.
const LACKING: [([LicenseField; 2], &str, &str, usize); 6] = [
    (
        [LicenseField::ActivationDate, LicenseField::UserEmail],
        "license_never_activated (subscription_plan_uuid=? AND user_email>?)",
        "license_of_all_never_activated (user_email>?)",
        0,
    ),
    (
        [LicenseField::ActivationDate, LicenseField::LastRemindDate],
        "license_by_activation (subscription_plan_uuid=? AND status=? AND activation_date=?)",
        "license_of_all_by_activation (status=? AND activation_date=?)",
        1,
    ),
    (
        [LicenseField::LastRemindDate, LicenseField::UserEmail],
        "license_never_reminded (subscription_plan_uuid=? AND status=? AND user_email>?)",
        "license_of_all_never_reminded (status=? AND user_email>?)",
        0,
    ),
    (
        [LicenseField::LastRemindDate, LicenseField::ActivationDate],
        "license_never_reminded_by_activation (subscription_plan_uuid=? AND status=? AND activation_date>?)",
        "license_of_all_never_reminded_by_activation (status=? AND activation_date>?)",
        0,
    ),
    (
        [LicenseField::UserEmail, LicenseField::ActivationDate],
        "license_by_plan (subscription_plan_uuid=? AND status=? AND user_email=?)",
        "license_of_all_retired (user_email=?)",
        1,
    ),
    (
        [LicenseField::UserEmail, LicenseField::LastRemindDate],
        "license_by_plan (subscription_plan_uuid=? AND status=? AND user_email=?)",
        "license_of_all_retired (user_email=?)",
        1,
    ),
];

#[test]
fn what_lacks_a_field_is_found_by_an_index_that_has_nothing_else() {
    // None of them lacks a field: an index that had others too would be read in full.
    let watched = Watched::new();
    with_plans(&watched.store);
    put(
        &watched.store,
        &[
            assigned(1, 1, "amy@example.com"),
            activated(2, 1, "bob@example.com", 2),
            revoked(3, 1, "cid@example.com", 3),
            unassigned(4, 1),
        ],
    );
    let place = LicensePosition {
        id: license_id(3),
        status: LicenseStatus::Revoked,
        user_email: Some(email("cid@example.com")),
        activation_date: None,
        last_remind_date: None,
    };
    let scopes = [
        (Some(plan_id(1)), CustomerScope::All, false),
        (None, CustomerScope::Only(vec![customer(1)]), false),
        (None, CustomerScope::All, true),
    ];
    for (fields, within, across, sorted) in LACKING {
        for (plan, scope, of_all) in &scopes {
            let search = search(*plan, scope.clone(), LicenseFilter::default());
            let range = if *of_all { across } else { within };
            for (first, second) in [(false, false), (false, true), (true, false), (true, true)] {
                let order = [
                    LicenseOrder { field: fields[0], descending: first },
                    LicenseOrder { field: fields[1], descending: second },
                ];
                // The first page, and the last one, which is read from the end.
                for offset in [0, 3] {
                    let steps = page(&watched, &search, &order, offset);
                    assert!(steps.iter().any(|step| step.ends_with(range)), "{search:?} by {order:?}: {steps:#?}");
                    assert!(!steps.iter().any(|step| reads_all(step)), "{search:?} by {order:?}: {steps:#?}");
                    assert!(
                        steps.iter().filter(|step| sorts(step)).count() <= 2 + sorted,
                        "{search:?} by {order:?}: {steps:#?}"
                    );
                }
                for after in [None, Some(&place)] {
                    let steps = page_after(&watched, &search, &order, after);
                    let reads_all = steps.iter().any(|step| reads_all(step));
                    assert!(!reads_all, "{search:?} after a place by {order:?}: {steps:#?}");
                }
            }
        }
    }
}

#[test]
fn a_search_reads_what_its_index_finds() {
    let watched = filled();
    for statuses in [None, Some(vec![LicenseStatus::Assigned]), Some(LicenseStatus::LIVE.to_vec())] {
        for plan in [None, Some(plan_id(1))] {
            let filter =
                LicenseFilter { statuses: statuses.clone(), email_words: vec!["amy".to_owned()], ..Default::default() };
            let search = search(plan, CustomerScope::All, filter);
            let order = [LicenseOrder { field: LicenseField::UserEmail, descending: false }];
            let steps = plans_of(&watched, || {
                watched.store.read(|unit| unit.lookups().count(&search)).unwrap();
                watched.store.read(|unit| unit.lookups().first_ids(&search, &order, 10)).unwrap();
            });
            let uses = |step: &str| steps.iter().filter(|found| found.contains(step)).count();
            assert_eq!(uses("COVERING INDEX license_by_email (user_email=?)"), 2, "{steps:#?}");
            assert_eq!(uses("license_search VIRTUAL TABLE"), 2, "{steps:#?}");
            assert_eq!(uses("SCAN license USING"), 0, "{steps:#?}");
        }
    }
}
