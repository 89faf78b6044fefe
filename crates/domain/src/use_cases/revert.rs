//! Revert: restores the licenses of a plan as they were at a time.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::history::refuse_removed;
use super::manager::{LicenseManager, count_licenses, find_plan, ids, lock_plan};
use super::renewals::RenewedBy;
use crate::error::{Conflict, Error, FieldErrors, Refusal};
use crate::history::{Actor, FieldChange, Row, Version};
use crate::model::email::Email;
use crate::model::ids::{ActivationKey, LicenseId, LmsUserId, PlanId};
use crate::model::license::{License, LicenseState, LicenseStatus};
use crate::model::license_columns::LicenseColumns;
use crate::model::transfer::HeldTwice;
use crate::ports::{StoreExt, UnitOfWork};

/// A request to restore licenses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevertRequest {
    /// The plan.
    pub plan: PlanId,
    /// The licenses to restore; `None` for all.
    pub licenses: Option<Vec<LicenseId>>,
    /// The time to restore.
    pub as_of: DateTime<Utc>,
    /// Whether to change nothing and only report.
    pub dry_run: bool,
}

impl RevertRequest {
    /// Restores all licenses of the plan.
    #[must_use]
    pub fn new(plan: PlanId, as_of: DateTime<Utc>) -> Self {
        Self { plan, licenses: None, as_of, dry_run: false }
    }
}

/// The result of a revert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reverted {
    /// The changed licenses and their changed fields, in the order of their ids.
    pub changed: Vec<(LicenseId, Vec<FieldChange>)>,
    /// The licenses that were written since that time and are not reverted.
    pub left_alone: Vec<(LicenseId, LeftAlone)>,
    /// The number of unassigned licenses that are deleted, because as many revoked ones come back.
    pub removed: i64,
    /// The number of unassigned licenses that are added, because as many are revoked.
    pub added: i64,
}

/// Why a license that was written since that time is not reverted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftAlone {
    /// It did not exist at that time.
    DidNotExist,
    /// It was in another plan at that time; a transfer can move it back.
    InAnotherPlan,
    /// Its holder was retired or removed since, so the address is not known any more.
    HolderRetired,
    /// It had the same state at that time.
    Unchanged,
}

names!(LeftAlone {
    DidNotExist => "did_not_exist",
    InAnotherPlan => "in_another_plan",
    HolderRetired => "holder_retired",
    Unchanged => "unchanged",
});

impl LicenseManager {
    /// Restores status, holder, dates and key of a plan's licenses as they were at a time. A dry run changes nothing.
    /// Links to renewed licenses stay, and so do revocations that were counted against a cap. The plan keeps its size: for
    /// revoked licenses that come back, as many unassigned ones are deleted; for licenses that are revoked, as many are
    /// added.
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found; [`Error::Invalid`] for licenses that are not in the plan, or a time in the
    /// future; [`Refusal::HistoryRemoved`] for a time whose history was removed; [`Refusal::TooManyToRevert`] if more
    /// than [`crate::Settings::inline_limit`] were written since; [`Conflict::LiveLicense`] if somebody would hold two
    /// live licenses of the plan; [`Refusal::TooFewToRemove`] if the plan has too few unassigned licenses to delete.
    pub fn revert(&self, actor: &Actor, request: &RevertRequest) -> Result<Reverted, Error> {
        let now = self.now();
        if request.as_of > now {
            return Err(Error::Invalid(FieldErrors::one("as_of", "This moment is in the future.")));
        }
        if request.dry_run {
            return self.store.read(|unit| {
                find_plan(unit, request.plan)?;
                Ok(self.plan_revert(unit, request, now)?.outcome)
            });
        }
        self.store.write(|unit| {
            let plan = lock_plan(unit, request.plan)?;
            let now = self.now();
            let Planned { licenses, before, outcome } = self.plan_revert(unit, request, now)?;
            let change = actor.change(now);
            let reverted = ids(&licenses);
            // Free seats first: the database refuses a second live license even within the transaction.
            let (taken, mut freed): (Vec<_>, Vec<_>) = licenses.into_iter().partition(License::is_live);
            let passed_on = taken.iter().filter_map(|license| passed_on(before.get(&license.id)?, license));
            freed.extend(passed_on);
            unit.licenses().save(&freed, &change)?;
            unit.licenses().save(&taken, &change)?;
            // Before some of them are deleted.
            let mut followed = self.change_copies(unit, &plan, &reverted, &change)?;
            let surplus = unit.licenses().claim_unassigned(request.plan, outcome.removed)?;
            check_seats(outcome.removed, surplus.len() as i64)?;
            let surplus: Vec<LicenseId> = surplus.iter().map(|license| license.id).collect();
            unit.licenses().delete_unassigned(&surplus, &change)?;
            unit.licenses().add_unassigned(request.plan, &self.new_license_ids(outcome.added), &change)?;
            self.carry_over_waiting(unit, &mut followed, RenewedBy::Manual, &change)?;
            Ok(outcome)
        })
    }

    fn plan_revert(
        &self,
        unit: &mut dyn UnitOfWork,
        request: &RevertRequest,
        now: DateTime<Utc>,
    ) -> Result<Planned, Error> {
        refuse_removed(unit, request.as_of)?;
        let mut written = unit.history().licenses_written_after(request.plan, request.as_of)?;
        if let Some(wanted) = &request.licenses {
            let present = unit.licenses().find_by_ids(wanted)?;
            check_all_in_plan(wanted, &present, request.plan)?;
            let wanted: HashSet<_> = wanted.iter().collect();
            written.retain(|id| wanted.contains(id));
        }
        // All of them stay in memory with their history.
        let most = self.settings.inline_limit;
        if written.len() > most as usize {
            return Err(Refusal::TooManyToRevert { most }.into());
        }
        // After waiting for the lock, a license may have left the plan.
        let mut present = unit.licenses().find_by_ids(&written)?;
        present.retain(|license| license.plan == request.plan);
        let former: HashMap<_, _> = unit
            .history()
            .licenses_as_of(&written, request.as_of)?
            .into_iter()
            .filter_map(|version| Some((LicenseId(version.row.uuid("uuid")?), version)))
            .collect();
        let mut planned = Planned::default();
        // By how many seats the plan grows, and how many of them are unassigned then.
        let (mut gained, mut unassigned) = (0, count_licenses(unit, request.plan)?.unassigned);
        for license in present {
            match as_it_was(&license, former.get(&license.id), now) {
                Ok(reverted) => {
                    let change =
                        |status| i64::from(reverted.status() == status) - i64::from(license.status() == status);
                    gained -= change(LicenseStatus::Revoked);
                    unassigned += change(LicenseStatus::Unassigned);
                    let changes = Row::from(&reverted).changes(&Row::from(&license));
                    planned.outcome.changed.push((license.id, changes));
                    planned.licenses.push(reverted);
                    planned.before.insert(license.id, license);
                }
                Err(why) => planned.outcome.left_alone.push((license.id, why)),
            }
        }
        (planned.outcome.removed, planned.outcome.added) = (gained.max(0), (-gained).max(0));
        check_one_each(unit, request.plan, &planned.licenses, &planned.before)?;
        check_seats(planned.outcome.removed, unassigned)?;
        Ok(planned)
    }
}

#[derive(Default)]
struct Planned {
    /// The licenses as they will be.
    licenses: Vec<License>,
    /// The same licenses as they are.
    before: HashMap<LicenseId, License>,
    outcome: Reverted,
}

/// Refuses a revert after which the plan would be larger.
fn check_seats(needed: i64, unassigned: i64) -> Result<(), Error> {
    match needed - unassigned {
        missing if missing > 0 => Err(Refusal::TooFewToRemove { missing }.into()),
        _ => Ok(()),
    }
}

/// The license without its holder, if its holder changes: two people may swap their licenses.
fn passed_on(before: &License, after: &License) -> Option<License> {
    if before.holder_email() == after.holder_email() {
        return None;
    }
    before.clone().reset(after.modified).ok()
}

/// The license with its former state.
fn as_it_was(license: &License, then: Option<&Version>, now: DateTime<Utc>) -> Result<License, LeftAlone> {
    let row = &then.ok_or(LeftAlone::DidNotExist)?.row;
    if row.uuid("subscription_plan_uuid") != Some(license.plan.0) {
        return Err(LeftAlone::InAnotherPlan);
    }
    // Retirement removes the holder's address from the history, but not the status.
    let state = columns(row).and_then(LicenseColumns::into_state).ok_or(LeftAlone::HolderRetired)?;
    let auto_applied = row.flag("auto_applied");
    if state == license.state && auto_applied == license.auto_applied {
        return Err(LeftAlone::Unchanged);
    }
    if matches!(&state, LicenseState::Revoked { former, .. } if former.email.is_none()) {
        return Err(LeftAlone::HolderRetired);
    }
    let renewed_to = license.renewed_to.filter(|_| state != LicenseState::Unassigned);
    let renewed_from = row.uuid("renewed_from_uuid").map(LicenseId);
    Ok(License { state, auto_applied, renewed_to, renewed_from, modified: now, ..license.clone() })
}

fn columns(row: &Row) -> Option<LicenseColumns> {
    Some(LicenseColumns {
        status: LicenseStatus::from_name(row.text("status")?)?,
        user_email: row.text("user_email").map(|text| Email::from_storage(text.to_owned())),
        lms_user_id: row.number("lms_user_id").and_then(LmsUserId::known),
        activation_key: row.uuid("activation_key").map(ActivationKey),
        assigned_date: row.moment("assigned_date"),
        last_remind_date: row.moment("last_remind_date"),
        activation_date: row.moment("activation_date"),
        revoked_date: row.moment("revoked_date"),
    })
}

fn check_all_in_plan(wanted: &[LicenseId], present: &[License], plan: PlanId) -> Result<(), Error> {
    let present: HashSet<_> = present.iter().filter(|license| license.plan == plan).map(|license| license.id).collect();
    let strangers: Vec<String> = wanted.iter().filter(|id| !present.contains(id)).map(ToString::to_string).collect();
    if strangers.is_empty() {
        return Ok(());
    }
    let message = format!("These are no licenses of the plan: {}.", strangers.join(", "));
    Err(Error::Invalid(FieldErrors::one("license_uuids", message)))
}

/// Refuses a second live license of a holder, unless the same revert takes the first one from them.
fn check_one_each(
    unit: &mut dyn UnitOfWork,
    plan: PlanId,
    reverted: &[License],
    before: &HashMap<LicenseId, License>,
) -> Result<(), Error> {
    let holder = |license: &License| license.seat().map(|seat| seat.email.clone());
    let (mut holders, mut twice) = (HashMap::new(), Vec::new());
    // An address that keeps its license causes no conflict.
    let (mut newly, mut released) = (Vec::new(), HashSet::new());
    for license in reverted {
        let (was, is) = (before.get(&license.id).and_then(holder), holder(license));
        if let Some(email) = is.clone()
            && holders.insert(email.clone(), license.id).is_some()
        {
            twice.push(HeldTwice { license: license.id, email });
        }
        if was != is {
            newly.extend(is);
            released.extend(was);
        }
    }
    // Nobody holds two now, so a holder whose license is taken by this revert has no other.
    let holding = unit.licenses().live_emails(plan, &Email::all_stored_forms(&newly))?;
    let held: HashSet<Email> = holding.into_iter().filter(|email| !released.contains(email)).collect();
    let doubled = newly.into_iter().filter(|email| email.is_among(&held));
    twice.extend(doubled.filter_map(|email| Some(HeldTwice { license: *holders.get(&email)?, email })));
    twice.sort_unstable_by(|left, right| left.email.cmp(&right.email));
    twice.dedup_by(|left, right| left.email == right.email);
    if twice.is_empty() { Ok(()) } else { Err(Conflict::LiveLicense(twice).into()) }
}
