//! Following: until it starts, the plan of a processed renewal is kept in line with its prior plan.

use std::collections::{HashMap, HashSet};

use super::manager::{LicenseManager, count_licenses, find_agreement, find_plan};
use super::renewals::RenewedBy;
use crate::error::Error;
use crate::history::Change;
use crate::model::email::Email;
use crate::model::following_plan::FollowingPlan;
use crate::model::ids::{LicenseId, PlanId};
use crate::model::license::{License, LicenseState};
use crate::model::plan::PlanDetails;
use crate::outbox::{EventName, OutboxBuilder};
use crate::ports::UnitOfWork;

/// What keeping plans in line changed.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// The number of copies that were made, changed or ended.
    pub(crate) copies: usize,
    /// The copies that ended.
    pub(crate) ended: Vec<LicenseId>,
    /// How many of the licenses found no unassigned license to be carried over to.
    pub(crate) not_carried_over: usize,
}

impl Followed {
    /// Adds what changed elsewhere, without what was not carried over there.
    fn and(mut self, other: Self) -> Self {
        self.copies += other.copies;
        self.ended.extend(other.ended);
        self
    }
}

impl LicenseManager {
    /// Brings the plan that follows `prior` in line with these licenses, which have just been written. Does nothing,
    /// without a statement, unless a processed renewal leads to a plan that has not started. Calling it again changes
    /// nothing more. Read `prior` after the licenses are locked: whoever processes the renewal meanwhile waits for the
    /// locks, or is seen.
    ///
    /// The licenses are as stored, but one that lost its holder still names its copy in [`License::renewed_to`], and
    /// one that came back to life names none. Those that left the plan end their copies.
    pub(crate) fn follow(
        &self,
        unit: &mut dyn UnitOfWork,
        prior: &PlanDetails,
        licenses: &[License],
        change: &Change,
    ) -> Result<Followed, Error> {
        match prior.followed_at(change.at) {
            Some(following) => self.align(unit, prior.plan.id, &following, licenses, RenewedBy::Manual, change),
            None => Ok(Followed::default()),
        }
    }

    /// As [`LicenseManager::follow`], for licenses of any plans that were ended or changed, not assigned. Does nothing,
    /// without a statement, if all copies are among the licenses.
    pub(crate) fn follow_in_all_plans(
        &self,
        unit: &mut dyn UnitOfWork,
        licenses: &[License],
        change: &Change,
    ) -> Result<Followed, Error> {
        let written: HashSet<LicenseId> = licenses.iter().map(|license| license.id).collect();
        let is_open = |license: &&License| license.renewed_to.is_some_and(|copy| !written.contains(&copy));
        let mut plans: Vec<PlanId> = licenses.iter().filter(is_open).map(|license| license.plan).collect();
        plans.sort_unstable();
        plans.dedup();
        let mut followed = Followed::default();
        if plans.is_empty() {
            return Ok(followed);
        }
        for prior in unit.plans().followed(&plans, change.at)? {
            let own: Vec<License> =
                licenses.iter().filter(is_open).filter(|license| license.plan == prior.plan.id).cloned().collect();
            followed = followed.and(self.follow(unit, &prior, &own, change)?);
        }
        Ok(followed)
    }

    /// Brings a following plan in line with all licenses of its prior plan.
    pub(crate) fn follow_whole_plan(
        &self,
        unit: &mut dyn UnitOfWork,
        prior: PlanId,
        following: &FollowingPlan,
        by: RenewedBy,
        change: &Change,
    ) -> Result<Followed, Error> {
        let out_of_line = self.out_of_line(unit, prior, following)?;
        let licenses = unit.licenses().find_by_ids(&out_of_line)?;
        self.align(unit, prior, following, &licenses, by, change)
    }

    /// The licenses of the prior plan that the following plan is not in line with, as far as it has licenses for them.
    pub(crate) fn out_of_line(
        &self,
        unit: &mut dyn UnitOfWork,
        prior: PlanId,
        following: &FollowingPlan,
    ) -> Result<Vec<LicenseId>, Error> {
        let mut out_of_line = unit.renewals().differing_from(prior, following)?;
        let free = count_licenses(unit, following.id)?.unassigned;
        out_of_line.extend(unit.renewals().waiting_for(prior, following, free)?);
        Ok(out_of_line)
    }

    /// Carries over the licenses that waited for this plan to get this many more.
    pub(crate) fn carry_over_waiting(
        &self,
        unit: &mut dyn UnitOfWork,
        plan: PlanId,
        added: i64,
        change: &Change,
    ) -> Result<(), Error> {
        if added <= 0 {
            return Ok(());
        }
        let renewals = unit.renewals().find_by_plans(plan, Some(plan))?;
        let leads_here = |found: &&crate::model::RenewalDetails| {
            found.renewal.processed && found.renewal.terms.renewed_plan == Some(plan)
        };
        let Some(renewal) = renewals.iter().find(leads_here) else { return Ok(()) };
        let prior = find_plan(unit, renewal.renewal.terms.prior_plan)?;
        let Some(following) = prior.followed_at(change.at) else { return Ok(()) };
        self.carry_over_up_to(unit, prior.plan.id, &following, added, RenewedBy::Manual, change)?;
        Ok(())
    }

    fn carry_over_up_to(
        &self,
        unit: &mut dyn UnitOfWork,
        prior: PlanId,
        following: &FollowingPlan,
        number: i64,
        by: RenewedBy,
        change: &Change,
    ) -> Result<Followed, Error> {
        let waiting = unit.renewals().waiting_for(prior, following, number)?;
        let licenses = unit.licenses().find_by_ids(&waiting)?;
        self.align(unit, prior, following, &licenses, by, change)
    }

    /// See [`LicenseManager::follow`].
    pub(crate) fn align(
        &self,
        unit: &mut dyn UnitOfWork,
        prior: PlanId,
        following: &FollowingPlan,
        licenses: &[License],
        by: RenewedBy,
        change: &Change,
    ) -> Result<Followed, Error> {
        if licenses.is_empty() {
            return Ok(Followed::default());
        }
        let now = change.at;
        let mut work = Work::default();
        let originals: HashMap<LicenseId, &License> =
            licenses.iter().filter_map(|license| Some((license.renewed_to?, license))).collect();
        let linked: Vec<LicenseId> = originals.keys().copied().collect();
        for copy in unit.licenses().find_by_ids(&linked)? {
            let Some(original) = originals.get(&copy.id).filter(|_| copy.plan == following.id && copy.is_live()) else {
                continue;
            };
            work.compare(original, copy, prior, following, change)?;
        }
        // Ended copies first, and those whose address goes to another copy: the database refuses a second live license
        // even within the transaction.
        let mut freed = work.passed_on(now)?;
        freed.extend_from_slice(&work.ended);
        unit.licenses().save(&freed, change)?;
        unit.licenses().add_unassigned(following.id, &self.new_license_ids(work.added), change)?;

        let mut newcomers: Vec<&License> = licenses
            .iter()
            .filter(|license| {
                license.plan == prior && license.renewed_to.is_none() && following.takes(license.status())
            })
            .collect();
        let addresses: Vec<Email> = newcomers
            .iter()
            .filter_map(|license| license.holder_email())
            .chain(work.changed.iter().filter(|pair| pair.renames()).filter_map(|pair| pair.after.holder_email()))
            .cloned()
            .collect();
        let taken: HashSet<Email> = unit.licenses().live_emails(following.id, &addresses)?.into_iter().collect();
        newcomers.retain(|license| license.holder_email().is_some_and(|email| !taken.contains(email)));
        let free = unit.licenses().claim_unassigned(following.id, newcomers.len() as i64)?;
        let not_carried_over = newcomers.len() - free.len();
        for (original, onto) in newcomers.into_iter().zip(free) {
            let (original, copy) = original.clone().renew(onto, following.start_date, now)?;
            work.events.push((EventName::Renewed, copy.clone(), original.id));
            work.saved.extend([original, copy.clone()]);
            work.touched.push(copy);
        }
        work.change_copies(&taken, now);
        unit.licenses().save(&work.saved, change)?;

        let mut followed = Followed {
            copies: work.touched.len(),
            ended: work.ended.iter().map(|license| license.id).collect(),
            not_carried_over,
        };
        if work.touched.is_empty() {
            return Ok(followed);
        }
        let next = find_plan(unit, following.id)?;
        if !work.events.is_empty() {
            let agreement = find_agreement(unit, next.plan.agreement)?;
            let mut outbox = OutboxBuilder::new(&agreement, &next.plan, self.ids.as_ref(), now);
            for (name, copy, original) in &work.events {
                match name {
                    EventName::Renewed => outbox.renewed(copy, *original, by == RenewedBy::Schedule),
                    name => outbox.followed(*name, copy, *original),
                }
            }
            outbox.write(unit)?;
        }
        if let Some(further) = next.followed_at(now) {
            followed = followed.and(self.align(unit, next.plan.id, &further, &work.touched, by, change)?);
        }
        if not_carried_over == 0 && !work.ended.is_empty() {
            let seats = work.ended.len() as i64;
            followed = followed.and(self.carry_over_up_to(unit, prior, following, seats, by, change)?);
        }
        Ok(followed)
    }
}

/// Licenses that lost their holders, with the links that they had; see [`LicenseManager::follow`].
pub(crate) fn with_links(licenses: &[License], links: &[Option<LicenseId>]) -> Vec<License> {
    licenses.iter().zip(links).map(|(license, &renewed_to)| License { renewed_to, ..license.clone() }).collect()
}

/// A copy before and after a change.
struct Changed {
    before: License,
    after: License,
    original: LicenseId,
}

impl Changed {
    fn renames(&self) -> bool {
        self.before.holder_email() != self.after.holder_email()
    }
}

/// The work on one following plan.
#[derive(Default)]
struct Work {
    ended: Vec<License>,
    /// How many ended copies are replaced.
    added: i64,
    changed: Vec<Changed>,
    /// Other licenses to write.
    saved: Vec<License>,
    /// The copies as a plan that follows their plan must see them; see [`LicenseManager::follow`].
    touched: Vec<License>,
    events: Vec<(EventName, License, LicenseId)>,
}

impl Work {
    /// Compares a live copy with its original.
    fn compare(
        &mut self,
        original: &License,
        copy: License,
        prior: PlanId,
        following: &FollowingPlan,
        change: &Change,
    ) -> Result<(), Error> {
        let (now, further) = (change.at, copy.renewed_to);
        match &original.state {
            LicenseState::Unassigned => {
                let copy = copy.reset(now)?;
                self.touched.push(License { renewed_to: further, ..copy.clone() });
                self.ended.push(copy);
            }
            // Its plan ended long ago, and personal data was removed. That says nothing about the plan to come.
            LicenseState::Revoked { former, .. } if former.email.is_none() => {}
            _ if original.plan == prior && following.takes(original.status()) => {
                let after = copy.clone().following(original, following.start_date, now);
                if after != copy {
                    self.changed.push(Changed { before: copy, after, original: original.id });
                }
            }
            _ => {
                let copy = copy.revoke(now)?;
                self.events.push((EventName::Revoked, copy.clone(), original.id));
                self.touched.push(copy.clone());
                self.ended.push(copy);
                self.added += 1;
                if original.is_live() {
                    // It goes on elsewhere, without a copy.
                    self.saved.push(License { renewed_to: None, modified: now, ..original.clone() });
                }
            }
        }
        Ok(())
    }

    /// The changed copies without their holders, where another copy gets their address: people may swap licenses.
    fn passed_on(&self, now: chrono::DateTime<chrono::Utc>) -> Result<Vec<License>, Error> {
        let renamed = || self.changed.iter().filter(|pair| pair.renames());
        let wanted: HashSet<&Email> = renamed().filter_map(|pair| pair.after.holder_email()).collect();
        let gives = |pair: &&Changed| pair.before.holder_email().is_some_and(|email| wanted.contains(email));
        let freed = renamed().filter(gives).map(|pair| pair.before.clone().reset(now));
        Ok(freed.collect::<Result<Vec<License>, _>>()?)
    }

    /// Writes the changed copies. One whose new address has another license of the plan keeps its address.
    fn change_copies(&mut self, taken: &HashSet<Email>, now: chrono::DateTime<chrono::Utc>) {
        for pair in std::mem::take(&mut self.changed) {
            let mut after = pair.after;
            if let (Some(former), Some(email)) = (pair.before.holder_email(), after.holder_email())
                && former != email
                && taken.contains(email)
            {
                after = after.with_email(former.clone(), now);
                if after.state == pair.before.state {
                    continue;
                }
            }
            if after.status() != pair.before.status() && after.activation_date().is_some() {
                self.events.push((EventName::Activated, after.clone(), pair.original));
            }
            self.saved.push(after.clone());
            self.touched.push(after);
        }
    }
}
