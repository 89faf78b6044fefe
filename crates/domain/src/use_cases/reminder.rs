//! Reminders: an admin asks learners again to activate their licenses.

use super::manager::{LicenseManager, count_licenses, count_matching, find_agreement, find_plan, lock_plan};
use super::selection::LicenseSelection;
use crate::error::{Error, Refusal};
use crate::history::Actor;
use crate::model::email::Email;
use crate::model::ids::{LicenseId, PlanId};
use crate::model::jobs::{Job, JobKind, Reminders};
use crate::model::license::{License, LicenseStatus};
use crate::model::plan::PlanDetails;
use crate::outbox::{OutboxBuilder, ReminderMail};
use crate::ports::{LicenseFilter, StoreExt, UnitOfWork};

/// The most licenses that a job reads in one transaction. Other writers to SQLite wait for it, and larger batches are
/// hardly faster.
const REMINDER_BATCH: i64 = 2_000;

impl LicenseManager {
    /// Adds a mail for each selected license that is assigned and not activated, and returns their number. If a filter
    /// matches more than [`crate::Settings::inline_limit`], and more than one batch, a job adds their mails. It leaves
    /// out licenses that are assigned later.
    ///
    /// Delivery sets the last remind date once the mail is sent. The licenses are locked, so that a retirement at the
    /// same time finds and deletes the mail.
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found; [`Refusal::NobodyToRemind`] if none of the addresses has such a license. A
    /// filter may match nobody. [`Refusal::AlreadyReminding`] if a job is needed, and one with another filter or other
    /// texts is unfinished. If it is the same, it continues, and no other is added.
    pub fn remind(
        &self,
        actor: &Actor,
        plan: PlanId,
        whose: &LicenseSelection,
        mail: &ReminderMail,
    ) -> Result<usize, Error> {
        match whose {
            LicenseSelection::Emails(emails) => self.store.write(|unit| {
                let details = find_plan(unit, plan)?.plan;
                let agreement = find_agreement(unit, details.agreement)?;
                let mut outbox = OutboxBuilder::new(&agreement, &details, self.ids.as_ref(), self.now());
                let licenses = unit.licenses().lock_live_by_emails(plan, &Email::all_stored_forms(emails))?;
                somebody(add_reminders(unit, &mut outbox, &licenses, mail)?)
            }),
            LicenseSelection::Matching(filter) => {
                let filter = assigned(filter);
                match self.very_many(plan, &filter)? {
                    Some(number) => self.remind_by_job(actor, plan, &filter, mail).map(|()| number),
                    None => self.store.write(|unit| self.remind_matching(unit, plan, &filter, mail)),
                }
            }
        }
    }

    /// [`LicenseManager::remind`] for the whole plan.
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found; [`Refusal::NobodyToRemind`] if no license is assigned and not activated;
    /// [`Refusal::AlreadyReminding`].
    pub fn remind_all(&self, actor: &Actor, plan: PlanId, mail: &ReminderMail) -> Result<usize, Error> {
        let everybody = assigned(&LicenseFilter::default());
        match self.very_many(plan, &everybody)? {
            Some(number) => self.remind_by_job(actor, plan, &everybody, mail).map(|()| number),
            None => self.store.write(|unit| somebody(self.remind_matching(unit, plan, &everybody, mail)?)),
        }
    }

    /// The number of licenses that match, if they are too many for a request. It only reads: a search in a large plan
    /// takes long, and must not keep others from writing.
    fn very_many(&self, plan: PlanId, filter: &LicenseFilter) -> Result<Option<usize>, Error> {
        let most = self.most_at_once();
        let number = self.store.read(|unit| {
            // The number of all is known at once.
            match count_licenses(unit, plan)?.assigned {
                few if few <= most => Ok(few),
                _ => Ok(count_matching(unit, plan, filter)?.assigned),
            }
        })?;
        Ok((number > most).then_some(number as usize))
    }

    /// Reads [`crate::Settings::batch_size`] licenses at a time, to bound memory.
    fn remind_matching(
        &self,
        unit: &mut dyn UnitOfWork,
        plan: PlanId,
        filter: &LicenseFilter,
        mail: &ReminderMail,
    ) -> Result<usize, Error> {
        let details = find_plan(unit, plan)?.plan;
        let agreement = find_agreement(unit, details.agreement)?;
        // One builder for all batches, so that they share the admin's words.
        let mut outbox = OutboxBuilder::new(&agreement, &details, self.ids.as_ref(), self.now());
        let batch = self.batch_size();
        let (mut reminded, mut after): (usize, Option<LicenseId>) = (0, None);
        loop {
            let licenses = unit.licenses().lock_live_after(plan, filter, after, batch)?;
            reminded += add_reminders(unit, &mut outbox, &licenses, mail)?;
            if (licenses.len() as i64) < batch {
                return Ok(reminded);
            }
            after = licenses.last().map(|license| license.id);
        }
    }

    /// Adds a job that reminds, unless the same one is unfinished.
    fn remind_by_job(
        &self,
        actor: &Actor,
        plan: PlanId,
        filter: &LicenseFilter,
        mail: &ReminderMail,
    ) -> Result<(), Error> {
        let reminders = Reminders {
            email_words: filter.email_words.clone(),
            assigned_until: filter.assigned_until,
            modified_since: filter.modified_since,
            greeting: mail.greeting.clone(),
            closing: mail.closing.clone(),
        };
        self.store.write(|unit| {
            let plan = lock_plan(unit, plan)?.plan.id;
            let unfinished = unit.jobs().find(plan, JobKind::Remind)?;
            match unfinished {
                None => {
                    let job = self.new_job(plan, JobKind::Remind, actor);
                    unit.jobs().add(&Job { reminders: Some(reminders.clone()), ..job })
                }
                Some(job) if job.reminders.as_ref() == Some(&reminders) => Ok(()),
                Some(_) => Err(Refusal::AlreadyReminding.into()),
            }
        })
    }

    /// One batch of a job that reminds: whether it was the last one, and how many mails were added. The job keeps how
    /// far it has read, in the same transaction: so it reminds of no license twice, whatever interrupts it.
    pub(crate) fn remind_batch(
        &self,
        unit: &mut dyn UnitOfWork,
        job: &Job,
        details: &PlanDetails,
    ) -> Result<(bool, i64), Error> {
        let Reminders { email_words, assigned_until, modified_since, greeting, closing } =
            job.reminders.clone().unwrap_or_default();
        // The request does not include licenses assigned after it.
        let assigned_until = Some(assigned_until.map_or(job.requested_at, |until| until.min(job.requested_at)));
        let wanted = LicenseFilter { email_words, assigned_until, modified_since, ..LicenseFilter::default() };
        let agreement = find_agreement(unit, details.plan.agreement)?;
        let mut outbox = OutboxBuilder::new(&agreement, &details.plan, self.ids.as_ref(), self.now());
        let batch = self.batch_size().min(REMINDER_BATCH);
        // Storage looks for assigned licenses alone: it would search for the words in the whole plan, for each batch.
        let (plan, status) = (details.plan.id, LicenseStatus::Assigned);
        let mut licenses = unit.licenses().lock_with_status_after(plan, status, job.read_until, batch)?;
        let is_last = (licenses.len() as i64) < batch;
        if !is_last {
            let read_until = licenses.last().map(|license| license.id);
            unit.jobs().add(&Job { read_until, ..job.clone() })?;
        }
        licenses.retain(|license| wanted.matches(license));
        let reminded = add_reminders(unit, &mut outbox, &licenses, &ReminderMail { greeting, closing })?;
        Ok((is_last, reminded as i64))
    }
}

/// The filter for those of the licenses that are assigned and not activated.
fn assigned(filter: &LicenseFilter) -> LicenseFilter {
    let mut statuses = vec![LicenseStatus::Assigned];
    statuses.retain(|status| filter.statuses.as_ref().is_none_or(|wanted| wanted.contains(status)));
    LicenseFilter { statuses: Some(statuses), ..filter.clone() }
}

/// Adds a mail for each of the licenses that is assigned and not activated.
fn add_reminders(
    unit: &mut dyn UnitOfWork,
    outbox: &mut OutboxBuilder<'_>,
    licenses: &[License],
    mail: &ReminderMail,
) -> Result<usize, Error> {
    outbox.write_for_each(unit, licenses, |outbox, license| {
        if license.status() == LicenseStatus::Assigned {
            outbox.reminded(license, mail);
        }
    })
}

/// Refuses to remind nobody.
fn somebody(reminded: usize) -> Result<usize, Error> {
    if reminded == 0 { Err(Refusal::NobodyToRemind.into()) } else { Ok(reminded) }
}
