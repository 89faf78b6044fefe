//! Retirement: removes the personal data of a person.

use std::collections::{BTreeSet, HashSet};

use super::manager::LicenseManager;
use super::renewals::RenewedBy;
use super::staff_actions::Done;
use crate::error::Error;
use crate::history::Actor;
use crate::model::email::Email;
use crate::model::ids::{LicenseId, LmsUserId};
use crate::model::license::License;
use crate::model::staff_action::StaffActionKind;
use crate::ports::{Retiree, StoreExt, UnitOfWork};

/// The result of a retirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retirement {
    /// The number of existing licenses of the person.
    pub licenses: usize,
    /// Whether the user existed.
    pub user_was_known: bool,
}

impl LicenseManager {
    /// Removes the personal data of a person. Their licenses are found by LMS user id and by the email address of the
    /// user. Revoked licenses stay revoked; others become unassigned. The person is removed from the history of
    /// licenses, including deleted ones. Sources, waiting messages and the user are deleted. The person is removed from
    /// bulk enrollments, as learner and as requester, and the files of their results are written again. Retiring a
    /// person a second time changes nothing.
    pub fn retire(&self, actor: &Actor, lms_user_id: LmsUserId, username: &str) -> Result<Retirement, Error> {
        self.store.write(|unit| {
            let user = unit.users().find(username)?;
            let emails = user.and_then(|user| user.email).map(|email| stored_forms(&email)).unwrap_or_default();
            let person = Retiree { lms_user_id: Some(lms_user_id), emails, username: Some(username.to_owned()) };
            self.forget(unit, actor, &person)
        })
    }

    /// Removes the personal data of a person who has no account in the LMS, as [`LicenseManager::retire`] does. Their
    /// licenses are found by this address alone. Users are not looked for.
    pub fn retire_address(&self, actor: &Actor, address: &Email) -> Result<Retirement, Error> {
        let person = Retiree { lms_user_id: None, emails: stored_forms(address.as_str()), username: None };
        self.store.write(|unit| self.forget(unit, actor, &person))
    }

    fn forget(&self, unit: &mut dyn UnitOfWork, actor: &Actor, person: &Retiree) -> Result<Retirement, Error> {
        let now = self.now();
        let licenses = unit.retirement().lock_licenses(person)?;
        let deleted = unit.retirement().deleted_licenses(person)?;
        let found = licenses.len();
        let of_licenses = licenses.iter().map(|license| license.id);
        let mut ids: Vec<LicenseId> = of_licenses.chain(deleted.iter().map(|license| license.id)).collect();
        let named: BTreeSet<Email> = licenses
            .iter()
            .filter_map(|license| license.holder_email().cloned())
            .chain(deleted.iter().filter_map(|license| license.email.clone()))
            .collect();
        let emails = own_addresses(unit, person, named, &ids)?;
        let forgotten: Vec<License> = licenses.into_iter().map(|license| license.retire(now)).collect();
        let change = actor.change(now);
        unit.licenses().save(&forgotten, &change)?;
        let mut followed = self.change_copies_in_all_plans(unit, &forgotten, &change)?;
        ids.extend(followed.ended.iter().copied());

        unit.retirement().erase_sources(&ids)?;
        // Before the history, by which a store may find them.
        unit.retirement().erase_messages(&ids, &emails)?;
        unit.retirement().erase_history(&ids, person, &emails)?;
        if let Some(lms_user_id) = person.lms_user_id {
            unit.retirement().erase_requester(lms_user_id)?;
        }
        self.forget_in_enrollments(unit, &emails, now)?;
        let user_was_known = match &person.username {
            Some(username) => unit.retirement().erase_user(username)?,
            None => false,
        };
        // Only now: what is told of somebody who gets one of these licenses must stay.
        self.carry_over_waiting(unit, &mut followed, RenewedBy::Manual, &change)?;
        if found > 0 || user_was_known {
            // Without the person: neither their name nor their id stays.
            let done = Done { number: found, ..Done::default() };
            self.record(unit, actor, StaffActionKind::PersonRetired, done)?;
        }
        Ok(Retirement { licenses: found, user_was_known })
    }
}

/// The addresses that only this person has: those of their user, and those that their licenses have or had and no other
/// license has. Staff may have given a license the address of another person.
fn own_addresses(
    unit: &mut dyn UnitOfWork,
    person: &Retiree,
    named: BTreeSet<Email>,
    licenses: &[LicenseId],
) -> Result<Vec<Email>, Error> {
    let named: Vec<Email> = named.into_iter().collect();
    let licenses: HashSet<LicenseId> = licenses.iter().copied().collect();
    let holders = unit.lookups().find_by_emails(&Email::all_stored_forms(&named))?;
    let others = holders.iter().filter(|(license, _)| !licenses.contains(&license.id));
    let of_others: HashSet<Email> = others.filter_map(|(license, _)| license.holder_email().cloned()).collect();
    let own = named.iter().filter(|email| !email.is_among(&of_others));
    let own: BTreeSet<Email> = own.chain(&person.emails).cloned().collect();
    Ok(own.into_iter().collect())
}

/// The forms in which storage may have a user's address. Only ASCII is folded: other folding would name somebody else.
fn stored_forms(address: &str) -> Vec<Email> {
    let stored = Email::from_storage(address.to_ascii_lowercase());
    Email::all_stored_forms(&[stored.normal(), stored])
}
