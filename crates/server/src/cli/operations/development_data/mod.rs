//! Data for development: customers with plans whose licenses are partly assigned.
//!
//! A seed describes the data that should exist. Existing data stays and is counted as existing, so a second run makes
//! the rest after an interrupted one.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use chrono::Duration;
use license_manager_domain::operations::{OperationSummary, Supervisor};
use license_manager_domain::ports::{IdSource, StoreExt};
use license_manager_domain::{
    Actor, AgreementChanges, AgreementId, Assignees, AssignmentMail, CatalogId, ChangeReason, Conflict,
    CustomerAgreement, CustomerId, Edit, Email, Entity, Error, LicenseCounts, LicenseId, LicenseManager, NewAgreement,
    NewPlan, PlanChanges, PlanId, Settings, SubscriptionPlan,
};
use uuid::Uuid;

use crate::system::RandomIds;

/// A line item of the form that Salesforce gives them.
const LINE_ITEM: &str = "00kDEVELOPMENT0001";

/// What is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seeds {
    /// The customers.
    pub(super) customers: Vec<SeedCustomer>,
    /// The plans of each of them.
    pub(super) plans: Vec<SeedPlan>,
}

/// A customer with an agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeedCustomer {
    /// Who it is; where absent, whoever has the slug, or somebody new.
    pub(super) customer: Option<CustomerId>,
    /// The slug where the agreement is new; the name is made of it.
    pub(super) slug: String,
    /// The catalog where the agreement is new; a new one where absent.
    pub(super) catalog: Option<CatalogId>,
}

impl SeedCustomer {
    fn name(&self) -> String {
        self.slug.replace('-', " ")
    }
}

/// A plan of the product that is sold most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeedPlan {
    /// Its title, by which it is known within its agreement.
    pub(super) title: String,
    /// How many licenses it is to have at least.
    pub(super) licenses: i32,
    /// How many of them are to be assigned at least.
    pub(super) assigned: i32,
    /// To whom: `learner` stands for `learner-0@example.com` and so on.
    pub(super) learners: &'static str,
    /// How many days before the run it starts; below 0 it is still to come.
    pub(super) started: i64,
    /// How many days after the run it ends; below 0 it is over.
    pub(super) ends: i64,
}

/// A plan that is there or, in a dry run, would be.
struct Seeded {
    /// Absent where it would be.
    id: Option<PlanId>,
    is_frozen: bool,
    counts: LicenseCounts,
}

/// Makes what is missing of the seeds: agreements, plans, licenses and assignments, of which nobody is mailed. Plans
/// that are there keep their dates, and frozen ones their number of licenses.
///
/// The summary's uuids are the plans that were made or added to; a dry run names those of them that are there. It
/// counts what was made (`agreements`, `plans`, `licenses`, `assigned`) and what was there (`existing_agreements`,
/// `existing_plans`).
///
/// # Errors
/// [`Error::Invalid`] for a slug that is none; then nothing was made.
pub(super) fn seed(
    manager: &LicenseManager,
    operation: &'static str,
    seeds: &Seeds,
    dry_run: bool,
    supervisor: &dyn Supervisor,
) -> Result<OperationSummary, Error> {
    for customer in &seeds.customers {
        let mut agreement = CustomerAgreement::new(AgreementId(Uuid::nil()), CustomerId(Uuid::nil()), manager.now());
        (agreement.customer_slug, agreement.customer_name) = (Some(customer.slug.clone()), Some(customer.name()));
        agreement.check_names()?;
    }
    // No catalog service knows the catalogs that are made up here.
    let settings = Settings { validate_catalogs: false, ..manager.settings().clone() };
    let counts = ["agreements", "plans", "licenses", "assigned", "existing_agreements", "existing_plans"];
    let summary = OperationSummary::new(operation, dry_run, &counts);
    let mut run = Run { manager: manager.clone().with_settings(settings), supervisor, summary };
    // Licenses to be made and licenses to be assigned, which is what takes time.
    let of_each: u64 = seeds.plans.iter().map(|plan| size(plan.licenses) + size(plan.assigned)).sum();
    supervisor.found(of_each * seeds.customers.len() as u64);
    let outcome = seeds.customers.iter().try_for_each(|customer| run.seed_customer(customer, &seeds.plans));
    if let Err(error) = outcome {
        run.summary.fail(operation, error);
    }
    Ok(run.summary)
}

/// One run of a command.
struct Run<'a> {
    manager: LicenseManager,
    supervisor: &'a dyn Supervisor,
    summary: OperationSummary,
}

impl Run<'_> {
    fn dry_run(&self) -> bool {
        self.summary.dry_run
    }

    /// Whether to end here; the summary says so.
    fn stops(&mut self) -> bool {
        self.summary.interrupted |= self.supervisor.is_stopping();
        self.summary.interrupted
    }

    fn batch_size(&self) -> i64 {
        i64::from(self.manager.settings().batch_size.get())
    }

    fn seed_customer(&mut self, customer: &SeedCustomer, plans: &[SeedPlan]) -> Result<(), Error> {
        if self.stops() {
            return Ok(());
        }
        let (agreement, is_new) = match self.seeded_agreement(customer)? {
            Some(agreement) => (Some(agreement), false),
            None if self.dry_run() => (None, true),
            None => {
                let (agreement, is_new) = self.make_agreement(customer)?;
                (Some(agreement), is_new)
            }
        };
        self.summary.count(if is_new { "agreements" } else { "existing_agreements" }, 1);
        let mut existing = match &agreement {
            Some(agreement) => self.seeded_plans(agreement.id)?,
            None => HashMap::new(),
        };
        for seed in plans {
            if self.stops() {
                return Ok(());
            }
            let (plan, is_new) = match (existing.remove(&seed.title), &agreement) {
                (Some(plan), _) => (plan, false),
                (None, Some(agreement)) if !self.dry_run() => self.make_plan(agreement, seed)?,
                (None, _) => (Seeded { id: None, is_frozen: false, counts: LicenseCounts::default() }, true),
            };
            self.summary.count(if is_new { "plans" } else { "existing_plans" }, 1);
            let added = self.fill(seed, &plan)?;
            let assigned = self.hand_out(seed, &plan, added)?;
            if is_new || added + assigned > 0 {
                self.summary.uuids.extend(plan.id.map(|plan| plan.0));
            }
        }
        Ok(())
    }

    /// The agreement that is there.
    fn seeded_agreement(&self, seed: &SeedCustomer) -> Result<Option<CustomerAgreement>, Error> {
        self.manager.store().read(|unit| {
            let Some(customer) = seed.customer else { return unit.agreements().find_by_slug(&seed.slug) };
            match unit.agreements().find_by_customer(customer)? {
                Some(agreement) => Ok(Some(agreement)),
                // A dry run, too, is to tell that the slug is somebody else's.
                None if unit.agreements().find_by_slug(&seed.slug)?.is_some() => Err(Conflict::AgreementSlug.into()),
                None => Ok(None),
            }
        })
    }

    /// Makes the agreement, and tells whether it is this run that did.
    fn make_agreement(&self, seed: &SeedCustomer) -> Result<(CustomerAgreement, bool), Error> {
        let customer = seed.customer.unwrap_or_else(|| CustomerId(RandomIds.next()));
        let catalog = seed.catalog.unwrap_or_else(|| CatalogId(RandomIds.next()));
        let new = NewAgreement { customer, changes: agreement_changes(seed, catalog) };
        match self.manager.create_agreement(&Actor::service(), new) {
            // Another run made it meanwhile.
            Err(error @ Error::Conflict(_)) => self.seeded_agreement(seed)?.map(|found| (found, false)).ok_or(error),
            overview => Ok((overview?.details.agreement, true)),
        }
    }

    /// The agreement's plans by their titles.
    fn seeded_plans(&self, agreement: AgreementId) -> Result<HashMap<String, Seeded>, Error> {
        self.manager.store().read(|unit| {
            let plans = unit.plans().find_by_agreements(&[agreement])?;
            let ids: Vec<PlanId> = plans.iter().map(|details| details.plan.id).collect();
            let mut counts = unit.licenses().counts(&ids)?;
            let seeded = |plan: SubscriptionPlan| {
                let is_frozen = plan.last_freeze_timestamp.is_some();
                let counts = counts.remove(&plan.id).unwrap_or_default();
                (plan.title, Seeded { id: Some(plan.id), is_frozen, counts })
            };
            Ok(plans.into_iter().map(|details| details.plan).map(seeded).collect())
        })
    }

    /// Makes the plan without licenses, which follow in batches, and tells whether it is this run that did.
    fn make_plan(&self, agreement: &CustomerAgreement, seed: &SeedPlan) -> Result<(Seeded, bool), Error> {
        let now = self.manager.now();
        let new = NewPlan {
            agreement: agreement.id,
            title: seed.title.clone(),
            start_date: now - Duration::days(seed.started),
            expiration_date: now + Duration::days(seed.ends),
            changes: PlanChanges {
                catalog: Some(agreement.default_catalog.unwrap_or_else(|| CatalogId(RandomIds.next()))),
                is_active: Some(true),
                salesforce_opportunity_line_item: Edit::Set(LINE_ITEM.to_owned()),
                ..PlanChanges::default()
            },
        };
        match self.manager.create_plan(&Actor::service(), ChangeReason::New, new) {
            // Another run made it meanwhile.
            Err(error @ Error::Conflict(_)) => {
                let found = self.seeded_plans(agreement.id)?.remove(&seed.title);
                found.map(|found| (found, false)).ok_or(error)
            }
            overview => {
                let id = Some(overview?.details.plan.id);
                Ok((Seeded { id, is_frozen: false, counts: LicenseCounts::default() }, true))
            }
        }
    }

    /// Adds the licenses the plan lacks, and tells how many.
    fn fill(&mut self, seed: &SeedPlan, plan: &Seeded) -> Result<i64, Error> {
        let lacking = if plan.is_frozen { 0 } else { (i64::from(seed.licenses) - plan.counts.total()).max(0) };
        self.supervisor.advanced(size(seed.licenses).saturating_sub(lacking.unsigned_abs()));
        let mut added = 0;
        while added < lacking && !self.stops() {
            let batch = (lacking - added).min(self.batch_size());
            let batch = match plan.id {
                Some(plan) if !self.dry_run() => self.add_licenses(plan, seed.licenses, batch)?,
                _ => batch,
            };
            if batch == 0 {
                break; // Another run added them meanwhile.
            }
            added += batch;
            self.summary.count("licenses", usize::try_from(batch).unwrap_or(0));
            self.supervisor.advanced(batch.unsigned_abs());
        }
        Ok(added)
    }

    /// Adds licenses to the plan, so many at most, up to the number it is to have.
    fn add_licenses(&self, plan: PlanId, licenses: i32, batch: i64) -> Result<i64, Error> {
        self.manager.store().write(|unit| {
            let (now, actor) = (self.manager.now(), Actor::service());
            let mut plan = unit.plans().lock(plan)?.ok_or(Error::NotFound(Entity::Plan))?.plan;
            if plan.desired_num_licenses.is_none_or(|desired| desired < licenses) {
                plan.desired_num_licenses = Some(licenses);
                plan.modified = now;
                unit.plans().save(&plan, &actor.change(now))?;
            }
            let counts = unit.licenses().counts(&[plan.id])?.remove(&plan.id).unwrap_or_default();
            let added = plan.licenses_to_provision(&counts).min(batch);
            if added > 0 {
                unit.licenses().add_unassigned(plan.id, &new_license_ids(added), &actor.change(now))?;
            }
            Ok(added)
        })
    }

    /// Assigns licenses to the first learners who hold none, and tells how many.
    fn hand_out(&mut self, seed: &SeedPlan, plan: &Seeded, added: i64) -> Result<i64, Error> {
        let LicenseCounts { unassigned, .. } = plan.counts;
        let lacking = to_assign(seed, &LicenseCounts { unassigned: unassigned + added, ..plan.counts });
        self.supervisor.advanced(size(seed.assigned).saturating_sub(lacking.unsigned_abs()));
        let batch = i32::try_from(self.batch_size()).unwrap_or(i32::MAX);
        let (mut assigned, mut next) = (0, 0);
        while assigned < lacking && next < seed.assigned && !self.stops() {
            let learners = next..next.saturating_add(batch).min(seed.assigned);
            next = learners.end;
            let number = match plan.id {
                Some(plan) if !self.dry_run() => self.assign_licenses(plan, seed, learners)?,
                _ => (lacking - assigned).min(i64::from(batch)),
            };
            assigned += number;
            self.summary.count("assigned", usize::try_from(number).unwrap_or(0));
            self.supervisor.advanced(number.unsigned_abs());
        }
        Ok(assigned)
    }

    /// Assigns a license to those of these learners who hold none, as far as that is wanted, and tells to how many. Of
    /// two runs that choose the same learners, one assigns.
    fn assign_licenses(&self, plan: PlanId, seed: &SeedPlan, learners: Range<i32>) -> Result<i64, Error> {
        let address = |number| format!("{}-{number}@example.com", seed.learners).parse().ok();
        let learners: Vec<Email> = learners.filter_map(address).collect();
        let (lacking, holders) = self.manager.store().read(|unit| {
            let counts = unit.licenses().counts(&[plan])?.remove(&plan).unwrap_or_default();
            let holders: HashSet<Email> = unit.licenses().live_emails(plan, &learners)?.into_iter().collect();
            Ok((usize::try_from(to_assign(seed, &counts)).unwrap_or(0), holders))
        })?;
        let newcomers = learners.into_iter().filter(|learner| !holders.contains(learner)).take(lacking);
        let newcomers: Assignees = newcomers.collect();
        let mail = AssignmentMail { notify: false, ..AssignmentMail::default() };
        Ok(self.manager.assign(&Actor::service(), plan, &newcomers, &mail)?.assigned.len() as i64)
    }
}

/// How many more licenses of the plan are to be assigned.
fn to_assign(seed: &SeedPlan, counts: &LicenseCounts) -> i64 {
    (i64::from(seed.assigned) - counts.allocated()).clamp(0, counts.unassigned)
}

fn agreement_changes(seed: &SeedCustomer, catalog: CatalogId) -> AgreementChanges {
    AgreementChanges {
        customer_slug: Edit::Set(seed.slug.clone()),
        customer_name: Edit::Set(seed.name()),
        default_catalog: Edit::Set(catalog),
        ..AgreementChanges::default()
    }
}

/// Ids for new licenses, sorted, so that they are written in the order of the index.
fn new_license_ids(number: i64) -> Vec<LicenseId> {
    let mut ids: Vec<_> = (0..number).map(|_| LicenseId(RandomIds.next())).collect();
    ids.sort_unstable();
    ids
}

fn size(number: i32) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
