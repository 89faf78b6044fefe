//! Corrections of a license by staff.

use chrono::{DateTime, Utc};

use super::manager::{LicenseManager, find_agreement, lock_plan};
use crate::error::{Conflict, Entity, Error, FieldErrors, Refusal};
use crate::history::Actor;
use crate::model::email::Email;
use crate::model::ids::{ActivationKey, LicenseId, LmsUserId, PlanId};
use crate::model::license::{ImpossibleTransition, License, LicenseStatus};
use crate::model::transfer::HeldTwice;
use crate::outbox::{AssignmentMail, OutboxBuilder};
use crate::ports::{StoreExt, UnitOfWork};

/// Changes of a license. `None` keeps a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LicenseEdit {
    /// The new status, if a transition leads there.
    pub status: Option<LicenseStatus>,
    /// The new holder's email address.
    pub user_email: Option<Email>,
    /// The new LMS user id; `Some(None)` removes it.
    pub lms_user_id: Option<Option<LmsUserId>>,
}

impl LicenseManager {
    /// Corrects a license. A new status has the effects of the actions that lead there: an assigned license gets a key
    /// and its learner a mail; a revoked one counts against the plan's cap and is replaced. A new holder gets no mail.
    ///
    /// # Errors
    /// [`Entity::License`] not found; [`Error::Invalid`] if the fields do not fit the status; [`Refusal::Impossible`]
    /// if no transition leads to the status; [`Refusal::RevocationCap`]; [`Conflict::LiveLicense`] if the holder has
    /// another live license of the plan.
    pub fn edit_license(&self, actor: &Actor, id: LicenseId, edit: LicenseEdit) -> Result<License, Error> {
        loop {
            // Plans are locked before licenses, so the plan is looked up first.
            let plan = self.license(id)?.plan;
            if let Some(edited) = self.edit_license_of(plan, actor, id, &edit)? {
                return Ok(edited);
            }
        }
    }

    /// `None` if the license has left the plan.
    fn edit_license_of(
        &self,
        plan: PlanId,
        actor: &Actor,
        id: LicenseId,
        edit: &LicenseEdit,
    ) -> Result<Option<License>, Error> {
        self.store.write(|unit| {
            // The license and its history need the same time: reports count an activation only if they agree.
            let now = self.now();
            let plan = lock_plan(unit, plan)?.plan;
            let before = find_license(unit, id)?;
            if before.plan != plan.id {
                return Ok(None);
            }
            let (edited, step) = self.edited(before.clone(), edit, now)?;
            check_only_seat(unit, &before, &edited)?;
            let agreement = find_agreement(unit, plan.agreement)?;
            if step == Some(LicenseStatus::Revoked) {
                self.take_back(unit, actor, &agreement, plan, vec![edited])?;
                return find_license(unit, id).map(Some);
            }
            if edited == before {
                return Ok(Some(before));
            }
            let mut outbox = OutboxBuilder::new(&agreement, &plan, self.ids.as_ref(), now);
            match (before.status(), edited.status()) {
                (LicenseStatus::Unassigned, LicenseStatus::Assigned) => {
                    outbox.assigned(&edited, &AssignmentMail::default());
                }
                (LicenseStatus::Unassigned, LicenseStatus::Activated) => {
                    // The learner is linked to the customer, but not asked to activate.
                    outbox.assigned(&edited, &AssignmentMail { notify: false, ..AssignmentMail::default() });
                    outbox.activated(&edited);
                }
                (LicenseStatus::Assigned, LicenseStatus::Activated) => outbox.activated(&edited),
                _ => {}
            }
            unit.licenses().save(std::slice::from_ref(&edited), &actor.change(now))?;
            outbox.write(unit)?;
            Ok(Some(edited))
        })
    }

    /// The corrected license, and its new status if it changes. The caller revokes it.
    fn edited(
        &self,
        license: License,
        edit: &LicenseEdit,
        now: DateTime<Utc>,
    ) -> Result<(License, Option<LicenseStatus>), Error> {
        let from = license.status();
        let step = edit.status.filter(|status| *status != from);
        let mut license = license;
        if from == LicenseStatus::Unassigned && matches!(step, Some(LicenseStatus::Assigned | LicenseStatus::Activated))
        {
            let email = edit
                .user_email
                .clone()
                .ok_or_else(|| Error::Invalid(FieldErrors::one("user_email", "Say whose the license is to be.")))?;
            license = license.assign(email, ActivationKey(self.ids.next()), now)?;
        }
        check_holder(edit, step.unwrap_or(from))?;
        if let Some(email) = edit.user_email.clone().filter(|email| license.holder_email() != Some(email)) {
            license = license.with_email(email, now);
        }
        if let Some(user) = edit.lms_user_id.filter(|user| license.lms_user_id() != *user) {
            license = license.with_lms_user_id(user, now);
        }
        let license = match step.filter(|status| *status != license.status()) {
            None => license,
            Some(LicenseStatus::Assigned) => return Err(impossible(from, "assigned")),
            Some(LicenseStatus::Activated) => license.activate(None, now)?,
            Some(LicenseStatus::Unassigned) => license.reset(now)?,
            Some(LicenseStatus::Revoked) if license.is_live() => license,
            Some(LicenseStatus::Revoked) => return Err(impossible(from, "revoked")),
        };
        Ok((license, step))
    }
}

fn impossible(from: LicenseStatus, step: &'static str) -> Error {
    Refusal::Impossible(ImpossibleTransition { from, step }).into()
}

fn find_license(unit: &mut dyn UnitOfWork, id: LicenseId) -> Result<License, Error> {
    unit.licenses().find_by_ids(&[id])?.pop().ok_or(Error::NotFound(Entity::License))
}

/// Refuses a holder of an unassigned license.
fn check_holder(edit: &LicenseEdit, status: LicenseStatus) -> Result<(), Error> {
    let mut errors = FieldErrors::default();
    if status == LicenseStatus::Unassigned {
        let message = "An unassigned license is nobody's.";
        if edit.user_email.is_some() {
            errors.add("user_email", message);
        }
        if edit.lms_user_id.flatten().is_some() {
            errors.add("lms_user_id", message);
        }
    }
    errors.into_result()
}

/// Refuses a new holder who has another live license of the plan.
fn check_only_seat(unit: &mut dyn UnitOfWork, before: &License, edited: &License) -> Result<(), Error> {
    let holder = |license: &License| license.holder_email().filter(|_| license.is_live()).cloned();
    let Some(email) = holder(edited).filter(|email| holder(before).as_ref() != Some(email)) else { return Ok(()) };
    if unit.licenses().live_emails(edited.plan, std::slice::from_ref(&email))?.is_empty() {
        Ok(())
    } else {
        Err(Conflict::LiveLicense(vec![HeldTwice { license: edited.id, email }]).into())
    }
}
