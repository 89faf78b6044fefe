//! A plan is renewed: its licenses are carried over into the plan that follows.

use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::RenewalTerms;
use license_manager_domain::outbox::Topic;
use license_manager_domain::ports::RenewalFilter;
use license_manager_domain::use_cases::{RenewalOutcome, RenewedBy};
use license_manager_domain::*;

/// A plan of four seats: amy's in use, bob's assigned, zoe's taken back.
fn plan_in_use(world: &World) -> PlanId {
    let plan = world.plan(4);
    world.activate(plan, "amy@example.com", 7);
    world.assign(plan, &learners(["bob@example.com", "zoe@example.com"])).unwrap();
    world.revoke(plan, &["zoe@example.com"]).unwrap();
    world.clock.advance(Duration::days(1));
    plan
}

fn invalid(result: Result<RenewalOutcome, Error>) -> Vec<String> {
    match result {
        Err(Error::Invalid(errors)) => errors.iter().map(|(field, _)| field.to_owned()).collect(),
        other => panic!("not refused for its values: {other:?}"),
    }
}

/// Everything there is, to be compared before and after what changes nothing.
fn everything(world: &World, plans: &[PlanId]) -> impl PartialEq + std::fmt::Debug + use<> {
    let renewals = world.manager.renewals(&RenewalFilter::default(), |_| Ok::<_, Error>(ALL)).unwrap();
    let plans: Vec<_> = plans.iter().map(|&plan| world.footprint(plan)).collect();
    (renewals, plans)
}

#[test]
fn who_holds_a_license_holds_one_of_the_plan_that_follows() {
    let world = World::new();
    let prior = plan_in_use(&world);
    let before = world.licenses(prior);
    let renewed = world.renew(world.schedule(&world.terms(prior, 6))).unwrap();
    let start = beginning() + Duration::days(100);

    assert_eq!(
        world.counts(renewed),
        LicenseCounts { activated: 1, assigned: 1, unassigned: 4, ..LicenseCounts::default() }
    );
    let now = world.manager.now();
    for address in ["amy@example.com", "bob@example.com"] {
        let (original, copy) = (world.license_of(prior, address), world.license_of(renewed, address));
        let earlier = before.iter().find(|license| license.id == original.id).unwrap().clone();
        assert_eq!(original, License { renewed_to: Some(copy.id), modified: now, ..earlier.clone() });
        let activation_date = earlier.activation_date().map(|_| start);
        let expected =
            LicenseColumns { assigned_date: Some(now), last_remind_date: None, activation_date, ..earlier.columns() };
        assert_eq!(copy.columns(), expected);
        assert_eq!((copy.renewed_to, copy.auto_applied), (None, None));
    }
    assert_eq!(world.counts(prior).revoked, 1, "what was taken back stays there");
}

#[test]
fn the_plan_that_follows_is_like_the_one_before() {
    let world = World::new();
    let prior = world.capped_plan(2, 20);
    world.rewrite_plan(prior, |plan| {
        (plan.for_internal_use_only, plan.can_freeze_unused_licenses, plan.num_revocations_applied) = (true, true, 2);
    });
    let line_item = Some("00k000000000000002".to_owned());
    let terms = RenewalTerms { salesforce_opportunity_id: line_item.clone(), ..world.terms(prior, 3) };
    let renewed = world.renew(world.schedule(&terms)).unwrap();
    let now = world.manager.now();
    let expected = SubscriptionPlan {
        id: renewed,
        title: "Capped - Renewal 2025".to_owned(), // a hundred days after 2024-10-04
        start_date: terms.effective_date,
        expiration_date: terms.renewed_expiration_date,
        num_revocations_applied: 0,
        salesforce_opportunity_line_item: line_item,
        can_freeze_unused_licenses: false,
        desired_num_licenses: Some(3),
        created: now,
        modified: now,
        ..world.details(prior)
    };
    assert_eq!(world.details(renewed), expected);
    let chains = world.manager.plan(prior).unwrap().chains;
    assert_eq!(chains.days_until_expiration(&world.details(prior), beginning()), 465);
}

#[test]
fn the_title_is_the_agreed_one_or_the_prior_plans_as_far_as_it_fits() {
    let world = World::new();
    let short = world.plan(1);
    let named = RenewalTerms { renewed_plan_title: Some("Second year".to_owned()), ..world.terms(short, 1) };
    let renewed = world.renew(world.schedule(&named)).unwrap();
    assert_eq!(world.details(renewed).title, "Second year");
    let long = world.create(world.new_plan(&"ü".repeat(128), 1)).unwrap();
    let renewed = world.renew(world.schedule(&world.terms(long, 1))).unwrap();
    assert_eq!(world.details(renewed).title, format!("{} - Renewal 2025", "ü".repeat(113)));
}

#[test]
fn a_title_that_is_taken_is_told_and_nothing_changes() {
    let world = World::new();
    let prior = plan_in_use(&world);
    let taken = RenewalTerms { renewed_plan_title: Some("Taken".to_owned()), ..world.terms(prior, 6) };
    let id = world.schedule(&taken);
    let other = world.create(world.new_plan("Taken", 0)).unwrap();
    let before = everything(&world, &[prior, other]);
    assert_eq!(world.renew(id), Err(Conflict::PlanTitle.into()));
    assert_eq!(everything(&world, &[prior, other]), before);
}

#[test]
fn a_title_that_is_taken_cannot_be_scheduled() {
    let world = World::new();
    let [prior, other] = [1, 2].map(|seats| world.plan(seats));
    let usual = world.terms(prior, 1).title(&world.details(prior));
    for title in ["Taken", usual.as_str()] {
        world.create(world.new_plan(title, 0)).unwrap();
    }
    let titled =
        |title: Option<&str>| RenewalTerms { renewed_plan_title: title.map(str::to_owned), ..world.terms(prior, 1) };
    for title in [Some("Taken"), None] {
        assert_eq!(invalid(world.manager.create_renewal(&admin(), &titled(title))), ["renewed_plan_title"]);
    }
    // The plan that is named has its title already.
    let named = RenewalTerms { renewed_plan: Some(other), ..titled(Some("Taken")) };
    let id = world.schedule(&named);
    let edit = |changes: RenewalChanges| world.manager.update_renewal(&admin(), id, &changes);
    let without_plan = RenewalChanges { renewed_plan: Edit::Clear, ..RenewalChanges::default() };
    assert_eq!(invalid(edit(without_plan.clone())), ["renewed_plan_title"]);
    let renamed = RenewalChanges { renewed_plan_title: Edit::Set("New".to_owned()), ..without_plan };
    assert!(edit(renamed).is_ok());
    // A title that was taken since is judged when it changes, or when the renewal is processed.
    world.create(world.new_plan("New", 0)).unwrap();
    assert!(edit(RenewalChanges { number_of_licenses: Some(2), ..RenewalChanges::default() }).is_ok());
}

#[test]
fn only_the_agreed_kinds_of_licenses_are_carried_over() {
    for (types, expected) in [
        (LicenseTypesToCopy::AssignedAndActivated, (1, 1, 3)),
        (LicenseTypesToCopy::Activated, (1, 0, 4)),
        (LicenseTypesToCopy::Nothing, (0, 0, 5)),
    ] {
        let world = World::new();
        let prior = plan_in_use(&world);
        let terms = RenewalTerms { license_types_to_copy: types, ..world.terms(prior, 5) };
        let renewed = world.renew(world.schedule(&terms)).unwrap();
        let counts = world.counts(renewed);
        assert_eq!((counts.activated, counts.assigned, counts.unassigned), expected, "{types:?}");
        assert_eq!(
            world.owed(Topic::LicenseEvent).iter().filter(|event| is_renewed(event)).count() as i64,
            counts.allocated()
        );
    }
}

fn is_renewed(event: &serde_json::Value) -> bool {
    event["event"] == "edx.server.license-manager.license-lifecycle.renewed"
}

#[test]
fn each_copy_is_an_event_that_names_the_license_before() {
    for (by, automatic) in [(RenewedBy::Manual, false), (RenewedBy::Schedule, true)] {
        let world = World::new();
        let prior = plan_in_use(&world);
        let id = world.schedule(&world.terms(prior, 2));
        let owed = world.newly_owed(|| {
            world.manager.process_renewal(&Actor::service(), id, by).unwrap();
        });
        let renewed = world.manager.renewal(id).unwrap().renewal.terms.renewed_plan.unwrap();
        assert_eq!(owed.len(), 2);
        for address in ["amy@example.com", "bob@example.com"] {
            let (original, copy) = (world.license_of(prior, address), world.license_of(renewed, address));
            let message = owed.iter().find(|message| message.license == Some(copy.id)).unwrap();
            assert_eq!((message.payload.topic(), message.plan), (Topic::LicenseEvent, Some(renewed)));
            let event: serde_json::Value = serde_json::from_str(&message.payload.to_text()).unwrap();
            assert!(is_renewed(&event), "{event}");
            let properties = &event["properties"];
            assert_eq!(properties["license_uuid"], copy.id.to_string());
            assert_eq!(properties["previous_license_uuid"], original.id.to_string());
            assert_eq!(properties["assigned_email"], address);
            assert_eq!(properties["is_auto_renewed"], automatic);
        }
    }
}

#[test]
fn every_event_of_a_copy_names_the_license_before() {
    let world = World::new();
    let prior = world.plan(1);
    world.assign(prior, &learners(["amy@example.com"])).unwrap();
    let original = world.license_of(prior, "amy@example.com").id.to_string();
    let renewed = world.renew(world.schedule(&world.terms(prior, 2))).unwrap();
    world.change(prior, PlanChanges { is_active: Some(false), ..PlanChanges::default() }).unwrap();
    world.clock.advance(Duration::days(100));
    let copy = world.license_of(renewed, "amy@example.com");
    let key = copy.activation_key().unwrap();
    let owed = world.newly_owed(|| {
        let amy = LicenseSelection::Emails(vec![email("amy@example.com")]);
        world.manager.remind(&admin(), renewed, &amy, &ReminderMail::default()).unwrap();
        world.manager.activate(&Actor::user("amy"), key, &person("amy@example.com", 7)).unwrap();
        world.revoke(renewed, &["amy@example.com"]).unwrap();
        world.manager.delete_revoked(&admin(), renewed).unwrap();
        world.assign(renewed, &learners(["bob@example.com"])).unwrap();
    });
    let previous: Vec<(String, String)> = owed
        .iter()
        .map(|message| serde_json::from_str::<serde_json::Value>(&message.payload.to_text()).unwrap())
        .filter(|payload| payload["properties"].is_object())
        .map(|payload| {
            let event = payload["event"].as_str().unwrap().rsplit('.').next().unwrap().to_owned();
            (event, payload["properties"]["previous_license_uuid"].as_str().unwrap().to_owned())
        })
        .collect();
    let of_copy = ["activated", "revoked", "deleted"].map(|event| (event.to_owned(), original.clone()));
    assert_eq!(previous, [&of_copy[..], &[("assigned".to_owned(), String::new())]].concat());
}

#[test]
fn a_plan_that_waits_is_filled_up_from_what_it_has() {
    let world = World::new();
    let prior = plan_in_use(&world);
    let waiting = world.plan(3);
    let kept: Vec<LicenseId> = world.licenses(waiting).iter().map(|license| license.id).collect();
    let terms = RenewalTerms { renewed_plan: Some(waiting), ..world.terms(prior, 5) };
    let title = world.details(waiting).title;
    assert_eq!(world.renew(world.schedule(&terms)), Ok(waiting));
    let expected = LicenseCounts { activated: 1, assigned: 1, unassigned: 3, revoked: 0 };
    assert_eq!(world.counts(waiting), expected);
    let licenses = world.licenses(waiting);
    assert!(kept.iter().all(|id| licenses.iter().any(|license| license.id == *id)));
    let plan = world.details(waiting);
    assert_eq!((plan.title, plan.desired_num_licenses), (title, Some(5)));
    let start = world.license_of(waiting, "amy@example.com").activation_date();
    assert_eq!(start, Some(plan.start_date));
}

#[test]
fn a_plan_that_waits_with_fewer_licenses_than_are_carried_over_gets_the_rest() {
    let world = World::new();
    let prior = plan_in_use(&world);
    let waiting = world.plan(1);
    let terms = RenewalTerms { renewed_plan: Some(waiting), ..world.terms(prior, 2) };
    world.renew(world.schedule(&terms)).unwrap();
    assert_eq!(world.counts(waiting), LicenseCounts { activated: 1, assigned: 1, ..LicenseCounts::default() });
}

#[test]
fn a_plan_that_waits_may_have_as_many_licenses_as_were_agreed() {
    let world = World::new();
    let prior = plan_in_use(&world);
    let waiting = world.plan(5);
    let terms = RenewalTerms { renewed_plan: Some(waiting), ..world.terms(prior, 5) };
    assert_eq!(world.renew(world.schedule(&terms)), Ok(waiting));
    assert_eq!((world.counts(waiting).allocated(), world.counts(waiting).total()), (2, 5));
}

#[test]
fn the_renewal_of_an_inactive_plan_is_inactive() {
    let world = World::new();
    let [active, inactive] = [1, 2].map(|seats| world.plan(seats));
    world.change(inactive, PlanChanges { is_active: Some(false), ..PlanChanges::default() }).unwrap();
    let renewed = [active, inactive].map(|prior| world.renew(world.schedule(&world.terms(prior, 3))).unwrap());
    assert_eq!(renewed.map(|plan| world.details(plan).is_active), [true, false]);
}

#[test]
fn a_renewal_that_does_not_fit_is_refused_and_changes_nothing() {
    let world = World::new();
    let prior = plan_in_use(&world);
    let refused = |terms: &RenewalTerms, refusal: Refusal| {
        let id = world.schedule(terms);
        let plans: Vec<PlanId> = [Some(prior), terms.renewed_plan].into_iter().flatten().collect();
        let before = everything(&world, &plans);
        assert_eq!(world.renew(id), Err(refusal.into()));
        assert_eq!(everything(&world, &plans), before);
        world.manager.delete_renewal(&admin(), id).unwrap();
    };
    refused(&world.terms(prior, 1), Refusal::RenewalTooSmall { agreed: 1, needed: 2 });

    let too_large = world.plan(7);
    let terms = RenewalTerms { renewed_plan: Some(too_large), ..world.terms(prior, 6) };
    refused(&terms, Refusal::RenewedPlanTooLarge { agreed: 6, present: 7 });

    let in_use = world.plan(5);
    let terms = RenewalTerms { renewed_plan: Some(in_use), ..world.terms(prior, 6) };
    world.assign(in_use, &learners(["kim@example.com"])).unwrap();
    refused(&terms, Refusal::RenewedPlanInUse { used: 1 });
    world.revoke(in_use, &["kim@example.com"]).unwrap();
    refused(&terms, Refusal::RenewedPlanInUse { used: 1 });
}

#[test]
fn a_renewal_is_processed_once() {
    let world = World::new();
    let prior = plan_in_use(&world);
    let id = world.schedule(&world.terms(prior, 3));
    let first = world.manager.process_renewal(&admin(), id, RenewedBy::Manual).unwrap();
    assert!(first.newly);
    assert_eq!(first.details.renewal.processed_datetime, Some(world.manager.now()));
    let plans = [prior, first.details.renewal.terms.renewed_plan.unwrap()];
    let before = everything(&world, &plans);
    world.clock.advance(Duration::days(1));
    let again = world.manager.process_renewal(&admin(), id, RenewedBy::Schedule).unwrap();
    assert!(!again.newly);
    assert_eq!(again.details, first.details);
    assert_eq!(everything(&world, &plans), before);
}

#[test]
fn very_many_free_licenses_come_after_those_that_are_carried_over() {
    let world = World::with(Settings { inline_limit: 10, batch_size: batches_of(8), ..Settings::default() });
    let prior = plan_in_use(&world);
    let renewed = world.renew(world.schedule(&world.terms(prior, 20))).unwrap();
    assert_eq!((world.counts(renewed).allocated(), world.counts(renewed).total()), (2, 2));
    while world.manager.run_next_job().unwrap() {}
    assert_eq!((world.counts(renewed).allocated(), world.counts(renewed).total()), (2, 20));
}

#[test]
fn auto_applying_goes_on_in_the_plan_that_follows_and_nowhere_else() {
    for disable in [false, true] {
        let world = World::new();
        let [prior, other, silent] = [1, 2, 3].map(|seats| world.plan(seats));
        for plan in [prior, other] {
            world.rewrite_plan(plan, |plan| plan.should_auto_apply_licenses = Some(true));
        }
        let terms = RenewalTerms { disable_auto_apply_licenses: disable, ..world.terms(prior, 1) };
        let renewed = world.renew(world.schedule(&terms)).unwrap();
        let applies = [prior, other, silent, renewed].map(|plan| world.details(plan).should_auto_apply_licenses);
        assert_eq!(applies, [Some(false), Some(false), None, Some(!disable)]);
    }
}

#[test]
fn a_plan_that_did_not_auto_apply_changes_nobodys_flag() {
    let world = World::new();
    let [prior, other] = [1, 2].map(|seats| world.plan(seats));
    world.rewrite_plan(other, |plan| plan.should_auto_apply_licenses = Some(true));
    let renewed = world.renew(world.schedule(&world.terms(prior, 1))).unwrap();
    let applies = [prior, other, renewed].map(|plan| world.details(plan).should_auto_apply_licenses);
    assert_eq!(applies, [None, Some(true), None]);
}

#[test]
fn the_same_renewal_again_is_the_one_there_is() {
    let world = World::new();
    let [prior, follower, other] = [1, 2, 3].map(|seats| world.plan(seats));
    let create = |prior, renewed_plan, number| {
        world.manager.create_renewal(&admin(), &RenewalTerms { renewed_plan, ..world.terms(prior, number) }).unwrap()
    };
    let RenewalOutcome::Written(first) = create(prior, Some(follower), 5) else { panic!("not written") };
    let before = everything(&world, &[]);
    assert_eq!(create(prior, Some(follower), 9), RenewalOutcome::Existing(first.clone()));
    assert_eq!(create(prior, None, 5), RenewalOutcome::InTheWay(first.clone()));
    assert_eq!(create(prior, Some(other), 5), RenewalOutcome::InTheWay(first.clone()));
    assert_eq!(create(other, Some(follower), 5), RenewalOutcome::InTheWay(first));
    assert_eq!(everything(&world, &[]), before);
}

#[test]
fn terms_that_break_rules_are_refused_with_every_one_of_them() {
    let world = World::new();
    let prior = world.plan(1);
    let elsewhere = {
        let new = NewAgreement {
            customer: CustomerId(uuid::Uuid::from_u128(77)),
            changes: AgreementChanges { default_catalog: Edit::Set(catalog()), ..AgreementChanges::default() },
        };
        let agreement = world.manager.create_agreement(&admin(), new).unwrap().details.agreement.id;
        world.create(NewPlan { agreement, ..world.new_plan("Elsewhere", 0) }).unwrap()
    };
    let create = |terms: RenewalTerms| world.manager.create_renewal(&admin(), &terms);
    let terms = || world.terms(prior, 1);
    let (start, whole) = (beginning(), "non_field_errors");
    assert_eq!(
        invalid(create(RenewalTerms {
            number_of_licenses: 0,
            salesforce_opportunity_id: Some("00k".to_owned()),
            renewed_plan_title: Some(" ".to_owned()),
            effective_date: start - Duration::days(1),
            ..terms()
        })),
        [whole, "number_of_licenses", "renewed_plan_title", "salesforce_opportunity_id"]
    );
    assert_eq!(invalid(create(RenewalTerms { renewed_expiration_date: terms().effective_date, ..terms() })), [whole]);
    assert_eq!(invalid(create(RenewalTerms { renewed_plan: Some(prior), ..terms() })), [whole]);
    assert_eq!(invalid(create(RenewalTerms { renewed_plan: Some(elsewhere), ..terms() })), [whole]);
    let million = RenewalTerms { number_of_licenses: SubscriptionPlan::MAX_LICENSES + 1, ..terms() };
    assert_eq!(invalid(create(million)), ["number_of_licenses"]);
    let nowhere = PlanId(uuid::Uuid::nil());
    let unknown = |field| Err(Error::UnknownReference { field, entity: Entity::Plan });
    assert_eq!(create(world.terms(nowhere, 1)), unknown("prior_subscription_plan"));
    assert_eq!(create(RenewalTerms { renewed_plan: Some(nowhere), ..terms() }), unknown("renewed_subscription_plan"));
    create(RenewalTerms { effective_date: start, ..terms() }).unwrap();
}

#[test]
fn a_renewal_can_be_edited_until_it_is_processed() {
    let world = World::new();
    let [prior, follower, other] = [1, 2, 3].map(|seats| world.plan(seats));
    let id = world.schedule(&world.terms(prior, 1));
    world.clock.advance(Duration::hours(1));
    let update = |changes: RenewalChanges| world.manager.update_renewal(&admin(), id, &changes);
    let changes = RenewalChanges {
        number_of_licenses: Some(5),
        renewed_plan: Edit::Set(follower),
        exempt_from_batch_processing: Some(true),
        ..RenewalChanges::default()
    };
    let RenewalOutcome::Written(edited) = update(changes).unwrap() else { panic!("not written") };
    let expected = RenewalTerms {
        number_of_licenses: 5,
        renewed_plan: Some(follower),
        exempt_from_batch_processing: true,
        ..world.terms(prior, 1)
    };
    assert_eq!((&edited.renewal.terms, edited.renewal.modified), (&expected, world.manager.now()));

    let wrong = RenewalChanges { number_of_licenses: Some(0), ..RenewalChanges::default() };
    assert_eq!(invalid(update(wrong)), ["number_of_licenses"]);
    let leading = RenewalTerms { renewed_plan: Some(other), ..world.terms(follower, 1) };
    let in_the_way = world.schedule(&leading);
    let into_the_way = RenewalChanges { renewed_plan: Edit::Set(other), ..RenewalChanges::default() };
    let found = update(into_the_way).unwrap();
    assert!(matches!(found, RenewalOutcome::InTheWay(details) if details.renewal.id == in_the_way));
    assert_eq!(world.manager.renewal(id).unwrap(), edited);

    world.renew(id).unwrap();
    let late = RenewalChanges { number_of_licenses: Some(9), ..RenewalChanges::default() };
    assert_eq!(update(late), Err(Refusal::RenewalIsProcessed.into()));
}

#[test]
fn a_renewal_that_is_deleted_leaves_its_plans() {
    let world = World::new();
    let prior = plan_in_use(&world);
    let id = world.schedule(&world.terms(prior, 3));
    let renewed = world.renew(id).unwrap();
    world.manager.delete_renewal(&admin(), id).unwrap();
    let missing = Error::NotFound(Entity::Renewal);
    assert_eq!(world.manager.renewal(id), Err(missing.clone()));
    assert_eq!(world.manager.delete_renewal(&admin(), id), Err(missing.clone()));
    assert_eq!(world.renew(id), Err(missing.clone()));
    let nothing = RenewalChanges::default();
    assert_eq!(world.manager.update_renewal(&admin(), id, &nothing), Err(missing));
    assert_eq!((world.counts(prior).allocated(), world.counts(renewed).allocated()), (2, 2));
}

#[test]
fn a_key_activates_the_license_of_both_plans() {
    let world = World::new();
    let prior = plan_in_use(&world);
    let key = world.license_of(prior, "bob@example.com").activation_key();
    let renewed = world.renew(world.schedule(&world.terms(prior, 3))).unwrap();
    assert_eq!(world.license_of(renewed, "bob@example.com").activation_key(), key);
    world.manager.activate(&Actor::user("bob"), key.unwrap(), &person("bob@example.com", 8)).unwrap();
    assert_eq!(world.license_of(prior, "bob@example.com").status(), LicenseStatus::Activated);
}

#[test]
fn a_plan_made_by_a_renewal_can_be_edited_before_its_line_item_is_known() {
    let world = World::new();
    let prior = plan_in_use(&world);
    let renewed = world.renew(world.schedule(&world.terms(prior, 6))).unwrap();
    let edit = |changes| world.manager.update_plan(&admin(), ChangeReason::Other, renewed, changes);
    edit(PlanChanges { title: Some("Next year".to_owned()), ..PlanChanges::default() }).unwrap();
    let item = |item: &str| PlanChanges {
        salesforce_opportunity_line_item: Edit::Set(item.to_owned()),
        ..PlanChanges::default()
    };
    assert!(edit(item("not one")).is_err(), "what is edited is looked at");
    edit(item("00k000000000000009")).unwrap();
}

#[test]
fn nothing_is_renewed_into_a_frozen_plan() {
    let world = World::new();
    let (prior, following) = (plan_in_use(&world), world.plan(0));
    let freezable = PlanChanges { can_freeze_unused_licenses: Some(true), ..PlanChanges::default() };
    world.manager.update_plan(&admin(), ChangeReason::Other, following, freezable).unwrap();
    world.manager.freeze(&admin(), following).unwrap();
    let terms = RenewalTerms { renewed_plan: Some(following), ..world.terms(prior, 6) };
    assert_eq!(world.renew(world.schedule(&terms)), Err(Refusal::Frozen.into()));
}
