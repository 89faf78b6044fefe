//! The contract of the console's ports, on both databases.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use license_manager_adapters::sqlite::{SqliteOptions, SqliteStore, Synchronous};
use license_manager_domain::console::{
    ConsoleSession, ConsoleStore, NewSession, ProviderIds, RenewedSession, SearchTerm, SessionLimits,
};
use license_manager_domain::model::{StaffAction, StaffActionKind, seeded_products};
use license_manager_domain::outbox::WaitingMessage;
use license_manager_domain::ports::{
    CustomerScope, FixedClock, LimitOffset, OutboxFilter, SequentialIds, StaffActionFilter, Store, StoreExt,
};
use license_manager_domain::{
    Actor, AgreementChanges, AgreementId, AssignmentMail, CatalogId, ChangeReason, CustomerId, Edit, Email,
    LicenseManager, LicenseSelection, LicenseStatus, LmsUserId, NewAgreement, NewPlan, PlanChanges, PlanId, Settings,
};
use uuid::Uuid;

mod support;

const NOW: DateTime<Utc> = DateTime::from_timestamp(1_900_000_000, 0).unwrap();

/// Declares two tests per function.
macro_rules! on_both_databases {
    ($($story:ident)+) => {$(
        mod $story {
            #[test]
            fn sqlite() {
                let folder = tempfile::tempdir().unwrap();
                super::$story(&crate::Scene::new(crate::sqlite(folder.path())));
            }

            #[test]
            fn postgres() {
                let (store, _database) = crate::support::postgres_store();
                super::$story(&crate::Scene::new(std::sync::Arc::new(store)));
            }
        }
    )+};
}

// Lists, in files of their own.
mod console {
    mod indexes;
    mod lists;
    mod operations;
    mod records;
}

on_both_databases! {
    a_session_is_found_by_its_hash_until_it_ends
    only_one_request_renews_a_session
    sessions_are_listed_and_ended_by_their_owner_or_by_operators
    sessions_that_are_over_are_removed
    a_search_finds_every_kind_by_its_own_columns
    a_search_and_a_person_stay_within_the_scope
    a_person_has_every_license_that_names_or_named_them
    licenses_have_their_waiting_messages
}

fn sqlite_options(folder: &std::path::Path) -> SqliteOptions {
    SqliteOptions {
        path: folder.join("test.db"),
        pool_size: 2,
        connect_timeout: std::time::Duration::from_secs(60),
        busy_timeout: std::time::Duration::from_secs(60),
        synchronous: Synchronous::Normal,
        on_statement: None,
    }
}

fn sqlite(folder: &std::path::Path) -> Arc<SqliteStore> {
    let store = SqliteStore::open(&sqlite_options(folder)).unwrap();
    store.migrate().unwrap();
    Arc::new(store)
}

/// A database with the products.
struct Scene {
    console: Arc<dyn ConsoleStore>,
    manager: LicenseManager,
}

impl Scene {
    fn new<S: ConsoleStore + Store + 'static>(store: Arc<S>) -> Self {
        let clock = Arc::new(FixedClock::new(NOW));
        let manager =
            LicenseManager::new(store.clone(), clock, Arc::new(SequentialIds::default()), Settings::default());
        let change = Actor::service().change(NOW);
        manager.store().write(|unit| unit.products().seed(&seeded_products(), &change)).unwrap();
        Self { console: store, manager }
    }

    fn agreement(&self, customer: u128, name: &str) -> AgreementId {
        let changes = AgreementChanges {
            customer_name: Edit::Set(name.to_owned()),
            customer_slug: Edit::Set(name.to_lowercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")),
            default_catalog: Edit::Set(CatalogId(Uuid::from_u128(1))),
            ..AgreementChanges::default()
        };
        let new = NewAgreement { customer: CustomerId(Uuid::from_u128(customer)), changes };
        self.manager.create_agreement(&Actor::user("amy"), new).unwrap().details.agreement.id
    }

    fn plan(&self, agreement: AgreementId, title: &str, licenses: i32, ends_in: i64) -> PlanId {
        plan_of(&self.manager, agreement, title, licenses, ends_in)
    }

    fn assign(&self, plan: PlanId, emails: &[&str]) {
        let source = Some("006000000000000001".to_owned());
        let learners = emails.iter().map(|email| (email.parse().unwrap(), source.clone())).collect();
        self.manager.assign(&Actor::user("amy"), plan, &learners, &AssignmentMail::default()).unwrap();
    }

    fn found(&self, typed: &str) -> (usize, usize, usize) {
        self.found_in(&CustomerScope::All, typed)
    }

    fn found_in(&self, scope: &CustomerScope, typed: &str) -> (usize, usize, usize) {
        let found = self.console.search(scope, &SearchTerm::read(typed).unwrap(), 20).unwrap();
        (found.agreements.len(), found.plans.len(), found.licenses.len())
    }

    fn person(&self, scope: &CustomerScope, email: &str) -> Vec<LicenseStatus> {
        let emails: Vec<Email> = vec![email.parse().unwrap()];
        let licenses = self.console.licenses_of_person(scope, &emails, None, 20).unwrap();
        licenses.iter().map(|license| license.status).collect()
    }

    fn session(&self, number: u8, username: &str, last_used: DateTime<Utc>) -> ConsoleSession {
        let session = ConsoleSession {
            uuid: Uuid::from_u128(number.into()),
            username: username.to_owned(),
            roles: vec!["enterprise_admin:*".to_owned()],
            is_staff: true,
            roles_until: NOW + SessionLimits::ROLES,
            refresh_token: Some(vec![1, 2, 3]),
            user_agent: "Chromium".to_owned(),
            created: last_used,
            last_used,
        };
        let provider = ProviderIds::default();
        self.console.add_session(&NewSession { id_hash: vec![number], session: session.clone(), provider }).unwrap();
        session
    }
}

/// An active plan that ends in these days.
fn plan_of(manager: &LicenseManager, agreement: AgreementId, title: &str, licenses: i32, ends_in: i64) -> PlanId {
    let new = NewPlan {
        agreement,
        title: title.to_owned(),
        start_date: NOW - Duration::days(400) + Duration::days(ends_in),
        expiration_date: NOW + Duration::days(ends_in),
        changes: PlanChanges {
            is_active: Some(true),
            desired_num_licenses: Edit::Set(licenses),
            salesforce_opportunity_line_item: Edit::Set("00kDEMO00000000001".to_owned()),
            ..PlanChanges::default()
        },
    };
    manager.create_plan(&Actor::user("amy"), ChangeReason::New, new).unwrap().details.plan.id
}

fn a_session_is_found_by_its_hash_until_it_ends(scene: &Scene) {
    let session = scene.session(1, "amy", NOW);
    assert_eq!(scene.console.session(&[1]).unwrap(), Some(session.clone()));
    assert_eq!(scene.console.session(&[2]).unwrap(), None);
    let later = NOW + Duration::hours(1);
    scene.console.session_used(&[1], later).unwrap();
    scene.console.session_used(&[1], NOW).unwrap();
    assert_eq!(scene.console.session(&[1]).unwrap(), Some(ConsoleSession { last_used: later, ..session }));
    scene.console.end_session(&[1]).unwrap();
    scene.console.end_session(&[1]).unwrap();
    scene.console.session_used(&[1], later).unwrap();
    assert_eq!(scene.console.session(&[1]).unwrap(), None);
}

fn only_one_request_renews_a_session(scene: &Scene) {
    let session = scene.session(1, "amy", NOW);
    let begin = |at: DateTime<Utc>| scene.console.begin_renewal(&[1], at, at + SessionLimits::RENEWAL).unwrap();
    assert!(!begin(NOW), "its roles count still");
    let over = NOW + SessionLimits::ROLES;
    assert!(begin(over) && !begin(over), "the second one waits");
    assert!(begin(over + SessionLimits::RENEWAL), "the first one never came back");
    let renewed = RenewedSession {
        roles: Vec::new(),
        is_staff: false,
        roles_until: over + SessionLimits::ROLES,
        refresh_token: None,
    };
    scene.console.renew_session(&[1], &renewed).unwrap();
    let RenewedSession { roles, is_staff, roles_until, refresh_token } = renewed;
    let expected = ConsoleSession { roles, is_staff, roles_until, refresh_token, ..session };
    assert_eq!(scene.console.session(&[1]).unwrap(), Some(expected));
    assert!(begin(roles_until), "the reservation ended with the renewal");
}

fn sessions_are_listed_and_ended_by_their_owner_or_by_operators(scene: &Scene) {
    scene.session(1, "amy", NOW - Duration::hours(2));
    scene.session(2, "bob", NOW - Duration::hours(1));
    scene.session(3, "amy", NOW);
    scene.session(4, "amy", NOW - Duration::hours(9));
    let listed = |owner| {
        let sessions = scene.console.sessions(owner, NOW, 10).unwrap();
        sessions.into_iter().map(|session| session.uuid.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!((listed(None), listed(Some("amy"))), (vec![3, 2, 1], vec![3, 1]));
    assert!(!scene.console.end_session_of(Uuid::from_u128(2), "amy").unwrap(), "it is bob's");
    assert!(scene.console.end_session_of(Uuid::from_u128(1), "amy").unwrap());
    assert_eq!(listed(None), [3, 2]);

    let named = |number| scene.console.named_session(Uuid::from_u128(number)).unwrap().map(|session| session.username);
    assert_eq!((named(2), named(4), named(9)), (Some("bob".to_owned()), Some("amy".to_owned()), None));
    let record = |user: &str| StaffAction {
        id: Uuid::from_u128(1),
        at: NOW,
        by: Some("oscar".to_owned()),
        reason: None,
        kind: StaffActionKind::SessionEnded,
        subject: None,
        user: Some(user.to_owned()),
        number: 1,
    };
    let recorded = || {
        let all = LimitOffset { offset: 0, limit: 10 };
        scene.manager.store().read(|unit| unit.staff_actions().list(&StaffActionFilter::default(), all)).unwrap()
    };
    let end = |user: &str| scene.console.end_session_of_other(Uuid::from_u128(2), &record(user)).unwrap();
    assert!(!end("amy"), "it is bob's");
    assert_eq!(recorded(), []);
    assert!(end("bob") && !end("bob"), "once");
    assert_eq!((listed(None), recorded()), (vec![3], vec![record("bob")]));
    // All of somebody, but one that is kept.
    for number in 6..9 {
        scene.session(number, "cleo", NOW);
    }
    let end_others = |kept, id: u128| {
        let record = StaffAction { id: Uuid::from_u128(id), ..record("cleo") };
        scene.console.end_other_sessions("cleo", Uuid::from_u128(kept), Some(&record)).unwrap()
    };
    assert_eq!((end_others(6, 2), end_others(6, 3)), (2, 0));
    assert_eq!(recorded().into_iter().map(|action| action.number).collect::<Vec<_>>(), [2, 1], "none is not recorded");
    assert_eq!(scene.console.end_other_sessions("cleo", Uuid::from_u128(3), None), Ok(1), "it keeps none of hers");
    assert_eq!((listed(None), recorded().len()), (vec![3], 2));
    // What cannot be recorded is not done.
    scene.session(5, "bob", NOW);
    assert!(scene.console.end_session_of_other(Uuid::from_u128(5), &record("bob")).is_err(), "the id is taken");
    assert_eq!(listed(None).len(), 2);
}

fn sessions_that_are_over_are_removed(scene: &Scene) {
    scene.session(1, "amy", NOW - SessionLimits::IDLE);
    scene.session(2, "amy", NOW - SessionLimits::AT_MOST);
    scene.console.session_used(&[2], NOW).unwrap();
    scene.session(3, "amy", NOW);
    assert_eq!(scene.console.remove_ended(NOW, 1).unwrap(), 1);
    assert_eq!(scene.console.remove_ended(NOW, 10).unwrap(), 1);
    assert_eq!(scene.console.remove_ended(NOW, 10).unwrap(), 0);
    assert!(scene.console.session(&[3]).unwrap().is_some());
}

fn a_search_finds_every_kind_by_its_own_columns(scene: &Scene) {
    let agreement = scene.agreement(0xacce_0000, "École Normale");
    let plan = scene.plan(agreement, "100% Data_Science", 3, 30);
    scene.assign(plan, &["amy@example.com", "amy.adams@example.com"]);
    assert_eq!(scene.found("amy@example.com"), (0, 0, 1));
    assert_eq!(scene.found("AMY"), (0, 0, 2));
    assert_eq!(scene.found("example.com"), (0, 0, 0), "addresses are found by how they begin");
    assert_eq!(scene.found("data_sci"), (0, 1, 0));
    assert_eq!(scene.found("data%sci"), (0, 0, 0), "no patterns");
    assert_eq!(scene.found("École"), (1, 0, 0));
    assert_eq!(scene.found("normale"), (1, 0, 0));
    assert_eq!(scene.found("00kDEMO00000000001"), (0, 1, 0));
    assert_eq!(scene.found("006000000000000001"), (0, 0, 2));
    assert_eq!(scene.found(&plan.to_string()).1, 1);
    assert_eq!(scene.found(&agreement.to_string()).0, 1);
    assert_eq!(scene.found("00000000-0000-0000-0000-0000acce0000").0, 1, "the customer");
    let license = scene.console.search(&CustomerScope::All, &SearchTerm::read("amy@example.com").unwrap(), 1).unwrap();
    let license = &license.licenses[0];
    assert_eq!(scene.found(&license.id.to_string()).2, 1);
    let key = scene.manager.license(license.id).unwrap().activation_key().unwrap();
    assert_eq!(scene.found(&key.to_string()).2, 1);
    assert_eq!((license.plan, license.plan_title.as_str()), (plan, "100% Data_Science"));
    assert_eq!(license.customer_name.as_deref(), Some("École Normale"));
    assert_eq!(scene.console.license_row(license.id).unwrap().as_ref(), Some(license));
}

fn a_search_and_a_person_stay_within_the_scope(scene: &Scene) {
    let (own, other) = (scene.agreement(1, "Acme"), scene.agreement(2, "Acme Books"));
    for agreement in [own, other] {
        let plan = scene.plan(agreement, "Languages", 2, 30);
        scene.assign(plan, &["amy@example.com"]);
    }
    let scope = CustomerScope::Only(vec![CustomerId(Uuid::from_u128(1))]);
    for typed in ["acme", "languages", "amy@example.com", "006000000000000001"] {
        let (all, some) = (scene.found(typed), scene.found_in(&scope, typed));
        assert_eq!((all.0, all.1, all.2), (2 * some.0, 2 * some.1, 2 * some.2), "{typed}");
        assert_eq!(scene.found_in(&CustomerScope::Only(Vec::new()), typed), (0, 0, 0), "{typed}");
    }
    assert_eq!(scene.person(&CustomerScope::All, "amy@example.com").len(), 2);
    assert_eq!(scene.person(&scope, "amy@example.com").len(), 1);
}

fn a_person_has_every_license_that_names_or_named_them(scene: &Scene) {
    let plan = scene.plan(scene.agreement(1, "Acme"), "Languages", 3, 30);
    scene.assign(plan, &["amy@example.com"]);
    let amy = LicenseSelection::Emails(vec!["amy@example.com".parse().unwrap()]);
    scene.manager.revoke(&Actor::user("admin"), plan, &amy).unwrap();
    scene.assign(plan, &["amy@example.com", "bob@example.com"]);
    let mine = scene.person(&CustomerScope::All, "amy@example.com");
    assert_eq!(mine, [LicenseStatus::Assigned, LicenseStatus::Revoked], "live ones first");
    let revoked = scene.person(&CustomerScope::All, "bob@example.com");
    assert_eq!(revoked, [LicenseStatus::Assigned]);
    // Somebody else has the license now.
    let emails: Vec<Email> = vec!["bob@example.com".parse().unwrap()];
    let license = scene.console.licenses_of_person(&CustomerScope::All, &emails, None, 1).unwrap()[0].id;
    let edit = license_manager_domain::use_cases::LicenseEdit {
        user_email: Some("cleo@example.com".parse().unwrap()),
        lms_user_id: Edit::Set(LmsUserId(7)),
        ..Default::default()
    };
    scene.manager.edit_license(&Actor::user("admin"), license, edit).unwrap();
    assert_eq!(scene.person(&CustomerScope::All, "bob@example.com").len(), 1, "it named bob");
    let by_id = scene.console.licenses_of_person(&CustomerScope::All, &[], Some(LmsUserId(7)), 9).unwrap();
    assert_eq!(by_id.iter().map(|row| row.email.as_deref()).collect::<Vec<_>>(), [Some("cleo@example.com")]);
}

fn licenses_have_their_waiting_messages(scene: &Scene) {
    let plan = scene.plan(scene.agreement(1, "Acme"), "Languages", 3, 30);
    scene.assign(plan, &["amy@example.com", "bob@example.com", "cleo@example.com"]);
    let license = |email: &str| {
        let emails: Vec<Email> = vec![email.parse().unwrap()];
        scene.console.licenses_of_person(&CustomerScope::All, &emails, None, 1).unwrap()[0].id
    };
    let (amy, bob) = (license("amy@example.com"), license("bob@example.com"));
    let messages = scene.console.messages_of_licenses(&[amy], 100).unwrap();
    let mut topics: Vec<&str> = messages.iter().map(|message| message.topic.as_str()).collect();
    topics.sort_unstable();
    topics.dedup();
    assert_eq!(topics, ["assignment", "license_event"]);
    assert!(messages.iter().all(|message| message.attempts == 0 && message.dead_lettered_at.is_none()));

    // Of several licenses they come in the order of addition.
    let stored = scene.manager.outbox(&OutboxFilter::default(), 100).unwrap();
    let of_both = |message: &WaitingMessage| message.license.is_some_and(|license| license == amy || license == bob);
    let expected: Vec<WaitingMessage> = stored.into_iter().filter(of_both).collect();
    assert_eq!(expected.len(), 4);
    assert_eq!(scene.console.messages_of_licenses(&[bob, amy], 100).unwrap(), expected);
    assert_eq!(scene.console.messages_of_licenses(&[bob, amy], 3).unwrap(), expected[..3]);
    assert_eq!(scene.console.messages_of_licenses(&[], 100).unwrap(), []);
}
