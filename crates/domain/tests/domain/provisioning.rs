//! Plans are made and edited, and get their licenses.

use crate::support::*;
use chrono::Duration;
use license_manager_domain::model::{DEFAULT_PRODUCT, RenewalTerms};
use license_manager_domain::ports::{CustomerScope, PlanFilter, StoreExt};
use license_manager_domain::*;

fn seats(number: i32) -> PlanChanges {
    PlanChanges { desired_num_licenses: Edit::Set(number), ..PlanChanges::default() }
}

fn small_steps() -> World {
    World::with(Settings { inline_limit: 10, batch_size: batches_of(4), ..Settings::default() })
}

fn invalid(result: Result<impl std::fmt::Debug, Error>) -> Vec<String> {
    match result {
        Err(Error::Invalid(errors)) => errors.iter().map(|(field, _)| field.to_owned()).collect(),
        other => panic!("not refused for its values: {other:?}"),
    }
}

#[test]
fn few_licenses_come_with_the_plan() {
    let world = small_steps();
    let plan = world.plan(10);
    assert_eq!(world.counts(plan), LicenseCounts { unassigned: 10, ..Default::default() });
    assert_eq!(world.manager.run_next_job(), Ok(false));
}

#[test]
fn many_licenses_come_by_a_job_in_batches() {
    let world = small_steps();
    let plan = world.plan(11);
    assert_eq!(world.counts(plan).total(), 0);
    for total in [4, 8, 11] {
        assert_eq!(world.manager.run_next_job(), Ok(true));
        assert_eq!(world.counts(plan).total(), total);
    }
    assert_eq!(world.manager.run_next_job(), Ok(false));
    let last = world.store.history().pop().unwrap();
    assert_eq!((last.table, last.change.by.as_deref()), ("license", Some("admin")));
}

#[test]
fn a_job_fits_what_the_plan_is_to_have_when_it_runs() {
    let world = small_steps();
    let plan = world.plan(20);
    world.manager.run_next_job().unwrap();
    world.change(plan, seats(6)).unwrap(); // two are lacking: they come at once
    assert_eq!(world.counts(plan).total(), 6);
    assert_eq!(world.manager.run_next_job(), Ok(true), "the job finds nothing to do");
    assert_eq!((world.counts(plan).total(), world.manager.run_next_job()), (6, Ok(false)));
}

#[test]
fn plans_wait_for_their_jobs_in_the_order_they_were_asked_for() {
    let world = small_steps();
    let first = world.plan(11);
    world.clock.advance(Duration::seconds(1));
    let second = world.plan(12);
    for _ in 0..3 {
        world.manager.run_next_job().unwrap();
    }
    assert_eq!((world.counts(first).total(), world.counts(second).total()), (11, 0));
}

#[test]
fn a_plan_grows_and_never_shrinks() {
    let world = World::new();
    let plan = world.plan(3);
    world.change(plan, seats(5)).unwrap();
    assert_eq!(world.counts(plan).total(), 5);
    world.change(plan, seats(2)).unwrap();
    assert_eq!(world.counts(plan).total(), 5);
    assert_eq!(world.details(plan).desired_num_licenses, Some(2));
    let nothing_said = PlanChanges { desired_num_licenses: Edit::Clear, ..PlanChanges::default() };
    world.change(plan, nothing_said).unwrap();
    assert_eq!(world.counts(plan).total(), 5);
}

#[test]
fn revoked_licenses_do_not_count_as_seats() {
    let world = World::new();
    let plan = world.plan(2);
    world.assign(plan, &learners(["amy@example.com"])).unwrap();
    world.revoke(plan, &["amy@example.com"]).unwrap();
    world.change(plan, seats(2)).unwrap();
    assert_eq!(world.counts(plan), LicenseCounts { unassigned: 2, revoked: 1, ..Default::default() });
}

#[test]
fn a_frozen_plan_gets_no_licenses() {
    let world = World::new();
    let plan = world.plan(2);
    world.rewrite_plan(plan, |plan| plan.last_freeze_timestamp = Some(beginning()));
    world.change(plan, seats(5)).unwrap();
    assert_eq!(world.counts(plan).total(), 2);
}

#[test]
fn a_plan_takes_the_agreements_catalog_unless_it_names_one() {
    let world = World::new();
    let plan = world.plan(0);
    assert_eq!(world.details(plan).catalog, catalog());
    world.rewrite_agreement(|agreement| agreement.default_catalog = None);
    assert_eq!(invalid(world.create(world.new_plan("None", 0))), ["enterprise_catalog_uuid"]);
    let mut named = world.new_plan("Named", 0);
    named.changes.catalog = Some(CatalogId(uuid::Uuid::from_u128(9)));
    let plan = world.create(named).unwrap();
    assert_eq!(world.details(plan).catalog, CatalogId(uuid::Uuid::from_u128(9)));
}

#[test]
fn a_plan_s_own_catalog_wins_over_its_agreement_s() {
    let world = World::new();
    let own = CatalogId(uuid::Uuid::from_u128(9));
    let mut named = world.new_plan("Named", 0);
    named.changes.catalog = Some(own);
    let plan = world.create(named).unwrap();
    assert_ne!(own, catalog(), "the agreement's");
    assert_eq!(world.details(plan).catalog, own);
}

#[test]
fn a_plan_stays_with_its_agreement() {
    let world = World::new();
    let plan = world.plan(1);
    let naming = |agreement| PlanChanges { agreement: Some(agreement), ..PlanChanges::default() };
    let before = world.footprint(plan);
    let moved = world.change(plan, naming(AgreementId(uuid::Uuid::nil()))).map(drop);
    assert_eq!(moved, Err(Refusal::AgreementIsFixed.into()));
    assert_eq!(world.footprint(plan), before);
    world.change(plan, naming(world.agreement)).unwrap();
}

#[test]
fn a_line_item_is_judged_only_when_it_or_the_product_changes() {
    let world = World::new();
    let plan = world.plan(1);
    world.rewrite_plan(plan, |plan| plan.product = DEFAULT_PRODUCT);
    let titled = |title: &str| PlanChanges { title: Some(title.to_owned()), ..PlanChanges::default() };
    world.change(plan, titled("Without the line item that it needs")).unwrap();
    let item = |item: Option<&str>| PlanChanges {
        salesforce_opportunity_line_item: item.map(str::to_owned).into(),
        ..PlanChanges::default()
    };
    let field = "salesforce_opportunity_line_item";
    assert_eq!(invalid(world.change(plan, item(Some("nonsense")))), [field]);
    assert_eq!(invalid(world.change(plan, PlanChanges { product: Some(ProductId(2)), ..titled("Another") })), [field]);
    world.change(plan, item(Some("00k000000000000001"))).unwrap();
    assert_eq!(invalid(world.change(plan, item(None))), [field], "it cannot be taken away again");
}

#[test]
fn an_expiration_is_processed_again_only_for_a_new_end_that_is_yet_to_come() {
    let world = World::new();
    let plan = world.plan(1);
    world.rewrite_plan(plan, |plan| plan.expiration_processed = true);
    let ending = |days| PlanChanges { expiration_date: Some(beginning() + Duration::days(days)), ..Default::default() };
    let is_processed = |changes| world.change(plan, changes).unwrap().details.plan.expiration_processed;
    let titled = PlanChanges { title: Some("Another title".to_owned()), ..PlanChanges::default() };
    assert!(is_processed(titled.clone()), "the plan runs on as it did");
    assert!(is_processed(ending(365)), "the same end");
    world.clock.advance(Duration::days(400));
    assert!(is_processed(titled) && is_processed(ending(390)), "another end in the past");
    assert!(is_processed(ending(400)), "an end that is now");
    assert!(!is_processed(ending(500)));
}

#[test]
fn a_plan_starts_with_the_usual_values() {
    let world = World::new();
    let mut new = world.new_plan("Usual", 0);
    new.changes = PlanChanges {
        salesforce_opportunity_line_item: Edit::Set("00k000000000000001".to_owned()),
        ..Default::default()
    };
    let details = world.manager.create_plan(&admin(), ChangeReason::New, new).unwrap().details;
    assert_eq!((details.customer, details.plan_type.as_str()), (customer(), "Standard Paid"));
    let plan = &details.plan;
    assert!(!plan.is_active && !plan.is_revocation_cap_enabled && !plan.for_internal_use_only);
    assert_eq!((plan.revoke_max_percentage, plan.product, plan.desired_num_licenses), (5, DEFAULT_PRODUCT, None));
}

#[test]
fn a_plan_that_breaks_rules_is_refused_with_every_one_of_them() {
    let world = World::new();
    let mut new = world.new_plan("  ", -1);
    new.expiration_date = new.start_date;
    new.changes.revoke_max_percentage = Some(101);
    new.changes.product = Some(DEFAULT_PRODUCT);
    assert_eq!(
        invalid(world.create(new)),
        [
            "desired_num_licenses",
            "expiration_date",
            "revoke_max_percentage",
            "salesforce_opportunity_line_item",
            "title"
        ]
    );
    let plans = PlanFilter::new(CustomerScope::All);
    assert_eq!(world.store.read(|unit| unit.plans().count(&plans)), Ok(0));
}

#[test]
fn a_line_item_is_needed_where_the_plan_type_says_so_and_always_well_formed() {
    let world = World::new();
    let with = |product, item: Option<&str>| {
        let mut new = world.new_plan(&format!("{product} {item:?}"), 0);
        new.changes.product = Some(ProductId(product));
        new.changes.salesforce_opportunity_line_item = item.map(str::to_owned).into();
        world.create(new)
    };
    let field = "salesforce_opportunity_line_item";
    for product in [1, 2, 3, 5] {
        assert_eq!(invalid(with(product, None)), [field], "product {product}");
        with(product, Some("00k000000000000001")).unwrap();
    }
    with(4, None).unwrap();
    for item in ["", "00k00000000000001", "00k0000000000000011", "00K000000000000001", "00k00000000000000é"] {
        assert_eq!(invalid(with(4, Some(item))), [field], "{item}");
    }
}

#[test]
fn a_plan_has_up_to_a_million_seats_unless_it_is_for_our_own_use() {
    let world = World::new();
    let mut new = world.new_plan("Million", SubscriptionPlan::MAX_LICENSES);
    world.create(new.clone()).unwrap();
    new.title = "More".to_owned();
    new.changes.desired_num_licenses = Edit::Set(SubscriptionPlan::MAX_LICENSES + 1);
    assert_eq!(invalid(world.create(new.clone())), ["desired_num_licenses"]);
    new.changes.for_internal_use_only = Some(true);
    let internal = world.create(new).unwrap();

    let plan = world.plan(1);
    let million = world.terms(plan, SubscriptionPlan::MAX_LICENSES);
    let more = RenewalTerms { number_of_licenses: SubscriptionPlan::MAX_LICENSES + 1, ..million.clone() };
    let schedule = |terms: RenewalTerms| world.manager.create_renewal(&admin(), &terms);
    assert_eq!(invalid(schedule(more.clone())), ["number_of_licenses"]);
    schedule(million).unwrap();
    schedule(RenewalTerms { prior_plan: internal, ..more }).unwrap();
}

#[test]
fn what_a_plan_names_must_exist() {
    let world = World::new();
    let mut new = world.new_plan("Unknown", 0);
    new.changes.product = Some(ProductId(99));
    let unknown = Error::UnknownReference { field: "product", entity: Entity::Product };
    assert_eq!(world.create(new.clone()), Err(unknown));
    new.agreement = AgreementId(uuid::Uuid::nil());
    assert_eq!(world.create(new), Err(Error::NotFound(Entity::Agreement)));
    let nowhere = PlanId(uuid::Uuid::nil());
    assert_eq!(world.change(nowhere, PlanChanges::default()).unwrap_err(), Error::NotFound(Entity::Plan));
}

#[test]
fn an_edit_changes_what_it_names_and_checks_the_whole() {
    let world = World::new();
    let plan = world.plan(1);
    world.clock.advance(Duration::hours(1));
    let before = world.details(plan);
    let renamed = world.change(plan, PlanChanges { title: Some("Renamed".to_owned()), ..Default::default() }).unwrap();
    let modified = before.modified + Duration::hours(1);
    assert_eq!(renamed.details.plan, SubscriptionPlan { title: "Renamed".to_owned(), modified, ..before });

    let wrong = PlanChanges { expiration_date: Some(beginning() - Duration::days(1)), ..Default::default() };
    assert_eq!(invalid(world.change(plan, wrong)), ["expiration_date"]);
    let paid = PlanChanges { product: Some(ProductId(1)), ..Default::default() };
    assert_eq!(invalid(world.change(plan, paid)), ["salesforce_opportunity_line_item"]);
    assert_eq!(world.details(plan), renamed.details.plan);
}

#[test]
fn a_title_is_unique_within_the_agreement() {
    let world = World::new();
    world.plan(1);
    let again = world.create(world.new_plan("Plan of 1", 1));
    assert_eq!(again, Err(Conflict::PlanTitle.into()));
}

#[test]
fn a_title_looks_like_no_other_and_can_be_stored() {
    let world = World::new();
    let plan = world.plan(1);
    let longest = "ü".repeat(SubscriptionPlan::MAX_TITLE_LENGTH);
    for (title, message) in [
        ("", "This may not be blank."),
        (" \n", "This may not be blank."),
        (" Plan of 1", "This may not begin or end with space."),
        ("Plan of 1\n", "This may not begin or end with space."),
        ("Plan\0of 1", "This must not contain null characters."),
        (&format!("{longest}ü"), "This may have at most 128 characters."),
    ] {
        let refused = |field| Error::Invalid(FieldErrors::one(field, message));
        assert_eq!(world.create(world.new_plan(title, 1)), Err(refused("title")));
        let edit = PlanChanges { title: Some(title.to_owned()), ..PlanChanges::default() };
        assert_eq!(world.change(plan, edit).unwrap_err(), refused("title"));
        let renewal = RenewalTerms { renewed_plan_title: Some(title.to_owned()), ..world.terms(plan, 1) };
        assert_eq!(world.manager.create_renewal(&admin(), &renewal), Err(refused("renewed_plan_title")));
    }
    world.create(world.new_plan(&longest, 1)).unwrap();
}

#[test]
fn the_reason_of_a_change_is_kept() {
    let world = World::new();
    let plan = world.plan(1);
    world.manager.update_plan(&admin(), ChangeReason::DelayedPayment, plan, PlanChanges::default()).unwrap();
    let history = world.store.history();
    let reasons: Vec<_> = history
        .iter()
        .filter(|entry| entry.table == "subscription_plan")
        .map(|entry| (entry.kind, entry.change.reason.as_deref()))
        .collect();
    assert_eq!(reasons, [('+', Some("new")), ('~', Some("delayed_payment"))]);
    let of_licenses = history.iter().filter(|entry| entry.table == "license");
    assert!(of_licenses.map(|entry| &entry.change.reason).all(|reason| reason.is_none()));
}

#[test]
fn of_several_current_plans_the_one_created_last_is_the_current_one() {
    let world = World::new();
    let filter = PlanFilter { customer: Some(customer()), active_only: true, ..PlanFilter::new(CustomerScope::All) };
    assert_eq!(world.manager.current_plan(&filter).unwrap(), None);
    let mut new = world.new_plan("Over", 0);
    new.start_date -= Duration::days(500);
    new.expiration_date = beginning() - Duration::days(1);
    world.create(new).unwrap();
    world.plan(1);
    world.clock.advance(Duration::days(1));
    let mut early = world.new_plan("Started before the other, created after it", 2);
    early.start_date -= Duration::days(30);
    let last = world.create(early).unwrap();
    world.clock.advance(Duration::days(1));
    let mut inactive = world.new_plan("Inactive", 0);
    inactive.changes.is_active = Some(false);
    world.create(inactive).unwrap();
    let mut later = world.new_plan("Not started", 0);
    later.start_date += Duration::days(1);
    world.create(later).unwrap();
    let current = world.manager.current_plan(&filter).unwrap();
    assert_eq!(current.map(|overview| overview.details.plan.id), Some(last));
}
