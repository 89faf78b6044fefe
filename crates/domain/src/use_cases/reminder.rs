//! Reminders: an admin asks learners again to activate their licenses.

use super::manager::{LicenseManager, find_agreement, find_plan};
use super::selection::LicenseSelection;
use crate::error::{Error, Refusal};
use crate::model::email::Email;
use crate::model::ids::{LicenseId, PlanId};
use crate::model::license::{License, LicenseStatus};
use crate::outbox::{OutboxBuilder, ReminderMail};
use crate::ports::{LicenseFilter, StoreExt, UnitOfWork};

impl LicenseManager {
    /// Adds a mail for each selected license that is assigned and not activated, and returns their number.
    ///
    /// Delivery sets the last remind date once the mail is sent. The licenses are locked, so that a retirement at the
    /// same time finds and deletes the mail.
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found; [`Refusal::NobodyToRemind`] if none of the addresses has such a license. A
    /// filter may match nobody.
    pub fn remind(&self, plan: PlanId, whose: &LicenseSelection, mail: &ReminderMail) -> Result<usize, Error> {
        self.store.write(|unit| match whose {
            LicenseSelection::Emails(emails) => {
                let details = find_plan(unit, plan)?.plan;
                let agreement = find_agreement(unit, details.agreement)?;
                let mut outbox = OutboxBuilder::new(&agreement, &details, self.ids.as_ref(), self.now());
                let licenses = unit.licenses().lock_live_by_emails(plan, &Email::all_stored_forms(emails))?;
                somebody(add_reminders(unit, &mut outbox, &licenses, mail)?)
            }
            LicenseSelection::Matching(filter) => self.remind_matching(unit, plan, filter, mail),
        })
    }

    /// [`LicenseManager::remind`] for the whole plan.
    ///
    /// # Errors
    /// [`crate::Entity::Plan`] not found; [`Refusal::NobodyToRemind`] if no license is assigned and not activated.
    pub fn remind_all(&self, plan: PlanId, mail: &ReminderMail) -> Result<usize, Error> {
        self.store.write(|unit| somebody(self.remind_matching(unit, plan, &LicenseFilter::default(), mail)?))
    }

    /// Reads [`crate::Settings::batch_size`] licenses at a time, to bound memory.
    fn remind_matching(
        &self,
        unit: &mut dyn UnitOfWork,
        plan: PlanId,
        filter: &LicenseFilter,
        mail: &ReminderMail,
    ) -> Result<usize, Error> {
        let mut statuses = vec![LicenseStatus::Assigned];
        statuses.retain(|status| filter.statuses.as_ref().is_none_or(|wanted| wanted.contains(status)));
        let filter = LicenseFilter { statuses: Some(statuses), ..filter.clone() };
        let details = find_plan(unit, plan)?.plan;
        let agreement = find_agreement(unit, details.agreement)?;
        // One builder for all batches, so that they share the admin's words.
        let mut outbox = OutboxBuilder::new(&agreement, &details, self.ids.as_ref(), self.now());
        let batch = self.batch_size();
        let (mut reminded, mut after): (usize, Option<LicenseId>) = (0, None);
        loop {
            let licenses = unit.licenses().lock_live_after(plan, &filter, after, batch)?;
            reminded += add_reminders(unit, &mut outbox, &licenses, mail)?;
            if (licenses.len() as i64) < batch {
                return Ok(reminded);
            }
            after = licenses.last().map(|license| license.id);
        }
    }
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
