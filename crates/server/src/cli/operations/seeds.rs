//! Data for development.

use license_manager_domain::{CatalogId, CustomerId, LicenseManager};
use uuid::Uuid;

use super::arguments::{ManufactureData, SeedDevstack};
use super::development_data::{self, SeedCustomer, SeedPlan, Seeds};
use super::error::CommandError;
use super::report::Report;
use super::supervisor::CommandSupervisor;

/// The customer of `seed-development-data`.
const CUSTOMER: Uuid = Uuid::from_u128(0xdec0_de00_0000_4000_8000_0000_0000_0011);
/// Its catalog.
const CATALOG: Uuid = Uuid::from_u128(0xdec0_de00_0000_4000_8000_0000_0000_0012);

/// The plans of `seed-development-data`: title, licenses, assigned licenses, days since the start, days until the end.
const PLANS: [(&str, i32, i32, i64, i64); 4] = [
    ("Current", 50, 20, 30, 335),
    ("Nearly used up", 20, 18, 60, 305),
    ("Expired", 10, 5, 400, -35),
    ("Still to come", 30, 0, -30, 395),
];

/// The most licenses that `manufacture-data` creates; it takes days.
const MOST_LICENSES: i128 = 1_000_000_000;

/// Creates a customer with plans of every kind.
pub(super) fn development(manager: &LicenseManager, dry_run: bool) -> Result<Report, CommandError> {
    let plans = PLANS.into_iter().map(|(title, licenses, assigned, started, ends)| SeedPlan {
        title: title.to_owned(),
        licenses,
        assigned,
        learners: "developer",
        started,
        ends,
    });
    let customer = SeedCustomer {
        customer: Some(CustomerId(CUSTOMER)),
        slug: "development-customer".to_owned(),
        catalog: Some(CatalogId(CATALOG)),
    };
    seed(manager, "seed-development-data", &Seeds { customers: vec![customer], plans: plans.collect() }, dry_run)
}

/// Creates an agreement and a plan for a customer of the devstack. The plan is identified by its number of licenses.
pub(super) fn devstack(manager: &LicenseManager, arguments: SeedDevstack) -> Result<Report, CommandError> {
    let licenses = arguments.num_licenses;
    let title = format!("Devstack plan of {licenses}");
    let plan = SeedPlan { title, licenses, assigned: 0, learners: "devstack", started: 1, ends: 365 };
    let customer = SeedCustomer {
        customer: arguments.enterprise_customer_uuid.map(CustomerId),
        slug: arguments.enterprise_customer_slug,
        catalog: None,
    };
    let seeds = Seeds { customers: vec![customer], plans: vec![plan] };
    seed(manager, "seed-enterprise-devstack-data", &seeds, arguments.run.dry_run)
}

/// Creates customers, plans and licenses. Customers are identified by slug, plans by title.
pub(super) fn manufacture(manager: &LicenseManager, arguments: &ManufactureData) -> Result<Report, CommandError> {
    let ManufactureData { name, customers, plans, licenses, assigned_percentage, run } = arguments;
    let total = i128::from(*customers) * i128::from(*plans) * i128::from(*licenses);
    if total > MOST_LICENSES {
        return Err(CommandError::Arguments(format!(
            "--customers {customers}, --plans {plans} and --licenses {licenses} are {total} licenses; at most \
             {MOST_LICENSES} are made"
        )));
    }
    let assigned = i64::from(*licenses) * i64::from(*assigned_percentage) / 100;
    let assigned = i32::try_from(assigned).unwrap_or(*licenses);
    let customer = |number| SeedCustomer { customer: None, slug: format!("{name}-{number}"), catalog: None };
    let plan = |number| SeedPlan {
        title: format!("Manufactured plan {number}"),
        licenses: *licenses,
        assigned,
        learners: "learner",
        started: 1,
        ends: 365,
    };
    let seeds = Seeds { customers: (0..*customers).map(customer).collect(), plans: (0..*plans).map(plan).collect() };
    seed(manager, "manufacture-data", &seeds, run.dry_run)
}

fn seed(manager: &LicenseManager, command: &'static str, seeds: &Seeds, dry_run: bool) -> Result<Report, CommandError> {
    Ok(development_data::seed(manager, command, seeds, dry_run, &CommandSupervisor::start(command)?)?.into())
}
