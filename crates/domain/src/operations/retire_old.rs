//! `retire-old-licenses`: removes personal data after the time for which the agreement keeps it.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::run::{OperationSummary, Run, Supervisor};
use crate::error::Error;
use crate::history::Actor;
use crate::model::agreement::CustomerAgreement;
use crate::model::email::Email;
use crate::model::ids::{AgreementId, CustomerId, LicenseId, PlanId};
use crate::model::license::License;
use crate::model::plan::SubscriptionPlan;
use crate::outbox::{OutboxBuilder, write_messages};
use crate::ports::{AgreementFilter, CustomerScope, DeletedLicense, LimitOffset, Purge, StoreExt, UnitOfWork};
use crate::use_cases::manager::{LicenseManager, ids};
use crate::use_cases::renewals::RenewedBy;

/// The most licenses per transaction, which also reads their history and messages.
const AT_ONCE: i64 = 5_000;

/// The name of deleted licenses, which are in the history only.
const DELETED: &str = "deleted";

impl LicenseManager {
    /// Removes the holder from licenses: those of plans that expired long ago become revoked, those revoked long ago
    /// stay revoked, and those assigned long ago and never activated become unassigned. Licenses deleted long ago lose
    /// the holder in the history. Revoked ones keep LMS user id, dates and activation key, and lose the address.
    /// History keeps what the license keeps. Sources, waiting messages and webhook deliveries are deleted; bulk
    /// enrollments lose people without another license. Adds the event `revoked`, without an address, for each license
    /// that its plan's end revokes, if its LMS user id is known.
    ///
    /// The summary lists the licenses. It counts those of each kind: `plan_expired`, `revoked`, `never_activated`,
    /// `deleted`.
    pub fn retire_old_licenses(&self, dry_run: bool, supervisor: &dyn Supervisor) -> OperationSummary {
        let counts: Vec<&str> = Purge::ALL.map(Purge::as_str).into_iter().chain([DELETED]).collect();
        let mut run = Run::new(self, supervisor, "retire-old-licenses", dry_run, &counts);
        let outcome = Purge::ALL
            .into_iter()
            .try_for_each(|purge| self.purge(&mut run, purge))
            .and_then(|()| self.purge_deleted(&mut run));
        run.end(outcome)
    }

    fn purge(&self, run: &mut Run<'_>, purge: Purge) -> Result<(), Error> {
        let due = run.started;
        self.in_batches(
            run,
            purge.as_str(),
            |unit, after, batch| Ok(ids(&unit.purge().due_after(purge, due, after, batch)?)),
            |unit, _, batch| self.purge_batch(unit, purge, due, batch),
        )
    }

    fn purge_deleted(&self, run: &mut Run<'_>) -> Result<(), Error> {
        let due = run.started;
        let ids = |deleted: &[DeletedLicense]| deleted.iter().map(|license| license.id).collect();
        self.in_batches(
            run,
            DELETED,
            |unit, after, batch| Ok(ids(&unit.purge().deleted_after(due, after, batch)?)),
            |unit, after, batch| {
                let deleted = unit.purge().lock_deleted(due, after, batch)?;
                let ids: Vec<LicenseId> = ids(&deleted);
                let emails = deleted.into_iter().filter_map(|license| license.email).collect();
                self.forget_traces(unit, &ids, emails, self.now())?;
                Ok(ids)
            },
        )
    }

    /// Processes licenses in batches, with one transaction each. A dry run reads the licenses after the last one. A real
    /// run does not find processed licenses again; it starts after the last one where it would pass many others again.
    fn in_batches(
        &self,
        run: &mut Run<'_>,
        name: &'static str,
        read: impl Fn(&mut dyn UnitOfWork, Option<LicenseId>, i64) -> Result<Vec<LicenseId>, Error>,
        write: impl Fn(&mut dyn UnitOfWork, Option<LicenseId>, i64) -> Result<Vec<LicenseId>, Error>,
    ) -> Result<(), Error> {
        let batch = self.batch_size().min(AT_ONCE);
        let mut after: Option<LicenseId> = None;
        while !run.stops() {
            let ids = if run.dry_run() {
                self.store.read(|unit| read(unit, after, batch))?
            } else {
                self.store.write(|unit| write(unit, after, batch))?
            };
            run.supervisor.found(ids.len() as u64);
            run.supervisor.advanced(ids.len() as u64);
            run.summary.count(name, ids.len());
            run.summary.uuids.extend(ids.iter().map(|id| id.0));
            after = ids.last().copied();
            // A license can be due for two reasons; the first one counts.
            if (ids.len() as i64) < batch {
                break;
            }
        }
        Ok(())
    }

    fn purge_batch(
        &self,
        unit: &mut dyn UnitOfWork,
        purge: Purge,
        due: DateTime<Utc>,
        batch: i64,
    ) -> Result<Vec<LicenseId>, Error> {
        let now = self.now();
        let licenses = unit.purge().lock_due(purge, due, batch)?;
        if licenses.is_empty() {
            return Ok(Vec::new());
        }
        let emails: BTreeSet<Email> = licenses.iter().filter_map(License::holder_email).cloned().collect();
        let mut ids = ids(&licenses);
        let ended: Vec<License> = match purge {
            Purge::PlanExpired => licenses.iter().filter(|license| license.is_live()).cloned().collect(),
            Purge::Revoked | Purge::NeverActivated => Vec::new(),
        };
        let forgotten: Vec<License> = licenses
            .into_iter()
            .map(|license| match purge {
                Purge::PlanExpired | Purge::Revoked => license.purge(now),
                Purge::NeverActivated => license.retire(now),
            })
            .collect();
        let change = Actor::service().change(now);
        unit.licenses().save(&forgotten, &change)?;
        let purged = ids.len();
        let mut followed = self.change_copies_in_all_plans(unit, &forgotten, &change)?;
        ids.extend(followed.ended.iter().copied());
        // The traces that are removed include messages about these licenses.
        self.forget_traces(unit, &ids, emails, now)?;
        self.add_plan_end_events(unit, &ended, now)?;
        // Only now: what is told of somebody who gets one of these licenses must stay.
        self.carry_over_waiting(unit, &mut followed, RenewedBy::Schedule, &change)?;
        ids.truncate(purged);
        Ok(ids)
    }

    /// Adds the events of licenses that are revoked because their plan ended.
    fn add_plan_end_events(
        &self,
        unit: &mut dyn UnitOfWork,
        ended: &[License],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        if ended.is_empty() {
            return Ok(());
        }
        let plans: BTreeSet<PlanId> = ended.iter().map(|license| license.plan).collect();
        let ends = unit.due_work().plan_ends(&plans.into_iter().collect::<Vec<_>>())?;
        let customers: BTreeSet<CustomerId> = ends.iter().map(|end| end.customer).collect();
        let all = LimitOffset { offset: 0, limit: customers.len() as i64 };
        let scope = CustomerScope::Only(customers.into_iter().collect());
        let agreements = unit.agreements().list(&AgreementFilter { scope, customer: None, agreement: None }, all)?;
        let agreements: HashMap<AgreementId, CustomerAgreement> =
            agreements.into_iter().map(|agreement| (agreement.id, agreement)).collect();
        let plans = unit.plans().find_by_agreements(&agreements.keys().copied().collect::<Vec<_>>())?;
        let plans: HashMap<PlanId, SubscriptionPlan> =
            plans.into_iter().map(|details| (details.plan.id, details.plan)).collect();
        let mut messages = Vec::new();
        for license in ended {
            let Some(plan) = plans.get(&license.plan) else { continue };
            let Some(agreement) = agreements.get(&plan.agreement) else { continue };
            let mut outbox = OutboxBuilder::new(agreement, plan, self.ids.as_ref(), now);
            outbox.revoked_by_plan_end(license);
            messages.append(&mut outbox.unwritten());
        }
        write_messages(unit, &messages)
    }

    /// Removes other personal data of the holders of licenses, who had these addresses.
    fn forget_traces(
        &self,
        unit: &mut dyn UnitOfWork,
        licenses: &[LicenseId],
        emails: BTreeSet<Email>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        if licenses.is_empty() {
            return Ok(());
        }
        // People with another license are still known, and their messages are still needed.
        let emails: Vec<Email> = emails.into_iter().collect();
        let known: HashSet<Email> = unit.purge().addresses_in_use(&emails)?.into_iter().collect();
        let gone: Vec<Email> = emails.into_iter().filter(|email| !known.contains(email)).collect();
        unit.purge().erase_traces(licenses, &gone)?;
        self.forget_in_enrollments(unit, &gone, now)
    }
}
