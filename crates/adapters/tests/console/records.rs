//! The lists of records.

use chrono::{DateTime, Duration, Utc};
use license_manager_domain::console::{
    ChangeRow, MarkFilters, NewSession, ProviderIds, SentFilters, Slice, UserFilters,
};
use license_manager_domain::model::{Notification, NotificationKind};
use license_manager_domain::ports::{CustomerScope, RoleAssignment, StoreExt};
use license_manager_domain::use_cases::LicenseEdit;
use license_manager_domain::{Actor, CustomerId, Edit, Email, LicenseId, LmsUserId};
use uuid::Uuid;

use crate::{NOW, Scene};

/// More rows than any list here has.
const ALL: Slice = Slice::new(0, 100);

on_both_databases! {
    users_are_filtered_and_counted
    what_a_user_changed_is_one_entry_for_each_moment
    opportunities_are_found_by_themselves_and_by_holders
    notifications_and_license_events_are_filtered
    a_footprint_counts_messages_versions_and_enrollments
    a_provider_ends_its_sessions_once_per_token
}

fn licenses(scene: &Scene, email: &str) -> Vec<LicenseId> {
    let emails: Vec<Email> = vec![email.parse().unwrap()];
    let found = scene.console.licenses_of_person(&CustomerScope::All, &emails, None, 100).unwrap();
    found.into_iter().map(|license| license.id).collect()
}

fn users_are_filtered_and_counted(scene: &Scene) {
    for (name, email, is_staff) in [("zoe", "zoe@acme.com", true), ("Amy", "amy@example.com", false)] {
        scene.manager.store().write(|unit| unit.users().remember(name, Some(email), is_staff, NOW)).unwrap();
    }
    scene.manager.make_superuser("root").unwrap();
    let role = RoleAssignment { role: "license_manager_viewer".to_owned(), customer: None };
    scene.manager.give_role(&Actor::user("root"), "zoe", &role).unwrap();
    let listed = |filters: UserFilters| {
        let page = scene.console.user_rows(&filters, ALL).unwrap();
        assert_eq!(page.total, page.rows.len() as i64);
        let mut names: Vec<String> = page.rows.into_iter().map(|row| row.username).collect();
        names.sort();
        names
    };
    let all = UserFilters::default();
    assert_eq!(listed(all.clone()), ["Amy", "root", "zoe"]);
    assert_eq!(listed(UserFilters { name: Some("AMY".to_owned()), ..all.clone() }), ["Amy"]);
    assert_eq!(listed(UserFilters { name: Some("ZOE@ac".to_owned()), ..all.clone() }), ["zoe"]);
    assert_eq!(listed(UserFilters { name: Some("zo".to_owned()), ..all.clone() }), ["zoe"], "once");
    assert_eq!(listed(UserFilters { name: Some("@acme".to_owned()), ..all.clone() }), Vec::<String>::new());
    let others = UserFilters { name: Some("z".to_owned()), is_staff: Some(false), ..all.clone() };
    assert_eq!(listed(others), Vec::<String>::new());
    assert_eq!(listed(UserFilters { name: Some("%".to_owned()), ..all.clone() }), Vec::<String>::new());
    assert_eq!(listed(UserFilters { is_staff: Some(true), ..all.clone() }), ["zoe"]);
    assert_eq!(listed(UserFilters { is_superuser: Some(true), ..all.clone() }), ["root"]);
    assert_eq!(listed(UserFilters { has_role: Some(true), ..all.clone() }), ["zoe"]);
    assert_eq!(listed(UserFilters { has_role: Some(false), ..all.clone() }).len(), 2);
    let page = scene.console.user_rows(&all, Slice::new(0, 1)).unwrap();
    assert_eq!((page.total, page.rows.len()), (3, 1));
}

fn what_a_user_changed_is_one_entry_for_each_moment(scene: &Scene) {
    let plan = scene.plan(scene.agreement(1, "Acme"), "Languages", 3, 30);
    scene.assign(plan, &["amy@example.com", "bob@example.com"]);
    let license = licenses(scene, "bob@example.com")[0];
    let edit = LicenseEdit { lms_user_id: Edit::Set(LmsUserId(7)), ..LicenseEdit::default() };
    let zoe = Actor::user("zoe").because(Some("merged accounts".to_owned()));
    scene.manager.edit_license(&zoe, license, edit).unwrap();
    let of = |name: &str| scene.console.changes_of_user(name, 100).unwrap();
    let expected = ChangeRow {
        table: "license".to_owned(),
        key: license.to_string(),
        number: 1,
        at: NOW,
        kind: "~".to_owned(),
        reason: Some("merged accounts".to_owned()),
    };
    assert_eq!(of("zoe"), [expected]);
    let by_amy = of("amy");
    let entry = |table: &str, kind: &str| by_amy.iter().find(|row| row.table == table && row.kind == kind);
    assert_eq!(entry("license", "+").map(|row| row.number), Some(3), "three licenses at once: {by_amy:?}");
    assert_eq!(entry("license", "~").map(|row| row.number), Some(2), "two were assigned");
    assert_eq!(entry("subscription_plan", "+").map(|row| row.key.clone()), Some(plan.to_string()));
    assert_eq!(scene.console.changes_of_user("amy", 2).unwrap().len(), 2);
    assert_eq!(of("nobody"), []);
}

fn opportunities_are_found_by_themselves_and_by_holders(scene: &Scene) {
    let plan = scene.plan(scene.agreement(1, "Acme"), "Languages", 3, 30);
    scene.assign(plan, &["amy@example.com", "bob@example.com"]);
    let listed = |source, email| {
        let page = scene.console.source_rows(source, email, ALL).unwrap();
        assert_eq!(page.total, page.rows.len() as i64);
        page.rows.into_iter().filter_map(|row| row.email).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, None).len(), 2);
    assert_eq!(listed(Some("006000000000000001"), Some("AMY@example.com")), ["amy@example.com"]);
    assert_eq!(listed(Some("006"), None), Vec::<String>::new(), "only whole ones");
    let row = &scene.console.source_rows(None, None, ALL).unwrap().rows[0];
    assert_eq!((row.source.as_str(), row.plan, row.plan_title.as_str()), ("006000000000000001", plan, "Languages"));
}

fn notifications_and_license_events_are_filtered(scene: &Scene) {
    let plan = scene.plan(scene.agreement(1, "Acme"), "Languages", 2, 30);
    let other = scene.plan(scene.agreement(2, "Books"), "Music", 1, 30);
    scene.assign(plan, &["amy@example.com"]);
    let sent = |plan, kind, last_sent: DateTime<Utc>| Notification {
        customer: CustomerId(Uuid::from_u128(1)),
        customer_user: 5,
        plan,
        kind,
        last_sent,
    };
    let (low, none) = (NotificationKind::LimitedAllocationsRemaining, NotificationKind::NoAllocationsRemaining);
    let change = Actor::service().change(NOW);
    let license = licenses(scene, "amy@example.com")[0];
    scene
        .manager
        .store()
        .write(|unit| {
            let all = [
                sent(plan, low, NOW - Duration::days(1)),
                sent(plan, none, NOW),
                sent(other, low, NOW - Duration::days(2)),
            ];
            unit.notifications().save(&all, &change)?;
            unit.license_events().add(&[license], "unlinked", NOW)?;
            unit.license_events().add(&[license], "told", NOW)
        })
        .unwrap();
    let kinds = |filters: SentFilters| {
        let page = scene.console.sent_rows(&filters, ALL).unwrap();
        assert_eq!(page.total, page.rows.len() as i64);
        page.rows.into_iter().map(|row| (row.plan, row.kind)).collect::<Vec<_>>()
    };
    let (low, none) = (low.as_str().to_owned(), none.as_str().to_owned());
    assert_eq!(kinds(SentFilters::default()), [(plan, none.clone()), (plan, low.clone()), (other, low.clone())]);
    assert_eq!(kinds(SentFilters { plan: Some(other), ..Default::default() }).len(), 1);
    assert_eq!(kinds(SentFilters { title: Some("LANG".to_owned()), ..Default::default() }).len(), 2);
    let of_kind = SentFilters { kind: Some(NotificationKind::NoAllocationsRemaining), ..Default::default() };
    assert_eq!(kinds(of_kind), [(plan, none)]);
    let names = |filters: MarkFilters| {
        let page = scene.console.mark_rows(&filters, ALL).unwrap();
        assert_eq!(page.total, page.rows.len() as i64);
        page.rows.into_iter().map(|row| row.event_name).collect::<Vec<_>>()
    };
    assert_eq!(names(MarkFilters::default()), ["told", "unlinked"]);
    assert_eq!(names(MarkFilters { event_name: Some("told".to_owned()), ..Default::default() }), ["told"]);
    assert_eq!(names(MarkFilters { license: Some(license), ..Default::default() }).len(), 2);
    assert_eq!(names(MarkFilters { plan: Some(other), ..Default::default() }), Vec::<String>::new());
}

fn a_footprint_counts_messages_versions_and_enrollments(scene: &Scene) {
    let plan = scene.plan(scene.agreement(1, "Acme"), "Languages", 2, 30);
    scene.assign(plan, &["amy@example.com", "bob@example.com"]);
    let mine = licenses(scene, "amy@example.com");
    let found = scene.console.footprint(Some(LmsUserId(7)), &mine).unwrap();
    assert_eq!((found.messages, found.versions, found.enrollments), (2, 2, 0), "added and assigned, told and invited");
    assert_eq!(scene.console.footprint(None, &mine), Ok(found), "nobody asked for enrollments without an id");
    assert_eq!(scene.console.footprint(Some(LmsUserId(7)), &[]).unwrap().messages, 0);
}

fn a_provider_ends_its_sessions_once_per_token(scene: &Scene) {
    let with = |number: u8, session: Option<&str>, subject: Option<&str>| {
        let new = scene.session(number + 100, "amy", NOW);
        scene.console.end_session(&[number + 100]).unwrap();
        let provider = ProviderIds { session: session.map(str::to_owned), subject: subject.map(str::to_owned) };
        let session = license_manager_domain::console::ConsoleSession { uuid: Uuid::from_u128(number.into()), ..new };
        scene.console.add_session(&NewSession { id_hash: vec![number], session, provider }).unwrap();
    };
    with(1, Some("a"), Some("amy"));
    with(2, Some("b"), Some("amy"));
    with(3, Some("c"), Some("zoe"));
    with(4, None, None);
    with(5, None, Some("kim"));
    let end = |session: Option<&str>, subject: Option<&str>| {
        let ids = ProviderIds { session: session.map(str::to_owned), subject: subject.map(str::to_owned) };
        scene.console.end_sessions_of_provider(&ids).unwrap()
    };
    assert_eq!(end(None, None), 0, "neither is known");
    assert_eq!(end(Some("a"), Some("zoe")), 0, "another person's");
    assert_eq!(end(Some("a"), Some("amy")), 1);
    assert_eq!(end(None, Some("amy")), 1, "the other one");
    assert_eq!(end(Some("c"), None), 1);
    assert_eq!(end(Some("unknown"), Some("kim")), 1, "the session may be that one");
    assert!(scene.console.session(&[4]).unwrap().is_some());
    let until = NOW + Duration::minutes(2);
    assert!(!scene.console.logout_is_noted(&[9]).unwrap());
    assert!(scene.console.note_logout(&[9], until).unwrap());
    assert!(!scene.console.note_logout(&[9], until).unwrap(), "once");
    assert!(scene.console.logout_is_noted(&[9]).unwrap());
    assert_eq!(scene.console.remove_old_logouts(NOW, 10).unwrap(), 0);
    assert_eq!(scene.console.remove_old_logouts(until, 10).unwrap(), 1);
    assert!(!scene.console.logout_is_noted(&[9]).unwrap());
}
