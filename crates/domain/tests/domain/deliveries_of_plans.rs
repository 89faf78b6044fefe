//! What admins and others who are no learners are told of plans.

use crate::support::upstreams::*;
use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::Notification;
use license_manager_domain::outbox::{OutboxSelection, Topic};
use license_manager_domain::ports::*;
use license_manager_domain::queue::Queue;
use license_manager_domain::*;

/// A town with a plan that hands out its licenses by itself, and two admins.
fn town(seats: i32) -> (Town, PlanId) {
    let town = Town::new();
    let plan = town.world.plan(seats);
    town.world.rewrite_plan(plan, |plan| plan.should_auto_apply_licenses = Some(true));
    town.upstreams.told(|told| {
        told.admins = vec![admin_account(11, 1, "ann@example.com"), admin_account(12, 2, "ben@example.com")];
    });
    (town, plan)
}

fn log_in(town: &Town, number: usize) {
    let person = person(&format!("learner{number}@example.com"), 100 + number as i64);
    town.world.manager.auto_apply(&Actor::user("learner"), town.world.agreement, &person).unwrap();
}

/// The kinds of the mails that went to admins since the last time, with to whom.
fn told(town: &Town) -> Vec<(MailKind, String)> {
    town.deliver();
    let mails = town.upstreams.told(|told| std::mem::take(&mut told.mails)).into_iter();
    mails
        .filter(|mail| !mail.to.as_str().starts_with("learner"))
        .map(|mail| (mail.kind, mail.to.as_str().to_owned()))
        .collect()
}

fn both(kind: MailKind) -> Vec<(MailKind, String)> {
    vec![(kind, "ann@example.com".to_owned()), (kind, "ben@example.com".to_owned())]
}

fn notifications(town: &Town) -> Vec<Notification> {
    let listed = town.world.store.read(|unit| unit.notifications().list(&NotificationFilter::default(), ALL)).unwrap();
    listed.into_iter().map(|(_, notification)| notification).collect()
}

#[test]
fn admins_are_told_once_at_three_quarters_and_once_when_nothing_is_left() {
    let (town, plan) = town(8);
    for (number, expected) in [
        (0, vec![]),
        (1, vec![]),
        (2, vec![]),
        (3, vec![]),
        (4, vec![]),
        (5, both(MailKind::LimitedAllocations)),
        (6, vec![]),
        (7, both(MailKind::NoAllocations)),
    ] {
        log_in(&town, number);
        assert_eq!(told(&town), expected, "after {} of 8", number + 1);
    }
    let noted = notifications(&town);
    assert_eq!(noted.len(), 4, "one for each admin and kind");
    assert!(noted.iter().all(|notification| notification.plan == plan));
    assert_eq!(town.waiting(), []);
}

#[test]
fn of_two_thresholds_passed_at_once_only_the_higher_is_told_and_the_lower_never() {
    let (town, plan) = town(4);
    (0..4).for_each(|number| log_in(&town, number));
    assert_eq!(told(&town), both(MailKind::NoAllocations), "four looks at the plan are one");
    // The plan grows, and is at three quarters again.
    town.world
        .manager
        .store()
        .write(|unit| {
            unit.licenses().add_unassigned(plan, &[LicenseId(uuid::Uuid::from_u128(99))], &admin().change(beginning()))
        })
        .unwrap();
    town.world.revoke(plan, &["learner0@example.com"]).unwrap();
    log_in(&town, 9);
    assert_eq!(told(&town), []);
}

#[test]
fn the_mail_says_how_the_plan_is_used() {
    let (town, plan) = town(4);
    (0..3).for_each(|number| log_in(&town, number));
    town.deliver();
    let mails = town.upstreams.told(|told| std::mem::take(&mut told.mails));
    let mails: Vec<_> = mails.into_iter().filter(|mail| mail.kind == MailKind::LimitedAllocations).collect();
    assert_ne!(mails[0].id, mails[1].id, "whoever refuses duplicates takes both");
    assert_eq!(mails[0].lms_user_id, Some(LmsUserId(1)));
    let properties = &mails[0].properties;
    assert_eq!(properties["subscription_plan_title"], "Plan of 4");
    assert_eq!(properties["num_allocated_licenses"], 3);
    assert_eq!(properties["num_total_licenses"], 4);
    assert_eq!(properties["num_licenses"], 4);
    assert_eq!(properties["utilization_percentage"], 75);
    assert_eq!(properties["num_auto_applied_licenses_since_turned_on"], 3);
    assert_eq!(properties["subscription_plan_expiration_date"], "Oct 4, 2025");
    assert_eq!(properties["enterprise_customer_name"], "Acme");
    assert_eq!(properties["email"], mails[0].to.as_str());
    assert_eq!(properties["admin_portal_url"], "https://admin.example.com/acme");
    assert_eq!(
        properties["manage_learners_url"],
        format!("https://admin.example.com/acme/admin/subscriptions/manage-learners/{plan}")
    );
}

#[test]
fn a_mail_about_a_plan_names_the_customer_as_the_agreement_does() {
    let (town, _) = town(4);
    town.world.rewrite_agreement(|agreement| agreement.customer_name = None);
    (0..3).for_each(|number| log_in(&town, number));
    town.deliver();
    let mails = town.upstreams.told(|told| std::mem::take(&mut told.mails));
    let mail = mails.iter().find(|mail| mail.kind == MailKind::LimitedAllocations).unwrap();
    assert_eq!(mail.properties["enterprise_customer_name"], serde_json::Value::Null);
}

#[test]
fn nothing_is_noted_where_the_mail_did_not_go_out() {
    let (town, _) = town(4);
    (0..3).for_each(|number| log_in(&town, number));
    town.deliver_queue(Queue::Events);
    // The threshold's mail is the first thing that a batch of the lane sends, after asking who the admins are.
    town.upstreams.calls();
    town.upstreams.told(|told| told.refused = vec!["nobody".to_owned()]);
    let batch = town.deliveries.claim(Queue::Mail).unwrap();
    town.upstreams.told(|told| told.admins.clear());
    let outcome = town.deliveries.panicked_outcome(&batch, "answered 502 Bad Gateway");
    town.deliveries.settle(&batch, &outcome).unwrap();
    assert_eq!(notifications(&town), []);
    town.upstreams.told(|told| told.admins = vec![admin_account(11, 1, "ann@example.com")]);
    town.world.clock.advance(Duration::minutes(2));
    assert_eq!(told(&town), [(MailKind::LimitedAllocations, "ann@example.com".to_owned())]);
    assert_eq!(notifications(&town).len(), 1);
}

#[test]
fn an_admin_is_not_mailed_twice_because_the_mail_to_another_one_failed() {
    let (town, _) = town(4);
    (0..3).for_each(|number| log_in(&town, number));
    town.upstreams.told(|told| {
        told.bouncing = vec![("ann@example.com".to_owned(), Undelivered::Unavailable("answered 451".to_owned()))];
    });
    town.world.clock.advance(Duration::minutes(1));
    assert_eq!(told(&town), [(MailKind::LimitedAllocations, "ben@example.com".to_owned())]);
    assert_eq!(notifications(&town).len(), 1);
    let [waiting] = &town.waiting()[..] else { panic!("one message waits") };
    assert_eq!((waiting.attempts, waiting.last_error.as_deref()), (1, Some("answered 451")));
    town.upstreams.told(|told| told.bouncing.clear());
    town.world.clock.advance(Duration::minutes(2));
    assert_eq!(told(&town), [(MailKind::LimitedAllocations, "ann@example.com".to_owned())]);
    assert_eq!((notifications(&town).len(), town.waiting()), (2, vec![]));
}

#[test]
fn an_admin_whose_address_is_refused_is_told_of_to_operators() {
    let (town, _) = town(4);
    (0..3).for_each(|number| log_in(&town, number));
    let (ann, ben) = ("ann@example.com".to_owned(), "ben@example.com".to_owned());
    let never = Undelivered::Refused("answered 550".to_owned());
    let later = Undelivered::Unavailable("answered 451".to_owned());
    town.upstreams.told(|told| told.bouncing = vec![(ann.clone(), never.clone()), (ben.clone(), later)]);
    town.world.clock.advance(Duration::minutes(1));
    assert_eq!((told(&town), notifications(&town), town.dead_lettered()), (vec![], vec![], vec![]));
    town.upstreams.told(|told| told.bouncing = vec![(ann.clone(), never)]);
    town.world.clock.advance(Duration::minutes(2));
    assert_eq!(told(&town), [(MailKind::LimitedAllocations, ben)]);
    let [refused] = &town.dead_lettered()[..] else { panic!("one message is a dead letter") };
    assert_eq!(refused.last_error.as_deref(), Some("the mails to 1 of 2 admins were refused: answered 550"));
    let notified =
        town.world.store.read(|unit| unit.notifications().list(&NotificationFilter::default(), ALL)).unwrap();
    assert_eq!(notified.len(), 2, "who is refused is not mailed with every license");

    // Once the address is right, staff delete the notification of that admin, and the message is retried.
    town.upstreams.told(|told| told.bouncing.clear());
    let (id, _) = notified.iter().find(|(_, sent)| sent.customer_user == 11).unwrap();
    town.world.manager.delete_notification(&admin(), *id).unwrap();
    assert_eq!(town.world.manager.retry_messages(&Actor::service(), &OutboxSelection::DeadLettered(None)), Ok(1));
    assert_eq!(told(&town), [(MailKind::LimitedAllocations, ann)]);
    assert_eq!((notifications(&town).len(), town.waiting()), (2, vec![]));
}

#[test]
fn a_learner_who_got_a_license_by_logging_in_is_welcomed_by_the_kind_of_portal() {
    struct Portal {
        identity_provider: bool,
        search: bool,
    }
    #[async_trait::async_trait]
    impl EnterpriseDirectory for Portal {
        async fn customer(&self, id: CustomerId) -> Result<EnterpriseCustomer, Error> {
            let has = EnterpriseCustomer::new(id, "acme", "Acme");
            let (has_identity_provider, has_learner_portal_search) = (self.identity_provider, self.search);
            Ok(EnterpriseCustomer { has_identity_provider, has_learner_portal_search, ..has })
        }
    }
    for (identity_provider, search, kind) in [
        (false, false, MailKind::AutoApplied),
        (false, true, MailKind::AutoApplied),
        (true, true, MailKind::AutoApplied),
        (true, false, MailKind::AutoAppliedNoPortal),
    ] {
        let directory = std::sync::Arc::new(Portal { identity_provider, search });
        let town = Town::with(|manager| manager.with_directory(directory));
        let plan = town.world.plan(8);
        town.world.rewrite_plan(plan, |plan| plan.should_auto_apply_licenses = Some(true));
        log_in(&town, 0);
        town.deliver();
        let mails = town.upstreams.told(|told| std::mem::take(&mut told.mails));
        assert_eq!(mails.iter().map(|mail| mail.kind).collect::<Vec<_>>(), [kind]);
        assert_eq!(mails[0].lms_user_id, Some(LmsUserId(100)));
        assert_eq!(mails[0].properties["learner_portal_url"], "https://learn.example.com/acme");
        let calls = town.upstreams.calls();
        let place = |call: &str| calls.iter().position(|other| other == call);
        assert!(place("identify learner0") < place(&format!("{} learner0", kind.as_str())), "{calls:?}");
    }
}

#[test]
fn an_address_without_an_account_is_joined_with_nothing() {
    let town = Town::new();
    let plan = town.world.plan(1);
    town.world.assign(plan, &learners(["amy@example.com"])).unwrap();
    let key = town.world.license_of(plan, "amy@example.com").activation_key().unwrap();
    let amy = Person { email: Some(email("amy@example.com")), lms_user_id: None };
    town.world.manager.activate(&Actor::user("amy"), key, &amy).unwrap();
    town.deliver();
    let calls = town.upstreams.calls();
    assert!(calls.contains(&"post_activation amy".to_owned()), "{calls:?}");
    assert!(!calls.iter().any(|call| call.starts_with("identify")), "{calls:?}");
}

#[test]
fn customer_success_is_told_that_a_cap_is_used_up() {
    let town = Town::new();
    let plan = town.world.capped_plan(10, 10);
    town.world.activate(plan, "amy@example.com", 7);
    town.world.revoke(plan, &["amy@example.com"]).unwrap();
    assert_eq!(town.world.owed(Topic::RevocationCapMail).len(), 1);
    town.deliver();
    let mails = town.upstreams.told(|told| std::mem::take(&mut told.mails));
    let mail = mails.iter().find(|mail| mail.kind == MailKind::RevocationCap).unwrap();
    assert_eq!(mail.to, email("success@example.com"));
    let expected = serde_json::json!({
        "subscription_plan_title": "Capped",
        "num_revocations_applied": 1,
        "enterprise_customer_name": "Acme",
        "date": "2024-10-04T00:00:00Z",
        "SUBSCRIPTION_TITLE": "Capped",
        "NUM_REVOCATIONS_APPLIED": 1,
        "ENTERPRISE_NAME": "Acme",
        "REVOKED_LIMIT_REACHED_DATE": "October 04, 2024, 12:00AM UTC",
    });
    assert_eq!(serde_json::Value::from(mail.properties.clone()), expected);
    assert_eq!(town.waiting(), []);
}

#[test]
fn an_account_is_asked_for_where_the_token_does_not_say() {
    let town = Town::new();
    town.upstreams.told(|told| told.accounts.insert(email("amy@example.com"), LmsUserId(7)));
    let of = |address: &str, lms_user_id| {
        let person = Person { email: Some(email(address)), lms_user_id };
        at_once(town.world.manager.with_account(person)).lms_user_id
    };
    assert_eq!(of("amy@example.com", Some(LmsUserId(9))), Some(LmsUserId(9)));
    assert_eq!(town.upstreams.calls(), [""; 0], "it was known");
    assert_eq!(of("amy@example.com", None), Some(LmsUserId(7)));
    assert_eq!(of("bob@example.com", None), None);
    town.upstreams.fail([away()]);
    assert_eq!(of("amy@example.com", None), None, "the LMS is away");
    assert_eq!(town.upstreams.calls(), ["account amy", "account bob", "account amy"]);
    let alone = World::new().manager;
    let amy = Person { email: Some(email("amy@example.com")), lms_user_id: None };
    assert_eq!(at_once(alone.with_account(amy.clone())), amy);
}
