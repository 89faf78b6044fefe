//! What processing a renewal would do, before it is saved or processed.

use crate::support::*;
use license_manager_domain::model::RenewalTerms;
use license_manager_domain::use_cases::{RenewalOutcome, RenewalOutlook};
use license_manager_domain::*;

/// A plan of five licenses: one activated, one assigned.
fn plan_in_use(world: &World) -> PlanId {
    let plan = world.plan(5);
    world.activate(plan, "amy@example.com", 7);
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    plan
}

fn outlook(world: &World, terms: &RenewalTerms) -> RenewalOutlook {
    world.manager.preview_renewal_terms(None, terms).unwrap().outlook
}

#[test]
fn the_outlook_tells_what_processing_does() {
    let world = World::new();
    let plan = plan_in_use(&world);
    for (types, copied) in [
        (LicenseTypesToCopy::AssignedAndActivated, 2),
        (LicenseTypesToCopy::Activated, 1),
        (LicenseTypesToCopy::Nothing, 0),
    ] {
        let terms = RenewalTerms { license_types_to_copy: types, ..world.terms(plan, 6) };
        let told = outlook(&world, &terms);
        assert_eq!((told.copied, told.unassigned, told.refusal), (copied, 6 - copied, None), "{types:?}");
    }
    let before = world.footprint(plan);
    let terms = world.terms(plan, 6);
    let told = outlook(&world, &terms);
    assert!(told.creates_plan);
    assert_eq!(world.footprint(plan), before, "a look changes nothing");
    let renewal = world.schedule(&terms);
    assert_eq!(world.manager.renewal_outlooks(&[renewal]).unwrap()[0].1, told, "saved, it is the same");
    let renewed = world.renew(renewal).unwrap();
    assert_eq!(world.details(renewed).title, told.title);
    assert_eq!((world.counts(renewed).allocated(), world.counts(renewed).unassigned), (2, 4));
}

#[test]
fn the_outlook_tells_every_refusal_of_processing() {
    let world = World::new();
    let plan = plan_in_use(&world);
    let follower = world.create(world.new_plan("Follower", 3)).unwrap();
    let onto = |number| RenewalTerms { renewed_plan: Some(follower), ..world.terms(plan, number) };
    let small = world.terms(plan, 1);
    assert_eq!(outlook(&world, &small).refusal, Some(Refusal::RenewalTooSmall { agreed: 1, needed: 2 }.into()));
    assert_eq!(outlook(&world, &onto(2)).refusal, Some(Refusal::RenewedPlanTooLarge { agreed: 2, present: 3 }.into()));
    let told = outlook(&world, &onto(4));
    assert_eq!((told.title.as_str(), told.creates_plan, told.unassigned), ("Follower", false, 2));
    world.assign(follower, &learners(["cleo@example.com"])).unwrap();
    assert_eq!(outlook(&world, &onto(4)).refusal, Some(Refusal::RenewedPlanInUse { used: 1 }.into()));
    world.rewrite_plan(follower, |plan| plan.last_freeze_timestamp = Some(beginning()));
    assert_eq!(outlook(&world, &onto(4)).refusal, Some(Refusal::Frozen.into()));

    // The same refusals of renewals that are saved, and of a title that was taken meanwhile.
    let titled = RenewalTerms { renewed_plan_title: Some("Next".to_owned()), ..world.terms(plan, 6) };
    let renewal = world.schedule(&titled);
    world.create(world.new_plan("Next", 1)).unwrap();
    let told = world.manager.renewal_outlooks(&[renewal]).unwrap().remove(0).1;
    assert_eq!(told.refusal, Some(Conflict::PlanTitle.into()));
    assert_eq!(world.renew(renewal), Err(Conflict::PlanTitle.into()));
    // An edit that keeps the title may be saved, and a renewal that is in the way is told before the title is judged.
    let edited = RenewalTerms { number_of_licenses: 7, ..titled };
    let preview = world.manager.preview_renewal_terms(Some(renewal), &edited).unwrap();
    assert_eq!((preview.in_the_way, preview.outlook.refusal), (None, Some(Conflict::PlanTitle.into())));
    let another = world.manager.preview_renewal_terms(None, &edited).unwrap();
    assert_eq!(another.in_the_way.map(|other| other.renewal.id), Some(renewal));
}

#[test]
fn terms_that_cannot_be_saved_are_refused_alike() {
    let world = World::new();
    let plan = plan_in_use(&world);
    let wrong = RenewalTerms { renewed_expiration_date: beginning(), ..world.terms(plan, 0) };
    let preview = |terms: &RenewalTerms| world.manager.preview_renewal_terms(None, terms);
    assert_eq!(preview(&wrong).unwrap_err(), world.manager.create_renewal(&admin(), &wrong).unwrap_err());
    let taken = RenewalTerms { renewed_plan_title: Some("Plan of 5".to_owned()), ..world.terms(plan, 6) };
    assert_eq!(preview(&taken).unwrap_err(), world.manager.create_renewal(&admin(), &taken).unwrap_err());

    let terms = world.terms(plan, 6);
    let renewal = world.schedule(&terms);
    let other = preview(&RenewalTerms { number_of_licenses: 7, ..terms.clone() }).unwrap();
    assert_eq!(other.in_the_way.map(|other| other.renewal.id), Some(renewal), "the plan has a renewal");
    let own = world.manager.preview_renewal_terms(Some(renewal), &RenewalTerms { number_of_licenses: 7, ..terms });
    let own = own.unwrap();
    assert_eq!((own.in_the_way, own.outlook.unassigned), (None, 5), "its own renewal is edited");
}

#[test]
fn many_renewals_are_looked_at_in_the_order_of_their_ids() {
    let world = World::new();
    let plans: Vec<PlanId> = (1..=3).map(|number| world.plan(number)).collect();
    let renewals: Vec<RenewalId> = plans.iter().map(|&plan| world.schedule(&world.terms(plan, 4))).collect();
    let asked = [renewals[2], renewals[0], RenewalId(1_000)];
    let told = world.manager.renewal_outlooks(&asked).unwrap();
    let ids: Vec<RenewalId> = told.iter().map(|(details, _)| details.renewal.id).collect();
    assert_eq!(ids, [renewals[0], renewals[2]]);
    assert!(told.iter().all(|(_, outlook)| (outlook.copied, outlook.unassigned) == (0, 4)));
    assert_eq!(world.manager.renewal_outlooks(&[]), Ok(Vec::new()));
    assert!(matches!(
        world.manager.create_renewal(&admin(), &world.terms(plans[0], 9)),
        Ok(RenewalOutcome::Existing(_))
    ));
}
