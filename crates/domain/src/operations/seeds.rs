//! Data for development: customers with plans whose licenses are partly assigned.
//!
//! A seed tells what is to be there. What is there already stays and is counted as such, so a run that was interrupted at any
//! point is followed by one that makes the rest.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use chrono::Duration;

use super::run::{OperationSummary, Run, Supervisor};
use crate::error::{Conflict, Error};
use crate::history::Actor;
use crate::model::agreement::CustomerAgreement;
use crate::model::email::Email;
use crate::model::ids::{AgreementId, CatalogId, CustomerId, PlanId};
use crate::model::plan::{ChangeReason, LicenseCounts, SubscriptionPlan};
use crate::outbox::AssignmentMail;
use crate::ports::StoreExt;
use crate::saturating_time;
use crate::use_cases::agreements::{AgreementChanges, NewAgreement};
use crate::use_cases::assignment::Assignees;
use crate::use_cases::manager::{LicenseManager, lock_plan};
use crate::use_cases::plans::{NewPlan, PlanChanges};

/// A line item of the form that Salesforce gives them.
const LINE_ITEM: &str = "00kDEVELOPMENT0001";

/// What is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeds {
    /// The customers.
    pub customers: Vec<SeedCustomer>,
    /// The plans of each of them.
    pub plans: Vec<SeedPlan>,
}

/// A customer with an agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedCustomer {
    /// Who it is; where absent, whoever has the slug, or somebody new.
    pub customer: Option<CustomerId>,
    /// The slug where the agreement is new; the name is made of it.
    pub slug: String,
    /// The catalog where the agreement is new; a new one where absent.
    pub catalog: Option<CatalogId>,
}

/// A plan of the product that is sold most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedPlan {
    /// Its title, by which it is known within its agreement.
    pub title: String,
    /// How many licenses it is to have at least.
    pub licenses: i32,
    /// How many of them are to be assigned at least.
    pub assigned: i32,
    /// To whom: `learner` stands for `learner-0@example.com` and so on.
    pub learners: &'static str,
    /// How many days before the run it starts; below 0 it is still to come.
    pub started: i64,
    /// How many days after the run it ends; below 0 it is over.
    pub ends: i64,
}

/// A plan that is there or, in a dry run, would be.
struct Seeded {
    /// Absent where it would be.
    id: Option<PlanId>,
    is_frozen: bool,
    counts: LicenseCounts,
}

impl LicenseManager {
    /// Makes what is missing of the seeds: agreements, plans, licenses and assignments, of which nobody is mailed. Plans that are
    /// there keep their dates, and frozen ones their number of licenses.
    ///
    /// The summary's uuids are the plans that were made or added to; a dry run names those of them that are there. It counts what
    /// was made (`agreements`, `plans`, `licenses`, `assigned`) and what was there (`existing_agreements`, `existing_plans`).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a slug that is none; then nothing was made.
    pub fn seed(
        &self,
        operation: &'static str,
        seeds: &Seeds,
        dry_run: bool,
        supervisor: &dyn Supervisor,
    ) -> Result<OperationSummary, Error> {
        for customer in &seeds.customers {
            let trial = CustomerId(self.ids.next());
            let mut trial = CustomerAgreement::new(AgreementId(self.ids.next()), trial, self.now());
            agreement_changes(customer, None).apply(&mut trial)?;
        }
        let counts = ["agreements", "plans", "licenses", "assigned", "existing_agreements", "existing_plans"];
        let mut run = Run::new(self, supervisor, operation, dry_run, &counts);
        // Licenses to be made and licenses to be assigned, which is what takes time.
        let of_each: u64 = seeds.plans.iter().map(|plan| size(plan.licenses) + size(plan.assigned)).sum();
        supervisor.found(of_each * seeds.customers.len() as u64);
        let outcome =
            seeds.customers.iter().try_for_each(|customer| self.seed_customer(&mut run, customer, &seeds.plans));
        Ok(run.end(outcome))
    }

    fn seed_customer(&self, run: &mut Run<'_>, customer: &SeedCustomer, plans: &[SeedPlan]) -> Result<(), Error> {
        if run.stops() {
            return Ok(());
        }
        let (agreement, is_new) = match self.seeded_agreement(customer)? {
            Some(agreement) => (Some(agreement), false),
            None if run.dry_run() => (None, true),
            None => {
                let (agreement, is_new) = self.make_agreement(customer)?;
                (Some(agreement), is_new)
            }
        };
        run.summary.count(if is_new { "agreements" } else { "existing_agreements" }, 1);
        let mut existing = match &agreement {
            Some(agreement) => self.seeded_plans(agreement.id)?,
            None => HashMap::new(),
        };
        for seed in plans {
            if run.stops() {
                return Ok(());
            }
            let (plan, is_new) = match (existing.remove(&seed.title), &agreement) {
                (Some(plan), _) => (plan, false),
                (None, Some(agreement)) if !run.dry_run() => self.make_plan(agreement, seed)?,
                (None, _) => (Seeded { id: None, is_frozen: false, counts: LicenseCounts::default() }, true),
            };
            run.summary.count(if is_new { "plans" } else { "existing_plans" }, 1);
            let added = self.fill(run, seed, &plan)?;
            let assigned = self.hand_out(run, seed, &plan, added)?;
            if is_new || added + assigned > 0 {
                run.summary.uuids.extend(plan.id.map(|plan| plan.0));
            }
        }
        Ok(())
    }

    /// The agreement that is there.
    fn seeded_agreement(&self, seed: &SeedCustomer) -> Result<Option<CustomerAgreement>, Error> {
        self.store.read(|unit| {
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
        let customer = seed.customer.unwrap_or_else(|| CustomerId(self.ids.next()));
        let catalog = seed.catalog.unwrap_or_else(|| CatalogId(self.ids.next()));
        let new = NewAgreement { customer, changes: agreement_changes(seed, Some(catalog)) };
        match self.create_agreement(&Actor::service(), new) {
            // Another run made it meanwhile.
            Err(error @ Error::Conflict(_)) => self.seeded_agreement(seed)?.map(|found| (found, false)).ok_or(error),
            overview => Ok((overview?.details.agreement, true)),
        }
    }

    /// The agreement's plans by their titles.
    fn seeded_plans(&self, agreement: AgreementId) -> Result<HashMap<String, Seeded>, Error> {
        self.store.read(|unit| {
            let plans = unit.plans().of_agreements(&[agreement])?;
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
        let now = self.now();
        let new = NewPlan {
            agreement: agreement.id,
            title: seed.title.clone(),
            start_date: saturating_time::before(now, days(seed.started)),
            expiration_date: saturating_time::after(now, days(seed.ends)),
            changes: PlanChanges {
                catalog: Some(agreement.default_catalog.unwrap_or_else(|| CatalogId(self.ids.next()))),
                is_active: Some(true),
                salesforce_opportunity_line_item: Some(Some(LINE_ITEM.to_owned())),
                ..PlanChanges::default()
            },
        };
        match self.create_plan(&Actor::service(), ChangeReason::New, new) {
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
    fn fill(&self, run: &mut Run<'_>, seed: &SeedPlan, plan: &Seeded) -> Result<i64, Error> {
        let lacking = if plan.is_frozen { 0 } else { (i64::from(seed.licenses) - plan.counts.total()).max(0) };
        run.supervisor.advanced(size(seed.licenses).saturating_sub(lacking.unsigned_abs()));
        let mut added = 0;
        while added < lacking && !run.stops() {
            let batch = (lacking - added).min(self.batch_size());
            let batch = match plan.id {
                Some(plan) if !run.dry_run() => self.add_licenses(plan, seed.licenses, batch)?,
                _ => batch,
            };
            if batch == 0 {
                break; // Another run added them meanwhile.
            }
            added += batch;
            run.summary.count("licenses", usize::try_from(batch).unwrap_or(0));
            run.supervisor.advanced(batch.unsigned_abs());
        }
        Ok(added)
    }

    /// Adds licenses to the plan, so many at most, up to the number it is to have.
    fn add_licenses(&self, plan: PlanId, licenses: i32, batch: i64) -> Result<i64, Error> {
        self.store.write(|unit| {
            let (now, actor) = (self.now(), Actor::service());
            let mut plan = lock_plan(unit, plan)?.plan;
            if plan.desired_num_licenses.is_none_or(|desired| desired < licenses) {
                plan.desired_num_licenses = Some(licenses);
                plan.modified = now;
                unit.plans().save(&plan, &actor.change(now))?;
            }
            let counts = unit.licenses().counts(&[plan.id])?.remove(&plan.id).unwrap_or_default();
            let added = plan.licenses_to_provision(&counts).min(batch);
            if added > 0 {
                unit.licenses().add_unassigned(plan.id, &self.new_license_ids(added), &actor.change(now))?;
            }
            Ok(added)
        })
    }

    /// Assigns licenses to the first learners who hold none, and tells how many.
    fn hand_out(&self, run: &mut Run<'_>, seed: &SeedPlan, plan: &Seeded, added: i64) -> Result<i64, Error> {
        let LicenseCounts { unassigned, .. } = plan.counts;
        let lacking = to_assign(seed, &LicenseCounts { unassigned: unassigned + added, ..plan.counts });
        run.supervisor.advanced(size(seed.assigned).saturating_sub(lacking.unsigned_abs()));
        let batch = i32::try_from(self.batch_size()).unwrap_or(i32::MAX);
        let (mut assigned, mut next) = (0, 0);
        while assigned < lacking && next < seed.assigned && !run.stops() {
            let learners = next..next.saturating_add(batch).min(seed.assigned);
            next = learners.end;
            let number = match plan.id {
                Some(plan) if !run.dry_run() => self.assign_licenses(plan, seed, learners)?,
                _ => (lacking - assigned).min(i64::from(batch)),
            };
            assigned += number;
            run.summary.count("assigned", usize::try_from(number).unwrap_or(0));
            run.supervisor.advanced(number.unsigned_abs());
        }
        Ok(assigned)
    }

    /// Assigns a license to those of these learners who hold none, as far as that is wanted, and tells to how many.
    fn assign_licenses(&self, plan: PlanId, seed: &SeedPlan, learners: Range<i32>) -> Result<i64, Error> {
        let address = |number| format!("{}-{number}@example.com", seed.learners).parse().ok();
        let learners: Vec<Email> = learners.filter_map(address).collect();
        let mail = AssignmentMail { notify: false, ..AssignmentMail::default() };
        self.store.write(|unit| {
            // Of two runs, the second one sees what the first one assigned.
            let plan = lock_plan(unit, plan)?.plan.id;
            let counts = unit.licenses().counts(&[plan])?.remove(&plan).unwrap_or_default();
            let lacking = usize::try_from(to_assign(seed, &counts)).unwrap_or(0);
            let holders: HashSet<Email> = unit.licenses().live_emails(plan, &learners)?.into_iter().collect();
            let newcomers = learners.iter().filter(|learner| !holders.contains(*learner)).take(lacking);
            let newcomers: Assignees = newcomers.map(|learner| (learner.clone(), None)).collect();
            Ok(self.assign_within(unit, &Actor::service(), plan, &newcomers, &mail)?.assigned.len() as i64)
        })
    }
}

/// How many more licenses of the plan are to be assigned.
fn to_assign(seed: &SeedPlan, counts: &LicenseCounts) -> i64 {
    (i64::from(seed.assigned) - counts.allocated()).clamp(0, counts.unassigned)
}

fn agreement_changes(seed: &SeedCustomer, catalog: Option<CatalogId>) -> AgreementChanges {
    AgreementChanges {
        customer_slug: Some(Some(seed.slug.clone())),
        customer_name: Some(Some(seed.slug.replace('-', " "))),
        default_catalog: Some(catalog),
        ..AgreementChanges::default()
    }
}

fn days(number: i64) -> Duration {
    Duration::try_days(number).unwrap_or(if number < 0 { Duration::MIN } else { Duration::MAX })
}

fn size(number: i32) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
