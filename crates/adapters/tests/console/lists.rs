//! Lists of plans, agreements and renewals.

use chrono::{DateTime, Duration, Utc};
use license_manager_domain::console::{
    AgreementFilters, AgreementOrder, Part, PlanFilters, PlanOrder, RenewalFilters, RenewalOrder, Sorting,
};
use license_manager_domain::model::RenewalTerms;
use license_manager_domain::ports::CustomerScope;
use license_manager_domain::use_cases::{RenewalOutcome, RenewedBy};
use license_manager_domain::{
    Actor, AgreementId, ChangeReason, CustomerId, Edit, Error, LicenseSelection, LicenseTypesToCopy, PlanChanges,
    PlanId, RenewalId,
};
use uuid::Uuid;

use crate::{NOW, Scene};

/// More rows than any list here has.
const ALL: i64 = 100;

on_both_databases! {
    plans_are_filtered_sorted_and_counted
    plans_tell_what_can_be_done_with_them
    agreements_are_filtered_sorted_and_counted
    renewals_are_filtered_sorted_and_counted
    every_list_goes_on_where_its_last_part_ended
}

fn everything() -> PlanFilters {
    PlanFilters::of(CustomerScope::All)
}

fn only(customer: u128) -> CustomerScope {
    CustomerScope::Only(vec![CustomerId(Uuid::from_u128(customer))])
}

fn plans(scene: &Scene, filters: &PlanFilters, sorting: Sorting<PlanOrder>) -> Vec<PlanId> {
    let page = scene.console.plan_rows(filters, sorting, Part::first(ALL)).unwrap();
    assert_eq!(page.total, page.rows.len() as i64);
    page.rows.into_iter().map(|row| row.id).collect()
}

fn plans_are_filtered_sorted_and_counted(scene: &Scene) {
    let (acme, books) = (scene.agreement(1, "Acme"), scene.agreement(2, "Books"));
    let ending = scene.plan(acme, "Zoology", 2, 10);
    let lasting = scene.plan(acme, "astronomy", 3, 300);
    let ended = scene.plan(books, "Music", 1, -5);
    scene.assign(ending, &["amy@example.com"]);
    let all = everything();
    for (order, ascending) in [
        (PlanOrder::Title, [lasting, ended, ending]),
        (PlanOrder::Expiration, [ended, ending, lasting]),
        (PlanOrder::Start, [ended, ending, lasting]),
    ] {
        assert_eq!(plans(scene, &all, Sorting::ascending(order)), ascending, "{order:?}");
        let mut descending = ascending;
        descending.reverse();
        assert_eq!(plans(scene, &all, Sorting::descending(order)), descending, "{order:?}");
    }
    assert_eq!(plans(scene, &all, Sorting::descending(PlanOrder::Customer))[0], ended, "of Books");
    let filtered = |change: &dyn Fn(&mut PlanFilters)| {
        let mut filters = all.clone();
        change(&mut filters);
        plans(scene, &filters, Sorting::descending(PlanOrder::Start))
    };
    assert_eq!(filtered(&|filters| filters.current_at = Some(NOW)), [lasting, ending]);
    assert_eq!(filtered(&|filters| filters.expires = Some((NOW, NOW + Duration::days(60)))), [ending]);
    assert_eq!(filtered(&|filters| filters.title = Some("OLO".to_owned())), [ending]);
    assert_eq!(filtered(&|filters| filters.is_active = Some(false)), []);
    assert_eq!(filtered(&|filters| filters.is_internal = Some(false)).len(), 3);
    assert_eq!(filtered(&|filters| filters.is_frozen = Some(true)), []);
    assert_eq!(filtered(&|filters| filters.product = Some(99)), []);
    assert_eq!(filtered(&|filters| filters.agreement = Some(books)), [ended]);
    assert_eq!(filtered(&|filters| filters.ids = Some(vec![ending, ended])), [ending, ended]);
    assert_eq!(filtered(&|filters| filters.ids = Some(Vec::new())), []);
    assert_eq!(filtered(&|filters| filters.scope = only(2)), [ended]);
    schedule(scene, ending, 10);
    assert_eq!(filtered(&|filters| filters.is_renewed = Some(true)), [ending]);
    assert_eq!(filtered(&|filters| filters.is_renewed = Some(false)), [lasting, ended]);
}

fn plans_tell_what_can_be_done_with_them(scene: &Scene) {
    let plan = scene.plan(scene.agreement(1, "Acme"), "Languages", 3, 30);
    scene.assign(plan, &["amy@example.com", "bob@example.com"]);
    let amy = LicenseSelection::Emails(vec!["amy@example.com".parse().unwrap()]);
    scene.manager.revoke(&Actor::user("admin"), plan, &amy).unwrap();
    let row = || {
        let mut page =
            scene.console.plan_rows(&everything(), Sorting::ascending(PlanOrder::Title), Part::first(1)).unwrap();
        page.rows.remove(0)
    };
    let before = row();
    assert_eq!((before.counts.assigned, before.counts.unassigned, before.counts.revoked), (1, 2, 1));
    assert_eq!((before.desired_num_licenses, before.can_freeze), (Some(3), false));
    assert_eq!((before.is_renewed, before.is_frozen, before.is_growing), (false, false, false));
    assert_eq!((before.has_job, before.job_problem), (false, None));
    assert_eq!(before.customer_name.as_deref(), Some("Acme"));
    // More licenses than a request adds itself.
    let permitted = PlanChanges {
        can_freeze_unused_licenses: Some(true),
        desired_num_licenses: Edit::Set(60_000),
        ..PlanChanges::default()
    };
    scene.manager.update_plan(&Actor::user("amy"), ChangeReason::Other, plan, permitted).unwrap();
    let growing = row();
    assert_eq!((growing.desired_num_licenses, growing.can_freeze, growing.is_growing), (Some(60_000), true, true));
    let with_job = |has_job| {
        let filters = PlanFilters { has_job: Some(has_job), ..everything() };
        plans(scene, &filters, Sorting::ascending(PlanOrder::Title))
    };
    assert_eq!((growing.has_job, with_job(true), with_job(false)), (true, vec![plan], Vec::new()));
    let claimed = scene.manager.claim_job(scene.manager.due_jobs().unwrap()[0]).unwrap().unwrap();
    scene.manager.postpone_job(&claimed, &Error::Unavailable).unwrap();
    assert_eq!(row().job_problem, Some(Error::Unavailable.to_string()));
    scene.manager.freeze(&Actor::user("amy"), plan).unwrap();
    assert!(row().is_frozen);
}

fn agreements_are_filtered_sorted_and_counted(scene: &Scene) {
    let (zoo, acme) = (scene.agreement(1, "Zoo"), scene.agreement(2, "acme"));
    scene.plan(zoo, "Zoology", 0, 10);
    let all = AgreementFilters::of(CustomerScope::All);
    let listed = |filters: &AgreementFilters, sorting| {
        let page = scene.console.agreement_rows(filters, sorting, Part::first(ALL)).unwrap();
        assert_eq!(page.total, page.rows.len() as i64);
        page.rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let by_name = Sorting::ascending(AgreementOrder::Name);
    assert_eq!(listed(&all, by_name), [acme, zoo]);
    assert_eq!(listed(&all, Sorting::descending(AgreementOrder::Name)), [zoo, acme]);
    assert_eq!(listed(&AgreementFilters { name: Some("ZO".to_owned()), ..all.clone() }, by_name), [zoo]);
    assert_eq!(listed(&AgreementFilters { ids: Some(vec![acme]), ..all.clone() }, by_name), [acme]);
    for (active, expected) in [(true, zoo), (false, acme)] {
        let filters = AgreementFilters { has_active_plan: Some(active), ..all.clone() };
        assert_eq!(listed(&filters, Sorting::descending(AgreementOrder::Created)), [expected]);
    }
    let nobody = AgreementFilters { scope: CustomerScope::Only(Vec::new()), ..all.clone() };
    assert_eq!(listed(&nobody, by_name), []);
    let second = Part { after: Some(acme), limit: 1 };
    let row = scene.console.agreement_rows(&all, by_name, second).unwrap();
    assert_eq!((row.total, row.rows[0].plans, row.rows[0].active_plans), (2, 1, 1));
}

/// Schedules the renewal of a plan, which takes effect in so many days.
fn schedule(scene: &Scene, prior_plan: PlanId, effective_in: i64) -> RenewalId {
    let effective_date = NOW + Duration::days(effective_in);
    let terms = RenewalTerms {
        prior_plan,
        renewed_plan: None,
        salesforce_opportunity_id: None,
        number_of_licenses: 5,
        effective_date,
        renewed_expiration_date: effective_date + Duration::days(365),
        renewed_plan_title: None,
        license_types_to_copy: LicenseTypesToCopy::AssignedAndActivated,
        disable_auto_apply_licenses: false,
        exempt_from_batch_processing: effective_in < 0,
    };
    match scene.manager.create_renewal(&Actor::user("amy"), &terms).unwrap() {
        RenewalOutcome::Written(details) => details.renewal.id,
        other => panic!("{other:?}"),
    }
}

fn renewals_are_filtered_sorted_and_counted(scene: &Scene) {
    let (acme, books) = (scene.agreement(1, "Acme"), scene.agreement(2, "Books"));
    let due = schedule(scene, scene.plan(acme, "Zoology", 2, 10), 10);
    let overdue = schedule(scene, scene.plan(acme, "astronomy", 3, 300), -10);
    let processed = schedule(scene, scene.plan(books, "Music", 1, 60), 60);
    scene.manager.process_renewal(&Actor::user("amy"), processed, RenewedBy::Manual).unwrap();
    let all = RenewalFilters::of(CustomerScope::All);
    let listed = |filters: &RenewalFilters, sorting| {
        let page = scene.console.renewal_rows(filters, sorting, Part::first(ALL)).unwrap();
        assert_eq!(page.total, page.rows.len() as i64);
        page.rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    for (order, ascending) in
        [(RenewalOrder::Effective, [overdue, due, processed]), (RenewalOrder::Plan, [overdue, processed, due])]
    {
        assert_eq!(listed(&all, Sorting::ascending(order)), ascending, "{order:?}");
        let mut descending = ascending;
        descending.reverse();
        assert_eq!(listed(&all, Sorting::descending(order)), descending, "{order:?}");
    }
    assert_eq!(listed(&all, Sorting::descending(RenewalOrder::Customer))[0], processed, "of Books");
    let filtered = |change: &dyn Fn(&mut RenewalFilters)| {
        let mut filters = all.clone();
        change(&mut filters);
        listed(&filters, Sorting::ascending(RenewalOrder::Effective))
    };
    let period = |from: i64, until: i64| -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        Some((NOW + Duration::days(from), NOW + Duration::days(until)))
    };
    assert_eq!(filtered(&|filters| filters.is_processed = Some(false)), [overdue, due]);
    assert_eq!(filtered(&|filters| filters.is_processed = Some(true)), [processed]);
    assert_eq!(filtered(&|filters| filters.effective = period(0, 30)), [due]);
    assert_eq!(filtered(&|filters| filters.effective = period(-30, 10)), [overdue], "the end is excluded");
    assert_eq!(filtered(&|filters| filters.agreement = Some(books)), [processed]);
    assert_eq!(filtered(&|filters| filters.text = Some("OOK".to_owned())), [processed], "the customer");
    assert_eq!(filtered(&|filters| filters.text = Some("zoo".to_owned())), [due], "the plan");
    assert_eq!(filtered(&|filters| filters.ids = Some(vec![processed, due])), [due, processed]);
    assert_eq!(filtered(&|filters| filters.ids = Some(Vec::new())), []);
    assert_eq!(filtered(&|filters| filters.scope = only(2)), [processed]);

    let rows = scene.console.renewal_rows(&all, Sorting::ascending(RenewalOrder::Effective), Part::first(3)).unwrap();
    let (first, last) = (&rows.rows[0], &rows.rows[2]);
    assert_eq!((first.prior_plan_title.as_str(), first.renewed_plan, first.is_exempt), ("astronomy", None, true));
    assert_eq!((first.agreement, first.customer_name.as_deref(), first.number_of_licenses), (acme, Some("Acme"), 5));
    assert_eq!(first.effective_date, NOW - Duration::days(10));
    assert!(last.is_processed && last.renewed_plan.is_some() && !last.is_exempt);
    assert!(last.renewed_plan_title.as_deref().is_some_and(|title| title.starts_with("Music - Renewal")));
}

/// Reads a list row by row, and checks that it is whole.
fn walk<Id: Copy + PartialEq + std::fmt::Debug>(whole: &[Id], read: impl Fn(Part<Id>) -> Vec<Id>) {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let part = read(Part { after, limit: 1 });
        let Some(last) = part.last() else { break };
        after = Some(*last);
        seen.extend(part);
        assert!(seen.len() <= whole.len(), "it goes around: {seen:?}");
    }
    assert_eq!(seen, whole);
}

fn every_list_goes_on_where_its_last_part_ended(scene: &Scene) {
    let agreements: Vec<AgreementId> =
        [1, 2, 3].into_iter().map(|number| scene.agreement(number, &format!("Customer {number}"))).collect();
    // The same titles and dates: the id decides.
    let plans_of: Vec<PlanId> = agreements.iter().map(|&agreement| scene.plan(agreement, "Languages", 1, 30)).collect();
    for &plan in &plans_of {
        schedule(scene, plan, 30);
    }
    for descending in [false, true] {
        for by in [PlanOrder::Title, PlanOrder::Customer, PlanOrder::Start, PlanOrder::Expiration] {
            let sorting = Sorting { by, descending };
            walk(&plans(scene, &everything(), sorting), |part| {
                let page = scene.console.plan_rows(&everything(), sorting, part).unwrap();
                assert_eq!(page.total, 3, "the number of all rows, wherever a part begins");
                page.rows.into_iter().map(|row| row.id).collect()
            });
        }
        for by in [AgreementOrder::Name, AgreementOrder::Created] {
            let (filters, sorting) = (AgreementFilters::of(CustomerScope::All), Sorting { by, descending });
            let read = |part| {
                let page = scene.console.agreement_rows(&filters, sorting, part).unwrap();
                page.rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
            };
            walk(&read(Part::first(ALL)), read);
        }
        for by in [RenewalOrder::Effective, RenewalOrder::Plan, RenewalOrder::Customer] {
            let (filters, sorting) = (RenewalFilters::of(CustomerScope::All), Sorting { by, descending });
            let read = |part| {
                let page = scene.console.renewal_rows(&filters, sorting, part).unwrap();
                page.rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
            };
            walk(&read(Part::first(ALL)), read);
        }
    }
    // A row that is gone has nothing after it.
    let gone = Part { after: Some(PlanId(Uuid::from_u128(7))), limit: ALL };
    let page = scene.console.plan_rows(&everything(), Sorting::ascending(PlanOrder::Title), gone).unwrap();
    assert_eq!((page.total, page.rows.len()), (3, 0));
}
