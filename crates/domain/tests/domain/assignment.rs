//! An admin hands licenses to learners.

use crate::support::*;
use license_manager_domain::outbox::Topic;
use license_manager_domain::*;

#[test]
fn every_learner_gets_a_license_a_key_and_what_is_owed() {
    let world = World::new();
    let plan = world.plan(3);
    let assigned = world.assign(plan, &learners(["amy@example.com", "bob@example.com"])).unwrap().assigned;

    assert_eq!(world.counts(plan), LicenseCounts { assigned: 2, unassigned: 1, ..Default::default() });
    let keys: Vec<_> = ["amy@example.com", "bob@example.com"]
        .iter()
        .map(|address| {
            let license = world.license_of(plan, address);
            assert!(assigned.contains(&(email(address), license.id)), "the answer names {address}'s license");
            let columns = license.columns();
            assert_eq!((columns.status, columns.assigned_date), (LicenseStatus::Assigned, Some(beginning())));
            columns.activation_key.unwrap()
        })
        .collect();
    assert_ne!(keys[0], keys[1]);

    let messages = world.store.outbox();
    for (_, license) in &assigned {
        let owed: Vec<_> = messages.iter().filter(|message| message.license == Some(*license)).collect();
        let owed: Vec<_> = owed.iter().map(|message| message.payload.topic()).collect();
        assert_eq!(owed, [Topic::LicenseEvent, Topic::Assignment]);
    }
    assert_eq!(messages.len(), 4);
    assert!(messages.iter().all(|message| (message.plan, message.customer) == (Some(plan), customer())));
}

#[test]
fn the_event_and_the_mail_tell_who_got_what() {
    let world = World::new();
    let plan = world.plan(1);
    let mail = AssignmentMail { greeting: "Hello".to_owned(), closing: "Bye".to_owned(), ..AssignmentMail::default() };
    world.manager.assign(&admin(), plan, &learners(["amy@example.com"]), &mail).unwrap();
    let license = world.license_of(plan, "amy@example.com");
    let key = license.activation_key().unwrap();
    let properties = serde_json::json!({
        "license_uuid": license.id,
        "license_activation_key": key,
        "previous_license_uuid": "",
        "assigned_date": "2024-10-04T00:00:00Z",
        "activation_date": "",
        "assigned_lms_user_id": "",
        "assigned_email": "amy@example.com",
        "expiration_processed": false,
        "auto_applied": false,
        "enterprise_customer_uuid": customer(),
        "customer_agreement_uuid": world.agreement,
        "enterprise_customer_slug": null,
        "enterprise_customer_name": null,
    });
    assert_eq!(
        world.owed(Topic::Assignment),
        [serde_json::json!({ "email": "amy@example.com", "activation_key": key, "mail": true })]
    );
    let messages = world.store.outbox();
    let words = messages.iter().find_map(|message| message.payload.words()).unwrap();
    assert_eq!((words.greeting.as_str(), words.closing.as_str()), ("Hello", "Bye"));
    let event = "edx.server.license-manager.license-lifecycle.assigned";
    assert_eq!(world.owed(Topic::LicenseEvent), [serde_json::json!({ "event": event, "properties": properties })]);
}

#[test]
fn a_source_has_the_form_of_a_salesforce_id() {
    let world = World::new();
    let plan = world.plan(1);
    let sold = [(email("amy@example.com"), Some("a sale".to_owned()))].into_iter().collect();
    let Err(Error::Invalid(errors)) = world.assign(plan, &sold) else { panic!("accepted") };
    assert_eq!(errors.iter().map(|(field, _)| field).collect::<Vec<_>>(), ["user_sfids"]);
}

#[test]
fn too_few_licenses_and_nobody_gets_one() {
    let world = World::new();
    let plan = world.plan(2);
    let before = world.footprint(plan);
    let refused = world.assign(plan, &learners(["amy@example.com", "bob@example.com", "eve@example.com"]));
    assert_eq!(refused, Err(Refusal::NotEnoughLicenses { requested: 3, available: 2 }.into()));
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn addresses_that_differ_in_case_are_one_learner() {
    let world = World::new();
    let plan = world.plan(2);
    let twice: Assignees = [
        (email("Amy@Example.com"), Some("006000000000000001".to_owned())),
        (email("amy@example.com"), Some("006000000000000002".to_owned())),
    ]
    .into_iter()
    .collect();
    assert_eq!(twice.len(), 1);
    let first = world.assign(plan, &twice).unwrap();
    assert_eq!((first.assigned.len(), first.already_associated), (1, 0));
    let license = first.assigned[0].1;
    assert_eq!(world.store.sources().get(&license).map(String::as_str), Some("006000000000000001"), "the first counts");

    let again = world.assign(plan, &learners(["AMY@example.COM"])).unwrap();
    assert_eq!((again.assigned.len(), again.already_associated), (0, 1));
}

#[test]
fn who_holds_a_license_is_counted_and_keeps_it() {
    let world = World::new();
    let plan = world.plan(3);
    world.activate(plan, "amy@example.com", 1);
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    let amy = world.license_of(plan, "amy@example.com");

    let outcome = world.assign(plan, &learners(["amy@example.com", "bob@example.com", "eve@example.com"])).unwrap();
    assert_eq!(outcome.already_associated, 2);
    assert_eq!(outcome.assigned.len(), 1, "the last license suffices: holders need none");
    assert_eq!(world.license_of(plan, "amy@example.com"), amy);
}

#[test]
fn an_assignment_to_holders_alone_writes_nothing() {
    let world = World::new();
    let plan = world.plan(1);
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    let before = world.footprint(plan);
    let outcome = world.assign(plan, &learners(["amy@example.com"])).unwrap();
    assert_eq!((outcome.assigned, outcome.already_associated, outcome.not_carried_over), (vec![], 1, 0));
    world.assign(plan, &Assignees::default()).unwrap();
    assert_eq!(world.footprint(plan), before);
}

#[test]
fn a_learner_whose_license_was_taken_back_gets_another() {
    let world = World::new();
    let plan = world.plan(1);
    world.activate(plan, "amy@example.com", 1);
    world.revoke(plan, &["amy@example.com"]).unwrap();
    let outcome = world.assign(plan, &learners(["amy@example.com"])).unwrap();
    assert_eq!((outcome.assigned.len(), outcome.already_associated), (1, 0));
}

#[test]
fn the_same_learner_can_hold_licenses_of_two_plans() {
    let world = World::new();
    let plans = [world.plan(1), world.plan(2)];
    for plan in plans {
        assert_eq!(world.assign(plan, &learners(["amy@example.com"])).unwrap().assigned.len(), 1);
    }
}

#[test]
fn learners_are_linked_without_a_mail_where_nobody_wants_one() {
    let world = World::new();
    let plan = world.plan(2);
    let silent = AssignmentMail { notify: false, ..AssignmentMail::default() };
    world.manager.assign(&admin(), plan, &learners(["amy@example.com"]), &silent).unwrap();
    world.rewrite_agreement(|agreement| agreement.disable_onboarding_notifications = true);
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    let mails: Vec<_> = world.owed(Topic::Assignment).iter().map(|owed| owed["mail"].clone()).collect();
    assert_eq!(mails, [false, false]);
}

#[test]
fn the_opportunity_a_license_was_sold_by_is_noted() {
    let world = World::new();
    let plan = world.plan(2);
    let sold: Assignees =
        [(email("amy@example.com"), Some("006000000000000001".to_owned())), (email("bob@example.com"), None)]
            .into_iter()
            .collect();
    world.assign(plan, &sold).unwrap();
    let amy = world.license_of(plan, "amy@example.com").id;
    assert_eq!(world.store.sources().into_iter().collect::<Vec<_>>(), [(amy, "006000000000000001".to_owned())]);
}

#[test]
fn the_history_names_who_assigned() {
    let world = World::new();
    let plan = world.plan(1);
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    let license = world.license_of(plan, "amy@example.com").id.to_string();
    let history: Vec<_> = world.store.history().into_iter().filter(|entry| entry.id == license).collect();
    let told: Vec<_> = history.iter().map(|entry| (entry.kind, entry.change.by.as_deref())).collect();
    assert_eq!(told, [('+', Some("admin")), ('~', Some("admin"))]);
}

#[test]
fn ten_thousand_learners_are_assigned_at_once() {
    let world = World::new();
    let plan = world.plan(10_000);
    let outcome = world.assign(plan, &crowd(10_000)).unwrap();
    assert_eq!(outcome.assigned.len(), 10_000);
    assert_eq!(world.counts(plan), LicenseCounts { assigned: 10_000, ..Default::default() });
}

#[test]
fn a_plan_that_does_not_exist_is_not_found() {
    let world = World::new();
    let outcome = world.assign(PlanId(uuid::Uuid::nil()), &learners(["amy@example.com"]));
    assert_eq!(outcome, Err(Error::NotFound(Entity::Plan)));
}

#[test]
fn learners_are_counted() {
    assert!(Assignees::default().is_empty());
    let amy = learners(["amy@example.com", "Amy@example.com"]);
    assert_eq!((amy.is_empty(), amy.len()), (false, 1));
}
