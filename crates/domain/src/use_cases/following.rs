//! Following: the future plan of a processed renewal is kept in line with its prior plan, until the future plan starts.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};

use super::manager::{LicenseManager, count_licenses, find_agreement, find_plan, ids, save_licenses};
use super::renewals::RenewedBy;
use crate::error::Error;
use crate::history::Change;
use crate::model::email::Email;
use crate::model::following_plan::FollowingPlan;
use crate::model::ids::{LicenseId, PlanId};
use crate::model::license::{ImpossibleTransition, License, LicenseState};
use crate::model::plan::PlanDetails;
use crate::outbox::{EventName, OutboxBuilder, SLICE};
use crate::ports::UnitOfWork;

/// What keeping plans in line changed.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// The number of copies that were made, changed or ended.
    pub(crate) copies: usize,
    /// The copies that ended.
    pub(crate) ended: Vec<LicenseId>,
    /// How many of the licenses were not carried over, because the following plan has no unassigned license left.
    pub(crate) not_carried_over: usize,
    /// The plans that may have an unassigned license for a waiting license, each with its prior plan.
    open: Vec<(PlanId, FollowingPlan)>,
}

impl Followed {
    /// Adds what changed elsewhere, without what was not carried over there.
    fn add(&mut self, other: Self) {
        self.copies += other.copies;
        self.ended.extend(other.ended);
        for (prior, following) in other.open {
            self.open(prior, following);
        }
    }

    fn open(&mut self, prior: PlanId, following: FollowingPlan) {
        if self.open.iter().all(|(_, open)| open.id != following.id) {
            self.open.push((prior, following));
        }
    }
}

impl LicenseManager {
    /// Keeps plans in line after these licenses of a plan were written, or licenses were added to it. Every use case
    /// that writes licenses ends with this call. It changes the copies of these licenses in the plan that follows. If
    /// this plan follows another, it carries over the licenses that wait for an unassigned license of this plan.
    /// Calling it again changes nothing more.
    ///
    /// Runs no statement unless a processed renewal leads from or to the plan, and its renewed plan has not started.
    /// Read `plan` after the licenses are locked. Then a transaction that processes the renewal at the same time either
    /// waits for these locks, or its result is visible. If a license has left the plan, its copy ends.
    pub(crate) fn follow(
        &self,
        unit: &mut dyn UnitOfWork,
        plan: &PlanDetails,
        licenses: &[LicenseId],
        change: &Change,
    ) -> Result<Followed, Error> {
        let mut followed = self.change_copies(unit, plan, licenses, change)?;
        self.carry_over_waiting(unit, &mut followed, RenewedBy::Manual, change)?;
        Ok(followed)
    }

    /// As [`LicenseManager::follow`], for licenses of any plans. Waiting licenses are not carried over yet: end with
    /// [`LicenseManager::carry_over_waiting`].
    pub(crate) fn change_copies_in_all_plans(
        &self,
        unit: &mut dyn UnitOfWork,
        licenses: &[License],
        change: &Change,
    ) -> Result<Followed, Error> {
        let mut plans: Vec<PlanId> = licenses.iter().map(|license| license.plan).collect();
        plans.sort_unstable();
        plans.dedup();
        let mut followed = Followed::default();
        if plans.is_empty() {
            return Ok(followed);
        }
        for plan in unit.plans().in_renewals(&plans, change.at)? {
            let own = licenses.iter().filter(|license| license.plan == plan.plan.id).map(|license| license.id);
            let own: Vec<LicenseId> = own.collect();
            followed.add(self.change_copies(unit, &plan, &own, change)?);
        }
        Ok(followed)
    }

    /// As [`LicenseManager::follow`]. Waiting licenses are not carried over yet: end with
    /// [`LicenseManager::carry_over_waiting`].
    pub(crate) fn change_copies(
        &self,
        unit: &mut dyn UnitOfWork,
        plan: &PlanDetails,
        licenses: &[LicenseId],
        change: &Change,
    ) -> Result<Followed, Error> {
        let mut followed = match plan.followed_at(change.at) {
            Some(following) => self.align(unit, plan.plan.id, &following, licenses, RenewedBy::Manual, change)?,
            None => Followed::default(),
        };
        if let Some((prior, following)) = plan.follows_at(change.at) {
            followed.open(prior, following);
        }
        Ok(followed)
    }

    /// Carries over waiting licenses, as far as the plans that got unassigned licenses still have some.
    pub(crate) fn carry_over_waiting(
        &self,
        unit: &mut dyn UnitOfWork,
        followed: &mut Followed,
        by: RenewedBy,
        change: &Change,
    ) -> Result<(), Error> {
        while let Some((prior, following)) = followed.open.pop() {
            let waiting = waiting(unit, prior, &following)?;
            followed.add(self.align(unit, prior, &following, &waiting, by, change)?);
        }
        Ok(())
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
        let mut followed = self.align(unit, prior, following, &out_of_line, by, change)?;
        self.carry_over_waiting(unit, &mut followed, by, change)?;
        Ok(followed)
    }

    /// The licenses of the prior plan that the following plan is not in line with, as far as it has licenses for them.
    pub(crate) fn out_of_line(
        &self,
        unit: &mut dyn UnitOfWork,
        prior: PlanId,
        following: &FollowingPlan,
    ) -> Result<Vec<LicenseId>, Error> {
        let mut out_of_line = unit.renewals().differing_from(prior, following)?;
        out_of_line.extend(waiting(unit, prior, following)?);
        Ok(out_of_line)
    }

    /// Brings a following plan in line with these licenses, which are or were in its prior plan. See
    /// [`LicenseManager::follow`]; waiting licenses are not carried over yet.
    ///
    /// Works in slices, which bounds the rows of a statement. Only what the end of the work needs stays in memory.
    pub(crate) fn align(
        &self,
        unit: &mut dyn UnitOfWork,
        prior: PlanId,
        following: &FollowingPlan,
        licenses: &[LicenseId],
        by: RenewedBy,
        change: &Change,
    ) -> Result<Followed, Error> {
        let mut followed = Followed::default();
        if licenses.is_empty() {
            return Ok(followed);
        }
        // A license that is named twice must be in one slice.
        let mut licenses = licenses.to_vec();
        licenses.sort_unstable();
        licenses.dedup();
        let mut work = Work::new(prior, *following, Vec::new(), change.at);
        for slice in licenses.chunks(SLICE) {
            let mut part = Work::new(prior, *following, unit.licenses().find_by_ids(slice)?, change.at);
            for copy in unit.licenses().lock_copies(following.id, slice)? {
                part.compare(copy)?;
            }
            save_licenses(unit, &part.settle(), change)?;
            work.add(part);
        }
        let held = unit.licenses().live_emails(following.id, &Email::all_stored_forms(&work.new_addresses()))?;
        work.end_doubles(held)?;
        // Free seats first: the database refuses a second live license even within the transaction.
        save_licenses(unit, &work.freed()?, change)?;
        for slice in self.new_license_ids(work.replaced).chunks(SLICE) {
            unit.licenses().add_unassigned(following.id, slice, change)?;
        }
        save_licenses(unit, &work.changes(), change)?;
        followed.not_carried_over = carry_over(unit, &mut work, change)?;

        let touched = work.touched();
        followed.copies = touched.len();
        followed.ended = work.ended.iter().map(|license| license.id).collect();
        if touched.is_empty() {
            return Ok(followed);
        }
        if followed.not_carried_over == 0 && (!work.ended.is_empty() || work.took_linked) {
            followed.open(prior, *following);
        }
        let next = find_plan(unit, following.id)?;
        self.write_events(unit, &next, &work, by)?;
        if let Some(further) = next.followed_at(change.at) {
            followed.add(self.align(unit, next.plan.id, &further, &touched, by, change)?);
        }
        Ok(followed)
    }

    fn write_events(
        &self,
        unit: &mut dyn UnitOfWork,
        next: &PlanDetails,
        work: &Work,
        by: RenewedBy,
    ) -> Result<(), Error> {
        if work.events.is_empty() && work.carried_over.is_empty() {
            return Ok(());
        }
        let agreement = find_agreement(unit, next.plan.agreement)?;
        let mut outbox = OutboxBuilder::new(&agreement, &next.plan, self.ids.as_ref(), work.now);
        work.events.iter().for_each(|(name, copy)| outbox.event(*name, copy));
        work.carried_over.iter().for_each(|copy| outbox.renewed(copy, by == RenewedBy::Schedule));
        outbox.write(unit)?;
        Ok(())
    }
}

/// The licenses that wait for one of the following plan, as far as it has unassigned ones.
fn waiting(unit: &mut dyn UnitOfWork, prior: PlanId, following: &FollowingPlan) -> Result<Vec<LicenseId>, Error> {
    match count_licenses(unit, following.id)?.unassigned {
        0 => Ok(Vec::new()),
        free => unit.renewals().waiting_for(prior, following, free),
    }
}

/// Copies the licenses that have no copy to unassigned ones of the following plan. Returns how many found none.
fn carry_over(unit: &mut dyn UnitOfWork, work: &mut Work, change: &Change) -> Result<usize, Error> {
    let (prior, following) = (work.prior, work.following);
    let mut waiting: Vec<LicenseId> = Vec::new();
    for candidates in work.without_copy().chunks(SLICE) {
        waiting.extend(unit.renewals().waiting_among(prior, &following, candidates)?);
    }
    unit.licenses().announce_claims(following.id, waiting.len() as i64);
    let mut not_carried_over = 0;
    for slice in waiting.chunks(SLICE) {
        let free = unit.licenses().claim_unassigned(following.id, slice.len() as i64)?;
        work.took_linked |= unit.licenses().unlink(&ids(&free), change)? > 0;
        not_carried_over += slice.len() - free.len();
        let mut saved = Vec::with_capacity(2 * free.len());
        for (id, onto) in slice.iter().zip(free) {
            let Some(original) = work.originals.remove(id) else { continue };
            let (original, copy) = original.renew(onto, following.start_date, work.now)?;
            saved.extend([original, copy.clone()]);
            work.carried_over.push(copy);
        }
        save_licenses(unit, &saved, change)?;
    }
    Ok(not_carried_over)
}

/// A copy before and after a change.
struct Changed {
    before: License,
    after: License,
    original: LicenseId,
}

impl Changed {
    /// The new address, if it is another one.
    fn new_address(&self) -> Option<&Email> {
        self.after.holder_email().filter(|email| self.before.holder_email() != Some(email))
    }

    /// Its event, if the copy became activated.
    fn activation(&self) -> Option<(EventName, License)> {
        let became = self.after.status() != self.before.status() && self.after.activation_date().is_some();
        became.then(|| (EventName::Activated, self.after.clone()))
    }
}

/// The work on one following plan.
struct Work {
    prior: PlanId,
    following: FollowingPlan,
    now: DateTime<Utc>,
    originals: BTreeMap<LicenseId, License>,
    changed: Vec<Changed>,
    /// The changed copies that are written already.
    settled: Vec<LicenseId>,
    /// The copies that ended, as they are then.
    ended: Vec<License>,
    /// How many of them are replaced by unassigned licenses.
    replaced: i64,
    /// The addresses that ended or changed copies had.
    released: HashSet<Email>,
    /// The originals that go on without a copy.
    unlinked: Vec<LicenseId>,
    carried_over: Vec<License>,
    /// Whether one of those took a license that another original still named; see [`License::renewed_to`].
    took_linked: bool,
    events: Vec<(EventName, License)>,
}

impl Work {
    fn new(prior: PlanId, following: FollowingPlan, originals: Vec<License>, now: DateTime<Utc>) -> Self {
        Self {
            prior,
            following,
            now,
            originals: originals.into_iter().map(|license| (license.id, license)).collect(),
            changed: Vec::new(),
            settled: Vec::new(),
            ended: Vec::new(),
            replaced: 0,
            released: HashSet::new(),
            unlinked: Vec::new(),
            carried_over: Vec::new(),
            took_linked: false,
            events: Vec::new(),
        }
    }

    /// Adds the work on other licenses.
    fn add(&mut self, other: Self) {
        self.originals.extend(other.originals);
        self.changed.extend(other.changed);
        self.settled.extend(other.settled);
        self.ended.extend(other.ended);
        self.replaced += other.replaced;
        self.released.extend(other.released);
        self.unlinked.extend(other.unlinked);
        self.events.extend(other.events);
    }

    /// Takes the changed copies that keep their address. They can be written at once, because no other license needs
    /// their address. The work forgets them, and the originals for which nothing is left to do.
    fn settle(&mut self) -> Vec<License> {
        let all = std::mem::take(&mut self.changed).into_iter();
        let (renamed, kept): (Vec<Changed>, Vec<Changed>) = all.partition(|pair| pair.new_address().is_some());
        self.events.extend(kept.iter().filter_map(Changed::activation));
        self.settled.extend(kept.iter().map(|pair| pair.after.id));
        let needed: HashSet<LicenseId> = renamed.iter().map(|pair| pair.original).collect();
        self.originals.retain(|id, original| original.renewed_to.is_none() || needed.contains(id));
        self.changed = renamed;
        kept.into_iter().map(|pair| pair.after).collect()
    }

    /// Compares a live copy with its original.
    fn compare(&mut self, copy: License) -> Result<(), ImpossibleTransition> {
        let Some(original) = copy.renewed_from.and_then(|id| self.originals.get(&id)) else { return Ok(()) };
        match &original.state {
            LicenseState::Unassigned => self.reset(copy),
            // Its plan ended long ago, and personal data was removed. That says nothing about the plan to come.
            LicenseState::Revoked { former, .. } if former.email.is_none() => Ok(()),
            // It was given to somebody else while nothing followed, or comes back to its holder, who gets a new copy.
            _ if original.is_live() && original.renewed_to != Some(copy.id) => self.reset(copy),
            _ if original.plan == self.prior && self.following.takes(original.status()) => {
                let after = copy.clone().following(original, self.following.start_date, self.now);
                if after != copy {
                    self.changed.push(Changed { before: copy, after, original: original.id });
                }
                Ok(())
            }
            _ => self.revoke(copy),
        }
    }

    fn reset(&mut self, copy: License) -> Result<(), ImpossibleTransition> {
        self.released.extend(copy.holder_email().cloned());
        self.ended.push(copy.reset(self.now)?);
        Ok(())
    }

    fn revoke(&mut self, copy: License) -> Result<(), ImpossibleTransition> {
        self.released.extend(copy.holder_email().cloned());
        let copy = copy.revoke(self.now)?;
        self.events.push((EventName::Revoked, copy.clone()));
        self.replaced += 1;
        // A revoked copy that its original still names was revoked itself, and is not made again.
        copy.renewed_from.into_iter().for_each(|original| self.unlink(original, copy.id));
        self.ended.push(copy);
        Ok(())
    }

    fn unlink(&mut self, original: LicenseId, copy: LicenseId) {
        if let Some(original) = self.originals.get_mut(&original).filter(|found| found.renewed_to == Some(copy)) {
            (original.renewed_to, original.modified) = (None, self.now);
            self.unlinked.push(original.id);
        }
    }

    fn new_addresses(&self) -> Vec<Email> {
        self.changed.iter().filter_map(Changed::new_address).cloned().collect()
    }

    /// Ends the copies whose new address has another license of the plan, because a person may have only one. `held`
    /// are the new addresses that have a license now.
    fn end_doubles(&mut self, held: Vec<Email>) -> Result<(), ImpossibleTransition> {
        let renamed = self.changed.iter().filter(|pair| pair.new_address().is_some());
        self.released.extend(renamed.filter_map(|pair| pair.before.holder_email().cloned()));
        let taken: HashSet<Email> = held.into_iter().filter(|email| !self.released.contains(email)).collect();
        let is_double = |pair: &Changed| pair.new_address().is_some_and(|email| email.is_among(&taken));
        let all = std::mem::take(&mut self.changed).into_iter();
        let (doubles, changed): (Vec<Changed>, Vec<Changed>) = all.partition(is_double);
        self.changed = changed;
        for Changed { before, original, .. } in doubles {
            self.unlink(original, before.id);
            self.reset(before)?;
        }
        Ok(())
    }

    /// The licenses that are written first: copies that ended, and those whose address goes to another copy, without
    /// their holders. People may swap licenses.
    fn freed(&self) -> Result<Vec<License>, ImpossibleTransition> {
        let wanted: HashSet<&Email> = self.changed.iter().filter_map(Changed::new_address).collect();
        let gives = |pair: &&Changed| {
            pair.new_address().is_some() && pair.before.holder_email().is_some_and(|email| wanted.contains(email))
        };
        let passed_on = self.changed.iter().filter(gives).map(|pair| pair.before.clone().reset(self.now));
        passed_on.chain(self.ended.iter().cloned().map(Ok)).collect()
    }

    /// The licenses that are written then: copies with another address, and originals without a copy.
    fn changes(&mut self) -> Vec<License> {
        self.events.extend(self.changed.iter().filter_map(Changed::activation));
        let changed = self.changed.iter().map(|pair| pair.after.clone());
        changed.chain(self.unlinked.iter().filter_map(|id| self.originals.get(id)).cloned()).collect()
    }

    /// The licenses of the prior plan that may need a copy.
    fn without_copy(&self) -> Vec<LicenseId> {
        let may_need = |license: &&License| {
            license.plan == self.prior && license.renewed_to.is_none() && self.following.takes(license.status())
        };
        self.originals.values().filter(may_need).map(|license| license.id).collect()
    }

    /// The copies that were written.
    fn touched(&self) -> Vec<LicenseId> {
        let changed = self.changed.iter().map(|pair| &pair.after);
        let written = self.ended.iter().chain(changed).chain(&self.carried_over).map(|license| license.id);
        written.chain(self.settled.iter().copied()).collect()
    }
}
