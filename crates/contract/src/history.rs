//! Reading history.

use license_manager_domain::history::{Change, ChangeKind, EntityRef, Row, Version};
use license_manager_domain::model::{
    DEFAULT_PRODUCT, Notification, NotificationKind, Period, RenewalTerms, TransferredLicenses, seeded_products,
};
use license_manager_domain::ports::{
    HistoryPart, LicenseEventFilter, LimitOffset, NotificationFilter, Store, StoreExt, SupersededVersions,
};
use license_manager_domain::{
    Actor, ChangeReason, ExpirationMessage, License, LicenseTransferJob, RenewalId, SubscriptionPlanRenewal,
};

use super::Database;
use super::fixtures::*;
use super::transfers::order;

const LICENSE: fn(u128) -> EntityRef = |number| EntityRef::License(license_id(number));

fn versions(store: &dyn Store, of: EntityRef) -> Vec<Version> {
    store.read(|unit| unit.history().versions(of, ALL)).unwrap()
}

fn as_of(store: &dyn Store, of: EntityRef, on: i64) -> Option<Version> {
    store.read(|unit| unit.history().as_of(of, day(on))).unwrap()
}

fn save(store: &dyn Store, license: &License, on: i64) {
    store.write(|unit| unit.licenses().save(std::slice::from_ref(license), &change(on))).unwrap();
}

/// License 1 of plan 1: created on day 1, assigned on day 2, activated on day 3, revoked on day 4.
fn with_a_life(store: &dyn Store) -> [License; 4] {
    with_plans(store);
    put_unassigned(store, 1, 1..2);
    let life = [
        unassigned(1, 1),
        assigned(1, 1, "amy@example.com"),
        activated(1, 1, "amy@example.com", 3_000_000_000),
        revoked(1, 1, "amy@example.com", 3_000_000_000),
    ];
    for (license, on) in life[1..].iter().zip(2..) {
        save(store, license, on);
    }
    life
}

/// Every earlier state of a record can be shown.
pub fn every_version_of_a_row_is_kept_whole_the_newest_first(db: &dyn Database) {
    let store = db.store();
    let life = with_a_life(&*store);
    let versions = versions(&*store, LICENSE(1));
    let rows: Vec<Row> = versions.iter().map(|version| version.row.clone()).collect();
    assert_eq!(rows, life.iter().rev().map(Row::from).collect::<Vec<_>>());
    let told: Vec<_> = versions.iter().map(|version| (version.kind, version.at)).collect();
    let changed = ChangeKind::Changed;
    assert_eq!(told, [(changed, day(4)), (changed, day(3)), (changed, day(2)), (ChangeKind::Added, day(1))]);
    assert!(versions.iter().all(|version| version.by.as_deref() == Some("admin") && version.reason.is_none()));
    assert!(versions.windows(2).all(|pair| pair[0].number > pair[1].number));
    assert_eq!(store.read(|unit| unit.history().count(LICENSE(1))), Ok(4));
}

/// Pages neither repeat nor miss a version.
pub fn history_is_read_part_by_part(db: &dyn Database) {
    let store = db.store();
    with_a_life(&*store);
    let part = |offset, limit| {
        let versions = store.read(|unit| unit.history().versions(LICENSE(1), LimitOffset { offset, limit })).unwrap();
        versions.iter().map(|version| version.at).collect::<Vec<chrono::DateTime<chrono::Utc>>>()
    };
    assert_eq!(part(0, 2), [day(4), day(3)]);
    assert_eq!(part(3, 2), [day(1)]);
    assert!(part(4, 2).is_empty());
    assert_eq!(part(-1, 1), [day(4)]);
    assert!(part(0, -1).is_empty());
}

/// Every record that staff change has a history.
pub fn agreements_plans_and_products_have_a_history_too(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let mut agreement = agreement(1);
    agreement.customer_slug = Some("acme".to_owned());
    agreement.disable_onboarding_notifications = true;
    agreement.default_catalog = Some(catalog(7));
    agreement.auto_scaling.max_licenses = Some(500);
    agreement.expiration_message = Some(ExpirationMessage {
        modal_header_text: "Over".to_owned(),
        modal_messaging: "<b>Over</b>".to_owned(),
        button_label: "More".to_owned(),
        button_url: "https://example.com".to_owned(),
    });
    let mut plan = plan(1, 1);
    plan.should_auto_apply_licenses = Some(false);
    plan.last_freeze_timestamp = Some(day(2));
    plan.num_revocations_applied = 3;
    let because = Change { reason: Some(ChangeReason::DelayedPayment.into()), ..Actor::service().change(day(3)) };
    store
        .write(|unit| {
            unit.agreements().save(&agreement, &change(2))?;
            unit.plans().save(&plan, &because)
        })
        .unwrap();
    let newest = |of| versions(&*store, of).remove(0);
    assert_eq!(newest(EntityRef::Agreement(agreement.id)).row, Row::from(&agreement));
    let version = newest(EntityRef::Plan(plan.id));
    assert_eq!((version.row, version.by), (Row::from(&plan), None));
    assert_eq!(version.reason.as_deref(), Some("delayed_payment"));
    let product = newest(EntityRef::Product(DEFAULT_PRODUCT));
    assert_eq!(product.row, Row::from(&seeded_products()[0]));
}

/// A deletion does not delete the history.
pub fn a_renewal_has_a_history_also_when_it_is_gone(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let id = store.write(|unit| unit.renewals().add(&full_terms(1), &change(1))).unwrap();
    let find = || store.read(|unit| unit.renewals().find(id)).unwrap().unwrap().renewal;
    let made = find();
    let processed = SubscriptionPlanRenewal {
        terms: RenewalTerms { renewed_plan: Some(plan_id(2)), ..made.terms.clone() },
        processed: true,
        processed_datetime: Some(day(2)),
        modified: day(2),
        ..made.clone()
    };
    store.write(|unit| unit.renewals().save(&processed, &change(2))).unwrap();
    store.write(|unit| unit.renewals().delete(id, &change(3))).unwrap();
    let told: Vec<_> = versions(&*store, EntityRef::Renewal(id))
        .into_iter()
        .map(|version| (version.kind, version.at, version.row))
        .collect();
    let last = Row::from(&processed);
    let expected = [
        (ChangeKind::Deleted, day(3), last.clone()),
        (ChangeKind::Changed, day(2), last),
        (ChangeKind::Added, day(1), Row::from(&made)),
    ];
    assert_eq!(told, expected);
    let of = EntityRef::Renewal(RenewalId(id.0 + 1));
    assert_eq!((versions(&*store, of), as_of(&*store, of, 9)), (vec![], None));
}

/// A deletion does not delete the history.
pub fn records_of_staff_have_a_history_also_when_they_are_gone(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..2);
    let because = Actor::user("staff").because(Some("A mistake".to_owned())).change(day(3));
    let told = |of| {
        let versions = versions(&*store, of);
        assert_eq!(store.read(|unit| unit.history().count(of)), Ok(versions.len() as i64));
        assert_eq!(as_of(&*store, of, 9), versions.first().cloned());
        versions.into_iter().map(|version| (version.kind, version.reason, version.row)).collect::<Vec<_>>()
    };
    let deleted = |row: &Row| (ChangeKind::Deleted, Some("A mistake".to_owned()), row.clone());

    let named = order(TransferredLicenses::Named(vec![license_id(1)]));
    let job = store.write(|unit| unit.transfers().add(&named, &change(1))).unwrap();
    let made = store.read(|unit| unit.transfers().find(job)).unwrap().unwrap();
    let mut edited = LicenseTransferJob { modified: day(2), ..made.clone() };
    (edited.order.notes, edited.order.is_dry_run) = (Some("Ours".to_owned()), !made.order.is_dry_run);
    edited.order.licenses = TransferredLicenses::All;
    store.write(|unit| unit.transfers().save(&edited, &change(2))).unwrap();
    store.write(|unit| unit.transfers().delete(job, &because)).unwrap();
    let (first, last) = (Row::from(&made), Row::from(&edited));
    let expected = [deleted(&last), (ChangeKind::Changed, None, last), (ChangeKind::Added, None, first)];
    assert_eq!(told(EntityRef::TransferJob(job)), expected);

    let sent = |on| Notification {
        customer: customer(1),
        customer_user: 5,
        plan: plan_id(1),
        kind: NotificationKind::NoAllocationsRemaining,
        last_sent: day(on),
    };
    store.write(|unit| unit.notifications().save(&[sent(1)], &change(1))).unwrap();
    store.write(|unit| unit.notifications().save(&[sent(2)], &change(2))).unwrap();
    let (id, _) = store.read(|unit| unit.notifications().list(&NotificationFilter::default(), ALL)).unwrap().remove(0);
    store.write(|unit| unit.notifications().delete(&NotificationFilter::default(), &because)).unwrap();
    let (first, last) = (Row::from((id, &sent(1))), Row::from((id, &sent(2))));
    let expected = [deleted(&last), (ChangeKind::Changed, None, last), (ChangeKind::Added, None, first)];
    assert_eq!(told(EntityRef::Notification(id)), expected);

    store.write(|unit| unit.license_events().add(&[license_id(1)], "unlinked", day(1))).unwrap();
    let mark = store.read(|unit| unit.license_events().list(&LicenseEventFilter::default(), ALL)).unwrap().remove(0);
    assert_eq!(told(EntityRef::LicenseEvent(mark.id)), [], "only a deletion is recorded");
    store.write(|unit| unit.license_events().delete(&LicenseEventFilter::default(), &because)).unwrap();
    assert_eq!(told(EntityRef::LicenseEvent(mark.id)), [deleted(&Row::from(&mark))]);
}

/// An unknown record is reported as such.
pub fn what_never_existed_has_no_history(db: &dyn Database) {
    let store = db.store();
    with_a_life(&*store);
    for of in [LICENSE(9), EntityRef::Plan(plan_id(9)), EntityRef::Agreement(agreement_id(9))] {
        assert_eq!(versions(&*store, of), []);
        assert_eq!(store.read(|unit| unit.history().count(of)), Ok(0));
        assert_eq!(as_of(&*store, of, 9), None);
    }
}

/// A record can be set back to an earlier moment.
pub fn a_row_is_found_as_it_was_at_a_moment(db: &dyn Database) {
    let store = db.store();
    let life = with_a_life(&*store);
    assert_eq!(as_of(&*store, LICENSE(1), 0), None, "it did not exist yet");
    for (license, on) in life.iter().zip(1..) {
        assert_eq!(as_of(&*store, LICENSE(1), on).unwrap().row, Row::from(license), "day {on}");
    }
    assert_eq!(as_of(&*store, LICENSE(1), 99).unwrap().row, Row::from(&life[3]));
    let just_before = day(3) - chrono::Duration::microseconds(1);
    let found = store.read(|unit| unit.history().as_of(LICENSE(1), just_before)).unwrap();
    assert_eq!(found.unwrap().row, Row::from(&life[1]));
}

/// A moment has one state.
pub fn of_several_changes_at_one_moment_the_last_counts(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..2);
    save(&*store, &assigned(1, 1, "amy@example.com"), 5);
    save(&*store, &assigned(1, 1, "bob@example.com"), 5);
    let version = as_of(&*store, LICENSE(1), 5).unwrap();
    assert_eq!(version.row.text("user_email"), Some("bob@example.com"));
}

/// A plan can be set back to an earlier moment.
pub fn many_licenses_are_found_as_they_were_at_a_moment(db: &dyn Database) {
    let store = db.store();
    let life = with_a_life(&*store);
    put(&*store, &[assigned(2, 1, "bob@example.com"), unassigned(3, 2)]);
    let found = |numbers: &[u128], on| {
        let ids: Vec<_> = numbers.iter().copied().map(license_id).collect();
        let versions = store.read(|unit| unit.history().licenses_as_of(&ids, day(on))).unwrap();
        versions.into_iter().map(|version| version.row).collect::<Vec<_>>()
    };
    let bob = Row::from(&assigned(2, 1, "bob@example.com"));
    assert_eq!(found(&[2, 1, 9], 3), [Row::from(&life[2]), bob]);
    assert_eq!(found(&[1, 3], 1), [Row::from(&life[0]), Row::from(&unassigned(3, 2))]);
    assert_eq!(found(&[1, 2], 0), []);
    assert_eq!(found(&[], 9), []);
}

/// Setting a plan back touches what changed since, and nothing else.
pub fn licenses_written_after_a_moment_are_found_in_their_plan(db: &dyn Database) {
    let store = db.store();
    with_a_life(&*store);
    put(&*store, &[assigned(2, 1, "bob@example.com"), unassigned(3, 2)]);
    let after = |plan, on| {
        let ids = store.read(|unit| unit.history().licenses_written_after(plan_id(plan), day(on))).unwrap();
        ids.iter().map(|id| id.0.as_u128() - license_id(0).0.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!((after(1, 0), after(1, 1)), (vec![1, 2], vec![1, 2]));
    assert_eq!((after(1, 2), after(1, 4)), (vec![1], vec![]));
    assert_eq!((after(2, 1), after(9, 0)), (vec![3], vec![]));
}

fn of_licenses(until: i64, after: i64, limit: i64) -> HistoryPart {
    HistoryPart { table: "license", until: day(until), after, limit }
}

/// Removes what is superseded on a day, `limit` versions at a time, and returns how many were removed.
pub(crate) fn clean(store: &dyn Store, until: i64, limit: i64) -> usize {
    let (mut after, mut removed) = (0, 0);
    loop {
        let part = of_licenses(until, after, limit);
        let found = store.read(|unit| unit.history().superseded(&part)).unwrap();
        let Some(last) = found.last else { return removed };
        let here = store.write(|unit| unit.history().remove_superseded(&part, last)).unwrap();
        assert_eq!(here as i64, found.count);
        (after, removed) = (last, removed + here);
    }
}

/// Old history goes in bounded transactions, and the state at the limit stays.
pub fn superseded_versions_are_removed_part_by_part(db: &dyn Database) {
    for (until, limit, left_of_one, removed) in
        [(0, 10, vec![1, 2, 3, 4], 0), (1, 1, vec![1, 2, 3, 4], 0), (3, 1, vec![3, 4], 2), (3, 2, vec![3, 4], 0)]
    {
        let store = db.store();
        if until == 0 {
            with_a_life(&*store);
            put(&*store, &[assigned(2, 1, "bob@example.com")]);
            let tables = store.read(|unit| unit.history().tables()).unwrap();
            assert!(tables.contains(&"license") && tables.contains(&"subscription_plan"), "{tables:?}");
        }
        let as_of_cut = as_of(&*store, LICENSE(1), until);
        // Of license 2 the first version is superseded on day 2.
        let of_two = usize::from(until == 3 && removed > 0);
        assert_eq!(clean(&*store, until, limit), removed + of_two, "{until}");
        let left: Vec<_> = versions(&*store, LICENSE(1)).into_iter().rev().map(|version| version.at).collect();
        assert_eq!(left, left_of_one.into_iter().map(day).collect::<Vec<_>>(), "{until}");
        assert_eq!(as_of(&*store, LICENSE(1), until), as_of_cut);
    }
    let store = db.store();
    assert_eq!(clean(&*store, 9, 3), 1);
    assert_eq!(versions(&*store, LICENSE(1)).len(), 1, "the newest stays, however old");
    assert_eq!(versions(&*store, LICENSE(2)).len(), 1);
    let none = store.read(|unit| unit.history().superseded(&of_licenses(9, 1_000, 10))).unwrap();
    assert_eq!(none, SupersededVersions::default(), "there are no more versions");
}

/// Reports of past months do not change.
pub fn utilization_stays_when_history_is_removed(db: &dyn Database) {
    let store = db.store();
    with_a_life(&*store);
    let report = || {
        let changes = store.read(|unit| unit.utilization().seat_changes(plan_id(1), day(9).date_naive())).unwrap();
        let period = Period { first: day(0).date_naive(), last: day(9).date_naive() };
        (changes, store.read(|unit| unit.utilization().activation_delays(plan_id(1), period)).unwrap())
    };
    let before = report();
    assert_eq!(clean(&*store, 9, 10), 3);
    assert_eq!(report(), before);
    save(&*store, &unassigned(1, 1), 5);
    save(&*store, &assigned(1, 1, "eve@example.com"), 6);
    assert_eq!(clean(&*store, 9, 10), 2);
    assert!(report().0.len() > before.0.len(), "later changes are counted on");
}

/// No license is set back to a moment whose history was removed.
pub fn history_is_complete_since_the_latest_removal(db: &dyn Database) {
    let store = db.store();
    let since = || store.read(|unit| unit.history().complete_since()).unwrap();
    assert_eq!(since(), None);
    for (on, expected) in [(5, 5), (3, 5), (7, 7)] {
        store.write(|unit| unit.history().set_complete_since(day(on))).unwrap();
        assert_eq!(since(), Some(day(expected)));
    }
}
