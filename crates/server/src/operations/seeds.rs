//! Data for development.

use chrono::TimeDelta;
use license_manager_domain::ports::{AgreementFilter, CustomerScope, IdSource, Window};
use license_manager_domain::{
    Actor, AgreementChanges, AgreementId, Assignees, AssignmentMail, CatalogId, ChangeReason, CustomerId, Error,
    LicenseManager, NewAgreement, NewPlan, PlanChanges, PlanId,
};
use uuid::Uuid;

use super::arguments::{ManufactureData, SeedDevstack};
use super::{CommandError, Report};
use crate::system::RandomIds;

/// The customer of `seed-development-data`.
const CUSTOMER: Uuid = Uuid::from_u128(0xdec0_de00_0000_4000_8000_0000_0000_0011);
/// Its catalog.
const CATALOG: Uuid = Uuid::from_u128(0xdec0_de00_0000_4000_8000_0000_0000_0012);

/// The plans of `seed-development-data`: title, licenses, learners, days from its start to now, and from now to its end.
const PLANS: [(&str, i32, usize, i64, i64); 4] = [
    ("Current", 50, 20, 30, 335),
    ("Nearly used up", 20, 18, 60, 305),
    ("Expired", 10, 5, 400, -35),
    ("Still to come", 30, 0, -30, 395),
];

/// A plan to be made.
struct Seed<'a> {
    title: &'a str,
    licenses: i32,
    learners: usize,
    /// Days from its start to now.
    started: i64,
    /// Days from now to its end.
    ends: i64,
}

/// The customer's agreement, and whether it is new.
fn agreement(
    manager: &LicenseManager,
    customer: CustomerId,
    slug: &str,
    catalog: Uuid,
) -> Result<(AgreementId, bool), Error> {
    let filter = AgreementFilter { scope: CustomerScope::All, customer: Some(customer), agreement: None };
    let first = |_| Ok::<_, Error>(Window { offset: 0, limit: 1 });
    if let Some(found) = manager.agreements(&filter, first)?.agreements.first() {
        return Ok((found.agreement.id, false));
    }
    let changes = AgreementChanges {
        customer_slug: Some(Some(slug.to_owned())),
        customer_name: Some(Some(slug.replace('-', " "))),
        default_catalog: Some(Some(CatalogId(catalog))),
        ..AgreementChanges::default()
    };
    let page = manager.create_agreement(&Actor::service(), NewAgreement { customer, changes })?;
    let made = page.agreements.first().map(|overview| overview.agreement.id);
    Ok((made.ok_or_else(|| Error::storage("no agreement was made"))?, true))
}

fn plan(manager: &LicenseManager, agreement: AgreementId, seed: &Seed<'_>, prefix: &str) -> Result<PlanId, Error> {
    let (actor, today) = (Actor::service(), manager.now());
    let new = NewPlan {
        agreement,
        title: seed.title.to_owned(),
        start_date: today - TimeDelta::days(seed.started),
        expiration_date: today + TimeDelta::days(seed.ends),
        changes: PlanChanges {
            is_active: Some(true),
            desired_num_licenses: Some(Some(seed.licenses)),
            salesforce_opportunity_line_item: Some(Some("00kDEVELOPMENT0001".to_owned())),
            ..PlanChanges::default()
        },
    };
    let page = manager.create_plan(&actor, ChangeReason::New, new)?;
    let made = page.plans.first().map(|overview| overview.details.plan.id);
    let made = made.ok_or_else(|| Error::storage("no plan was made"))?;
    let learners: Assignees = (0..seed.learners)
        .filter_map(|number| Some((format!("{prefix}-{number}@example.com").parse().ok()?, None)))
        .collect();
    if !learners.is_empty() {
        let mail = AssignmentMail { notify: false, ..AssignmentMail::default() };
        manager.assign(&actor, made, &learners, &mail)?;
    }
    Ok(made)
}

/// A customer with plans of every kind; where it is there, nothing.
pub(super) fn development(manager: &LicenseManager) -> Result<Report, CommandError> {
    let (agreement, is_new) = agreement(manager, CustomerId(CUSTOMER), "development-customer", CATALOG)?;
    let mut plans = Vec::new();
    if is_new {
        for (title, licenses, learners, started, ends) in PLANS {
            let seed = Seed { title, licenses, learners, started, ends };
            plans.push(plan(manager, agreement, &seed, "developer")?.0);
        }
    }
    let counts = vec![("agreements", i64::from(is_new)), ("plans", plans.len() as i64)];
    Ok(Report::done("seed-development-data", false, counts, plans))
}

/// An agreement and a plan for a customer of the devstack; another plan of the same name is not made.
pub(super) fn devstack(manager: &LicenseManager, arguments: &SeedDevstack) -> Result<Report, CommandError> {
    let slug = arguments.enterprise_customer_slug.as_str();
    let customer = match arguments.enterprise_customer_uuid {
        Some(customer) => customer,
        None => customer_of_slug(manager, slug)?.map_or_else(|| RandomIds.next(), |customer| customer.0),
    };
    let (agreement, is_new) = agreement(manager, CustomerId(customer), slug, RandomIds.next())?;
    let title = format!("Devstack plan of {}", arguments.num_licenses);
    let seed = Seed { title: &title, licenses: arguments.num_licenses, learners: 0, started: 1, ends: 365 };
    let made = match plan(manager, agreement, &seed, "devstack") {
        Ok(made) => vec![made.0],
        Err(Error::Conflict(license_manager_domain::Conflict::PlanTitle)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let counts = vec![
        ("agreements", i64::from(is_new)),
        ("plans", made.len() as i64),
        ("licenses", made.len() as i64 * i64::from(arguments.num_licenses)),
    ];
    Ok(Report::done("seed-enterprise-devstack-data", false, counts, made))
}

/// The customer whose agreement has the slug.
fn customer_of_slug(manager: &LicenseManager, slug: &str) -> Result<Option<CustomerId>, Error> {
    let filter = AgreementFilter { scope: CustomerScope::All, customer: None, agreement: None };
    let all = |_| Ok::<_, Error>(Window { offset: 0, limit: 10_000 });
    let page = manager.agreements(&filter, all)?;
    let found = page.agreements.into_iter().find(|found| found.agreement.customer_slug.as_deref() == Some(slug));
    Ok(found.map(|found| found.agreement.customer))
}

/// Customers, plans and licenses in any number; new ones each time.
pub(super) fn manufacture(manager: &LicenseManager, arguments: &ManufactureData) -> Result<Report, CommandError> {
    let assigned = i64::from(arguments.licenses) * i64::from(arguments.assigned_percentage) / 100;
    let assigned = usize::try_from(assigned).unwrap_or(0);
    let mut plans = Vec::new();
    for _ in 0..arguments.customers {
        let customer = RandomIds.next();
        let slug = format!("manufactured-{}", customer.simple());
        let (agreement, _) = agreement(manager, CustomerId(customer), &slug, RandomIds.next())?;
        for number in 0..arguments.plans {
            let title = format!("Manufactured plan {number}");
            let seed = Seed { title: &title, licenses: arguments.licenses, learners: assigned, started: 1, ends: 365 };
            plans.push(plan(manager, agreement, &seed, "learner")?.0);
        }
    }
    let number = plans.len() as i64;
    let counts = vec![
        ("customers", i64::from(arguments.customers)),
        ("plans", number),
        ("licenses", number * i64::from(arguments.licenses)),
        ("assigned", number * assigned as i64),
    ];
    Ok(Report::done("manufacture-data", false, counts, plans))
}
