//! Corrections of a license by staff, and licenses that staff add.

use chrono::{DateTime, Utc};

use super::learners::lock_person;
use super::manager::{LicenseManager, count_licenses, find_agreement, lock_plan};
use crate::error::{Conflict, Entity, Error, FieldErrors, Refusal};
use crate::history::{Actor, Change};
use crate::model::edit::Edit;
use crate::model::email::Email;
use crate::model::ids::{ActivationKey, LicenseId, LmsUserId, PlanId};
use crate::model::license::{ImpossibleTransition, License, LicenseStatus};
use crate::model::plan::{PlanDetails, SubscriptionPlan, is_salesforce_id};
use crate::model::transfer::HeldTwice;
use crate::outbox::{AssignmentMail, OutboxBuilder};
use crate::ports::{Person, StoreExt, UnitOfWork};

/// Changes of a license. `None` and [`Edit::Keep`] keep a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LicenseEdit {
    /// The new status, if a transition leads there.
    pub status: Option<LicenseStatus>,
    /// The new holder's email address.
    pub user_email: Option<Email>,
    /// The new LMS user id.
    pub lms_user_id: Edit<LmsUserId>,
    /// When it was assigned.
    pub assigned_date: Edit<DateTime<Utc>>,
    /// When it was activated.
    pub activation_date: Edit<DateTime<Utc>>,
    /// When its learner was last reminded.
    pub last_remind_date: Edit<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_date: Edit<DateTime<Utc>>,
    /// The Salesforce opportunity that it was assigned from.
    pub source: Edit<String>,
}

/// A license, and the Salesforce opportunity that it was assigned from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LicenseRecord {
    /// The license.
    pub license: License,
    /// The opportunity's id.
    pub source: Option<String>,
}

impl LicenseManager {
    /// A license with its source.
    ///
    /// # Errors
    /// [`Entity::License`] not found.
    pub fn license_record(&self, id: LicenseId) -> Result<LicenseRecord, Error> {
        self.store.read(|unit| {
            let license = unit.lookups().find(id)?.ok_or(Error::NotFound(Entity::License))?.0;
            with_source(unit, license)
        })
    }

    /// Corrects a license. A new status has the effects of the actions that lead there: an assigned license gets a key
    /// and its learner a mail; a revoked one counts against the plan's cap and is replaced. A new holder gets no mail.
    /// Dates in the edit replace those of the actions.
    ///
    /// # Errors
    /// [`Entity::License`] not found; [`Error::Invalid`] if the fields do not fit the status; [`Refusal::Impossible`]
    /// if no transition leads to the status; [`Refusal::RevocationCap`]; [`Conflict::LiveLicense`] if the holder has
    /// another live license of the plan, by address or LMS user id; [`Refusal::HolderOfOriginal`] for a new holder of a
    /// license that continues one of the prior plan, until its own plan starts.
    pub fn edit_license(&self, actor: &Actor, id: LicenseId, edit: LicenseEdit) -> Result<LicenseRecord, Error> {
        loop {
            // Plans are locked before licenses, so the plan is looked up first.
            let plan = self.license(id)?.plan;
            let edited = self.store.write(|unit| {
                let plan = lock_plan(unit, plan)?;
                let before = find_license(unit, id)?;
                // `None` if the license has left the plan.
                (before.plan == plan.plan.id).then(|| self.correct(unit, actor, plan, before, &edit)).transpose()
            })?;
            if let Some(edited) = edited {
                return Ok(edited);
            }
        }
    }

    /// Adds a license to a plan, also to a frozen one. It is unassigned, and then corrected.
    ///
    /// # Errors
    /// [`Error::UnknownReference`] if there is no such plan; [`Refusal::PlanIsFull`]; otherwise as
    /// [`LicenseManager::edit_license`].
    pub fn add_license(&self, actor: &Actor, plan: PlanId, edit: LicenseEdit) -> Result<LicenseRecord, Error> {
        let id = LicenseId(self.ids.next());
        self.store.write(|unit| {
            let unknown = Error::UnknownReference { field: "subscription_plan", entity: Entity::Plan };
            let details = unit.plans().lock(plan)?.ok_or(unknown)?;
            let plan = &details.plan;
            let total = count_licenses(unit, plan.id)?.total();
            if !plan.for_internal_use_only && total >= i64::from(SubscriptionPlan::MAX_LICENSES) {
                return Err(Refusal::PlanIsFull.into());
            }
            unit.licenses().add_unassigned(plan.id, &[id], &actor.change(self.now()))?;
            let added = find_license(unit, id)?;
            self.correct(unit, actor, details, added, &edit)
        })
    }

    /// Corrects a license of a plan. The caller has locked both.
    fn correct(
        &self,
        unit: &mut dyn UnitOfWork,
        actor: &Actor,
        details: PlanDetails,
        before: License,
        edit: &LicenseEdit,
    ) -> Result<LicenseRecord, Error> {
        // The license and its history need the same time: reports count an activation only if they agree.
        let now = self.now();
        let (id, plan, change) = (before.id, &details.plan, actor.change(now));
        let (edited, step) = self.edited(before.clone(), edit, now)?;
        if step.is_none() {
            check_holder(unit, &details, &before, &edited, now)?;
        }
        check_only_seat(unit, plan, &before, &edited)?;
        let agreement = find_agreement(unit, plan.agreement)?;
        let (stored, edited) = if step == Some(LicenseStatus::Revoked) {
            self.take_back(unit, actor, &agreement, details.clone(), vec![edited])?;
            let revoked = find_license(unit, id)?;
            (revoked.clone(), revoked)
        } else {
            (before.clone(), edited)
        };
        let edited = with_dates(edited, edit, now)?;
        if edited != stored {
            let mut outbox = OutboxBuilder::new(&agreement, plan, self.ids.as_ref(), now);
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
            unit.licenses().save(std::slice::from_ref(&edited), &change)?;
            outbox.write(unit)?;
        }
        // Also without a change: the license may have been added just now.
        let followed = self.follow(unit, &details, &[id], &change)?;
        let edited = if followed.copies > 0 { find_license(unit, id)? } else { edited };
        with_edited_source(unit, edited, &edit.source, &change)
    }

    /// The license with its new holder and status, and the status if it is new. The caller revokes it.
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
                .ok_or_else(|| Error::Invalid(FieldErrors::one("user_email", "Name the holder of the license.")))?;
            license = license.assign(email, ActivationKey(self.ids.next()), now)?;
        }
        check_fields(edit, step.unwrap_or(from))?;
        if let Some(email) = edit.user_email.clone().filter(|email| license.holder_email() != Some(email)) {
            license = license.with_email(email, now);
        }
        let mut user = license.lms_user_id();
        edit.lms_user_id.apply(&mut user);
        if user != license.lms_user_id() {
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

fn with_source(unit: &mut dyn UnitOfWork, license: License) -> Result<LicenseRecord, Error> {
    let source = unit.licenses().sources(&[license.id])?.remove(&license.id);
    Ok(LicenseRecord { license, source })
}

/// The license with the source of an edit, which is stored if it is another one.
fn with_edited_source(
    unit: &mut dyn UnitOfWork,
    license: License,
    edit: &Edit<String>,
    change: &Change,
) -> Result<LicenseRecord, Error> {
    let id = license.id;
    let known = with_source(unit, license)?;
    let mut source = known.source.clone();
    edit.clone().apply(&mut source);
    if source == known.source {
        return Ok(known);
    }
    match &source {
        Some(source) if !is_salesforce_id(source) => {
            let message = "A Salesforce id has 18 letters and digits.";
            return Err(Error::Invalid(FieldErrors::one("source_id", message)));
        }
        Some(source) => unit.licenses().set_sources(&[(id, source.clone())], change)?,
        None => unit.licenses().remove_sources(&[id], change)?,
    }
    Ok(LicenseRecord { source, ..known })
}

/// The license with the dates of the edit.
fn with_dates(license: License, edit: &LicenseEdit, now: DateTime<Utc>) -> Result<License, Error> {
    let mut columns = license.columns();
    let edit = edit.clone();
    set_fields! { columns, edit: assigned_date, activation_date, last_remind_date, revoked_date }
    if columns == license.columns() {
        return Ok(license);
    }
    let state = columns.into_state().ok_or_else(|| Error::internal("the dates do not fit the status"))?;
    Ok(License { state, modified: now, ..license })
}

/// Refuses fields that a license with this status does not have, and empty ones that it needs.
fn check_fields(edit: &LicenseEdit, status: LicenseStatus) -> Result<(), Error> {
    use LicenseStatus::{Activated, Assigned, Revoked, Unassigned};
    let mut errors = FieldErrors::default();
    if status == Unassigned {
        let message = "An unassigned license has no holder. Leave this out.";
        if edit.user_email.is_some() {
            errors.add("user_email", message);
        }
        if matches!(edit.lms_user_id, Edit::Set(_)) {
            errors.add("lms_user_id", message);
        }
    }
    for (field, date, needed_by, possible) in [
        ("assigned_date", edit.assigned_date, &[Assigned, Activated][..], status != Unassigned),
        ("activation_date", edit.activation_date, &[Activated], matches!(status, Activated | Revoked)),
        ("last_remind_date", edit.last_remind_date, &[], status != Unassigned),
        ("revoked_date", edit.revoked_date, &[Revoked], status == Revoked),
    ] {
        match date {
            Edit::Clear if needed_by.contains(&status) => {
                errors.add(field, format!("A license that is {status} needs this date."));
            }
            Edit::Set(_) if !possible => errors.add(field, format!("A license that is {status} has no such date.")),
            _ => {}
        }
    }
    errors.into_result()
}

/// Refuses a new holder for a copy that is kept in line with a license of the prior plan.
fn check_holder(
    unit: &mut dyn UnitOfWork,
    details: &PlanDetails,
    before: &License,
    edited: &License,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let holder = |license: &License| (license.holder_email().cloned(), license.lms_user_id());
    let (Some((prior, following)), Some(original)) = (details.as_following(), before.renewed_from) else {
        return Ok(());
    };
    if !before.is_live() || holder(before) == holder(edited) || following.start_date <= now {
        return Ok(());
    }
    let original = unit.lookups().find_by_ids(&[original])?;
    match original.iter().any(|(original, _)| original.plan == prior && original.is_live()) {
        true => Err(Refusal::HolderOfOriginal.into()),
        false => Ok(()),
    }
}

/// Refuses a new holder who has another live license of the plan, by address or LMS user id.
fn check_only_seat(
    unit: &mut dyn UnitOfWork,
    plan: &SubscriptionPlan,
    before: &License,
    edited: &License,
) -> Result<(), Error> {
    let Some(email) = edited.holder_email().filter(|_| edited.is_live()) else { return Ok(()) };
    let held = before.holder_email().filter(|_| before.is_live());
    let mut forms = if held == Some(email) { Vec::new() } else { email.stored_forms() };
    forms.retain(|form| held != Some(form));
    let user = edited.lms_user_id().filter(|user| !before.is_live() || before.lms_user_id() != Some(*user));
    let mut is_second = !unit.licenses().live_emails(plan.id, &forms)?.is_empty();
    if let Some(user) = user {
        let person = Person { email: None, lms_user_id: Some(user) };
        lock_person(unit, &person)?;
        let theirs = unit.licenses().find_by_person(plan.agreement, &person)?;
        is_second |= theirs.iter().any(|own| own.plan == plan.id && own.is_live() && own.id != edited.id);
    }
    match is_second {
        true => Err(Conflict::LiveLicense(vec![HeldTwice { license: edited.id, email: email.clone() }]).into()),
        false => Ok(()),
    }
}
