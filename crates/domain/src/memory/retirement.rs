use super::{MemoryUnit, Tables};
use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::{LicenseId, LmsUserId};
use crate::model::license::License;
use crate::model::license_columns::LicenseColumns;
use crate::outbox::{Message, Payload, Topic};
use crate::ports::{DeletedLicense, Retiree, RetirementRepository};

fn is_of(person: &Retiree, columns: &LicenseColumns) -> bool {
    let has_address = columns.user_email.as_ref().is_some_and(|email| person.emails.contains(email));
    let has_id = person.lms_user_id.is_some() && columns.lms_user_id == person.lms_user_id;
    has_id || has_address
}

impl RetirementRepository for MemoryUnit<'_> {
    fn lock_licenses(&mut self, person: &Retiree) -> Result<Vec<License>, Error> {
        let licenses = self.written()?.licenses.values();
        Ok(licenses.filter(|license| is_of(person, &license.columns())).cloned().collect())
    }

    fn deleted_licenses(&mut self, person: &Retiree) -> Result<Vec<DeletedLicense>, Error> {
        let mut found = Vec::new();
        for entry in self.written()?.recorded().filter(|entry| entry.table == "license" && entry.kind == '-') {
            let Some(columns) = entry.license.as_ref().filter(|columns| is_of(person, columns)) else { continue };
            let id = LicenseId(entry.id.parse().map_err(Error::internal)?);
            found.push(DeletedLicense { id, email: columns.user_email.clone() });
        }
        Ok(found)
    }

    fn erase_history(&mut self, licenses: &[LicenseId], person: &Retiree, emails: &[Email]) -> Result<(), Error> {
        let tables = self.written()?;
        let newest = tables.newest_of(licenses);
        for entry in &mut tables.history {
            let Some(columns) = &entry.license else { continue };
            let held = columns.user_email.as_ref().is_some_and(|email| emails.contains(email));
            if newest.contains_key(&entry.id) || held || is_of(person, columns) {
                entry.forget(None, newest.get(&entry.id).and_then(|columns| columns.activation_key));
                entry.change.by.take_if(|name| person.username.as_deref() == Some(name.as_str()));
            }
        }
        Ok(())
    }

    fn erase_sources(&mut self, licenses: &[LicenseId]) -> Result<(), Error> {
        let tables = self.written()?;
        tables.sources.retain(|license, _| !licenses.contains(license));
        let licenses: Vec<String> = licenses.iter().map(ToString::to_string).collect();
        tables.history.retain(|entry| entry.table != "license_source" || !licenses.contains(&entry.id));
        Ok(())
    }

    fn erase_messages(&mut self, licenses: &[LicenseId], emails: &[Email]) -> Result<(), Error> {
        self.written()?.forget(licenses, emails);
        Ok(())
    }

    fn erase_requester(&mut self, lms_user_id: LmsUserId) -> Result<(), Error> {
        let tables = self.written()?;
        let asked = tables.enrollment_jobs.values_mut().filter(|job| job.lms_user_id == Some(lms_user_id));
        asked.for_each(|job| job.lms_user_id = None);
        let tells_them = |message: &Message| matches!(&message.payload, Payload::EnrollmentResultsMail(results) if results.lms_user_id == lms_user_id);
        tables.queue.retain(|work| !work.message().is_some_and(tells_them));
        Ok(())
    }

    fn erase_user(&mut self, username: &str) -> Result<bool, Error> {
        let tables = self.written()?;
        tables.roles.retain(|assigned| assigned.username != username);
        for action in &mut tables.staff_actions {
            action.by.take_if(|by| by == username);
            action.user.take_if(|user| user == username);
        }
        Ok(tables.users.remove(username).is_some())
    }
}

impl Tables {
    /// Removes messages and deliveries about these licenses, or about licenses of these addresses.
    pub(super) fn forget(&mut self, licenses: &[LicenseId], emails: &[Email]) {
        let named: Vec<String> = emails.iter().map(Email::as_json).collect();
        self.queue.retain(|work| {
            let Some(message) = work.message() else { return true };
            let about_one = message.license.is_some() || message.payload.topic() == Topic::LicenseEvent;
            let text = message.payload.to_text();
            let names_one = about_one && named.iter().any(|email| text.contains(email));
            !names_one && message.license.is_none_or(|license| !licenses.contains(&license))
        });
    }
}
