//! Retirement: a person is forgotten.

use std::collections::BTreeSet;

use super::manager::LicenseManager;
use crate::error::Error;
use crate::history::Actor;
use crate::model::email::Email;
use crate::model::ids::{LicenseId, LmsUserId};
use crate::model::license::License;
use crate::ports::{Retiree, StoreExt};

/// What a retirement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retirement {
    /// How many licenses forgot the person, those left out that were deleted before.
    pub licenses: usize,
    /// Whether there was a user of that name.
    pub user_was_known: bool,
}

impl LicenseManager {
    /// Forgets a person: their licenses, found by their LMS id and by the address known for their user name, lose every
    /// trace of them, also in the history; revoked ones stay revoked, the others are free again. The history forgets them by
    /// licenses that were deleted while they were theirs, too. Sources, messages that wait and the user are deleted; bulk
    /// enrollments lose them, as who asked for one as well, and files of their results are promised to be written anew. Retiring a person again changes
    /// nothing more.
    pub fn retire(&self, actor: &Actor, lms_user_id: LmsUserId, username: &str) -> Result<Retirement, Error> {
        self.store.write(|unit| {
            let now = self.now();
            let user = unit.users().find(username)?;
            let email = user.and_then(|user| user.email?.parse::<Email>().ok());
            let person = Retiree { lms_user_id, email, username: username.to_owned() };

            let licenses = unit.retirement().lock_licenses(&person)?;
            let deleted = unit.retirement().deleted_licenses(&person)?;
            let emails: BTreeSet<Email> = licenses
                .iter()
                .filter_map(|license| license.holder_email().cloned())
                .chain(deleted.iter().filter_map(|license| license.email.clone()))
                .chain(person.email.clone())
                .collect();
            let emails: Vec<Email> = emails.into_iter().collect();
            let found = licenses.len();
            let of_licenses = licenses.iter().map(|license| license.id);
            let ids: Vec<LicenseId> = of_licenses.chain(deleted.iter().map(|license| license.id)).collect();
            let forgotten: Vec<License> = licenses.into_iter().map(|license| license.retire(now)).collect();
            unit.licenses().save(&forgotten, &actor.change(now))?;

            unit.retirement().erase_sources(&ids)?;
            unit.retirement().erase_history(&ids, &person, &emails)?;
            unit.retirement().erase_messages(&ids, &emails)?;
            unit.retirement().erase_requester(lms_user_id)?;
            self.forget_in_enrollments(unit, &emails, now)?;
            let user_was_known = unit.retirement().erase_user(username)?;
            Ok(Retirement { licenses: found, user_was_known })
        })
    }
}
