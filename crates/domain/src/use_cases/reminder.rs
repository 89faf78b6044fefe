//! Reminders: an admin asks learners again to activate their licenses.

use super::manager::{LicenseManager, find_agreement, find_plan};
use super::selection::LicenseSelection;
use crate::error::{Error, Refusal};
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
    /// [`crate::Entity::Plan`] not found; [`Refusal::NobodyToRemind`] without such a license.
    pub fn remind(&self, plan: PlanId, whose: &LicenseSelection, mail: &ReminderMail) -> Result<usize, Error> {
        self.store.write(|unit| {
            let reminded = match whose {
                LicenseSelection::Emails(emails) => {
                    let licenses = unit.licenses().lock_live_by_emails(plan, emails)?;
                    self.add_reminders(unit, plan, &licenses, mail)?
                }
                LicenseSelection::Matching(filter) => self.remind_matching(unit, plan, filter, mail)?,
            };
            if reminded == 0 { Err(Refusal::NobodyToRemind.into()) } else { Ok(reminded) }
        })
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
        let batch = self.batch_size();
        let (mut reminded, mut after): (usize, Option<LicenseId>) = (0, None);
        loop {
            let licenses = unit.licenses().lock_live_after(plan, &filter, after, batch)?;
            reminded += self.add_reminders(unit, plan, &licenses, mail)?;
            if (licenses.len() as i64) < batch {
                return Ok(reminded);
            }
            after = licenses.last().map(|license| license.id);
        }
    }

    fn add_reminders(
        &self,
        unit: &mut dyn UnitOfWork,
        plan: PlanId,
        licenses: &[License],
        mail: &ReminderMail,
    ) -> Result<usize, Error> {
        let plan = find_plan(unit, plan)?.plan;
        let agreement = find_agreement(unit, plan.agreement)?;
        let mut outbox = OutboxBuilder::new(&agreement, &plan, self.ids.as_ref(), self.now());
        for license in licenses.iter().filter(|license| license.status() == LicenseStatus::Assigned) {
            outbox.reminded(license, mail);
        }
        outbox.write(unit)
    }
}
