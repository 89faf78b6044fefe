//! Revert: restores the licenses of a plan as they were at a time.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::manager::{LicenseManager, find_plan, lock_plan};
use crate::error::{Conflict, Error, FieldErrors, Refusal};
use crate::history::{Actor, FieldChange, Row, Version};
use crate::model::email::Email;
use crate::model::ids::{ActivationKey, LicenseId, LmsUserId, PlanId};
use crate::model::license::{License, LicenseStatus};
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

/// The result of a revert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reverted {
    /// The changed licenses and their changed fields, in the order of their ids.
    pub changed: Vec<(LicenseId, Vec<FieldChange>)>,
    /// The licenses that were written since and stay as they are.
    pub left_alone: Vec<(LicenseId, LeftAlone)>,
}

/// Why a license that was written since stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftAlone {
    /// It did not exist then.
    DidNotExist,
    /// It was in another plan then; a transfer brings it back.
    InAnotherPlan,
    /// Its holder was retired since, so their data is gone.
    HolderRetired,
    /// It was then as it is now.
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
    /// Links to renewed licenses stay, and so do revocations that were counted against a cap.
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found; [`Error::Invalid`] for licenses that are not in the plan, or a time in the
    /// future; [`Refusal::TooManyToRevert`] if more than [`crate::Settings::inline_limit`] were written since;
    /// [`Conflict::LiveLicense`] if somebody would hold two live licenses of the plan.
    pub fn revert(&self, actor: &Actor, request: &RevertRequest) -> Result<Reverted, Error> {
        let now = self.now();
        if request.as_of > now {
            return Err(Error::Invalid(FieldErrors::one("as_of", "This moment is yet to come.")));
        }
        if request.dry_run {
            return self.store.read(|unit| {
                find_plan(unit, request.plan)?;
                Ok(self.plan_revert(unit, request, now)?.outcome)
            });
        }
        self.store.write(|unit| {
            lock_plan(unit, request.plan)?;
            let now = self.now();
            let Planned { licenses, outcome } = self.plan_revert(unit, request, now)?;
            // Free seats first: the database refuses a second live license even within the transaction.
            let (taken, freed): (Vec<_>, Vec<_>) = licenses.into_iter().partition(License::is_live);
            let change = actor.change(now);
            unit.licenses().save(&freed, &change)?;
            unit.licenses().save(&taken, &change)?;
            Ok(outcome)
        })
    }

    fn plan_revert(
        &self,
        unit: &mut dyn UnitOfWork,
        request: &RevertRequest,
        now: DateTime<Utc>,
    ) -> Result<Planned, Error> {
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
        let mut planned = Planned { licenses: Vec::new(), outcome: Reverted { changed: vec![], left_alone: vec![] } };
        let mut before = HashMap::new();
        for license in present {
            match as_it_was(&license, former.get(&license.id), now) {
                Ok(reverted) => {
                    let changes = Row::from(&reverted).changes(&Row::from(&license));
                    planned.outcome.changed.push((license.id, changes));
                    planned.licenses.push(reverted);
                    before.insert(license.id, license);
                }
                Err(why) => planned.outcome.left_alone.push((license.id, why)),
            }
        }
        check_one_each(unit, request.plan, &planned.licenses, &before)?;
        Ok(planned)
    }
}

struct Planned {
    licenses: Vec<License>,
    outcome: Reverted,
}

/// The license with its former state.
fn as_it_was(license: &License, then: Option<&Version>, now: DateTime<Utc>) -> Result<License, LeftAlone> {
    let row = &then.ok_or(LeftAlone::DidNotExist)?.row;
    if row.uuid("subscription_plan_uuid") != Some(license.plan.0) {
        return Err(LeftAlone::InAnotherPlan);
    }
    // Retirement removes the holder from the history, but not the status that requires one.
    let state = columns(row).and_then(LicenseColumns::into_state).ok_or(LeftAlone::HolderRetired)?;
    let auto_applied = row.flag("auto_applied");
    if state == license.state && auto_applied == license.auto_applied {
        return Err(LeftAlone::Unchanged);
    }
    Ok(License { state, auto_applied, modified: now, ..license.clone() })
}

fn columns(row: &Row) -> Option<LicenseColumns> {
    Some(LicenseColumns {
        status: LicenseStatus::from_name(row.text("status")?)?,
        user_email: row.text("user_email").map(|text| Email::from_storage(text.to_owned())),
        lms_user_id: row.number("lms_user_id").map(LmsUserId),
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

/// Refuses a second live license of a holder, unless the same revert frees the first one.
fn check_one_each(
    unit: &mut dyn UnitOfWork,
    plan: PlanId,
    reverted: &[License],
    before: &HashMap<LicenseId, License>,
) -> Result<(), Error> {
    let mut holders = HashMap::new();
    let mut twice = Vec::new();
    for license in reverted.iter().filter(|license| license.is_live()) {
        let Some(email) = license.holder_email().cloned() else { continue };
        if holders.insert(email.clone(), license.id).is_some() {
            twice.push(HeldTwice { license: license.id, email });
        }
    }
    // An address that keeps its license causes no conflict.
    let keeps = |email: &Email, id: &LicenseId| {
        let was = before.get(id);
        was.is_some_and(|was| was.is_live() && was.holder_email() == Some(email))
    };
    let newly: Vec<Email> =
        holders.iter().filter(|(email, id)| !keeps(email, id)).map(|(email, _)| email.clone()).collect();
    // Nobody holds two now, so a holder whose license is freed by this revert has no other.
    let freed: HashSet<Email> = reverted
        .iter()
        .filter(|license| !license.is_live())
        .filter_map(|license| before.get(&license.id).filter(|was| was.is_live())?.holder_email().cloned())
        .collect();
    let holding = unit.licenses().live_emails(plan, &newly)?;
    let held = holding.into_iter().filter(|email| !freed.contains(email));
    twice.extend(held.filter_map(|email| Some(HeldTwice { license: *holders.get(&email)?, email })));
    twice.sort_unstable_by(|left, right| left.email.cmp(&right.email));
    twice.dedup_by(|left, right| left.email == right.email);
    if twice.is_empty() { Ok(()) } else { Err(Conflict::LiveLicense(twice).into()) }
}
