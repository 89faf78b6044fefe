use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::repositories::LimitOffset;
use crate::error::Error;
use crate::history::Change;
use crate::model::email::Email;
use crate::model::ids::{ActivationKey, AgreementId, CustomerId, LicenseId, LmsUserId, PlanId};
use crate::model::license::{License, LicenseStatus};
use crate::model::plan::LicenseCounts;

/// A filter for a plan's licenses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LicenseFilter {
    /// Licenses with one of these statuses; an empty list matches none.
    pub statuses: Option<Vec<LicenseStatus>>,
    /// Licenses whose email address contains all of these words, in one of the forms of [`Email::search_words`].
    pub email_words: Vec<String>,
    /// Licenses that were assigned at this time or before.
    pub assigned_until: Option<DateTime<Utc>>,
    /// Leaves out revoked licenses whose holder was retired.
    pub hide_retired: bool,
    /// Licenses that were written at this time or later.
    pub modified_since: Option<DateTime<Utc>>,
}

impl LicenseFilter {
    /// The statuses that match, if nothing else decides: [`LicenseRepository::counts`] has their numbers.
    pub fn only_statuses(&self) -> Option<&[LicenseStatus]> {
        let Self { statuses, email_words, assigned_until, hide_retired, modified_since } = self;
        let others = !email_words.is_empty() || assigned_until.is_some() || *hide_retired || modified_since.is_some();
        (!others).then(|| statuses.as_deref().unwrap_or(&LicenseStatus::ALL))
    }

    /// Whether the license matches.
    pub fn matches(&self, license: &License) -> bool {
        let email = license.holder_email();
        let contains = |word: &String| email.is_some_and(|email| email.as_str().contains(word));
        let contains_all = |words: &Vec<String>| words.iter().all(contains);
        self.statuses.as_ref().is_none_or(|statuses| statuses.contains(&license.status()))
            && Email::search_words(&self.email_words).iter().any(contains_all)
            && self.assigned_until.is_none_or(|moment| license.assigned_date().is_some_and(|date| date <= moment))
            && !(self.hide_retired && email.is_none() && license.status() == LicenseStatus::Revoked)
            && self.modified_since.is_none_or(|moment| license.modified >= moment)
    }
}

/// The fields that licenses can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is the column of that name
pub enum LicenseField {
    Status,
    UserEmail,
    ActivationDate,
    LastRemindDate,
}

/// A sort key. Missing values come first ascending, last descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LicenseOrder {
    /// The field.
    pub field: LicenseField,
    /// Whether the order is descending.
    pub descending: bool,
}

/// The place of a license in a sorted list: its values when it was read, so that the place stays the same when the
/// license changes or is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // each is the column of that name
pub struct LicensePosition {
    pub id: LicenseId,
    pub status: LicenseStatus,
    pub user_email: Option<Email>,
    pub activation_date: Option<DateTime<Utc>>,
    pub last_remind_date: Option<DateTime<Utc>>,
}

impl From<&License> for LicensePosition {
    fn from(license: &License) -> Self {
        Self {
            id: license.id,
            status: license.status(),
            user_email: license.holder_email().cloned(),
            activation_date: license.activation_date(),
            last_remind_date: license.last_remind_date(),
        }
    }
}

/// A person as a license's holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their email address, if it is known and verified. An unknown address matches no license. A known one MUST match
    /// the licenses with any of its [`Email::stored_forms`].
    pub email: Option<Email>,
    /// Their LMS user id, if known. An unknown id matches no license.
    pub lms_user_id: Option<LmsUserId>,
}

/// Licenses.
///
/// Methods take or return many at once and MUST use a number of statements that does not depend on how many. They lock
/// rows in the order of their ids. Every write MUST record the history of each row.
pub trait LicenseRepository {
    /// A page of a plan's licenses. Ties are broken by id. `order` has each field at most once.
    fn list(
        &mut self,
        plan: PlanId,
        filter: &LicenseFilter,
        order: &[LicenseOrder],
        limit_offset: LimitOffset,
    ) -> Result<Vec<License>, Error> {
        not_provided!("licenses.list", plan, filter, order, limit_offset)
    }

    /// The number of a plan's licenses that match.
    fn count(&mut self, plan: PlanId, filter: &LicenseFilter) -> Result<i64, Error> {
        not_provided!("licenses.count", plan, filter)
    }

    /// The numbers of a plan's licenses that match, by status.
    fn count_by_status(&mut self, plan: PlanId, filter: &LicenseFilter) -> Result<LicenseCounts, Error> {
        not_provided!("licenses.count_by_status", plan, filter)
    }

    /// The exact numbers of each plan's licenses by status. Plans without licenses may be missing. MUST be fast in a plan
    /// with a million licenses.
    fn counts(&mut self, plans: &[PlanId]) -> Result<HashMap<PlanId, LicenseCounts>, Error> {
        not_provided!("licenses.counts", plans)
    }

    /// The next licenses of a plan that were ever assigned, sorted by id, after the given id: for streaming.
    fn handed_out_after(&mut self, plan: PlanId, after: Option<LicenseId>, limit: i64) -> Result<Vec<License>, Error> {
        not_provided!("licenses.handed_out_after", plan, after, limit)
    }

    /// A person's licenses in the plans of an agreement, revoked ones included.
    fn find_by_person(&mut self, agreement: AgreementId, person: &Person) -> Result<Vec<License>, Error> {
        not_provided!("licenses.find_by_person", agreement, person)
    }

    /// The licenses of a plan with this email address, revoked ones included.
    fn find_by_email(&mut self, plan: PlanId, email: &Email) -> Result<Vec<License>, Error> {
        not_provided!("licenses.find_by_email", plan, email)
    }

    /// The customer of the licenses with this activation key, to check permissions: that of the first one by id. Renewed
    /// licenses share their key.
    fn customer_of_activation_key(&mut self, key: ActivationKey) -> Result<Option<CustomerId>, Error> {
        not_provided!("licenses.customer_of_activation_key", key)
    }

    /// The existing licenses with these ids, sorted by id. Locks them in a writing unit of work.
    fn find_by_ids(&mut self, ids: &[LicenseId]) -> Result<Vec<License>, Error> {
        not_provided!("licenses.find_by_ids", ids)
    }

    /// The live licenses of the plan that continue one of these originals, by [`License::renewed_from`], sorted by id,
    /// locked.
    fn lock_copies(&mut self, plan: PlanId, originals: &[LicenseId]) -> Result<Vec<License>, Error> {
        not_provided!("licenses.lock_copies", plan, originals)
    }

    /// Locks a person until the end of the transaction, before the person's licenses are read. So requests that give
    /// the person a license run one after another, whatever address each names. Locks no row.
    ///
    /// MUST wait for another transaction that has locked the person.
    fn lock_person(&mut self, person: LmsUserId) -> Result<(), Error> {
        not_provided!("licenses.lock_person", person)
    }

    /// A person's licenses in all plans, revoked ones included, locked.
    fn lock_all_by_person(&mut self, person: &Person) -> Result<Vec<License>, Error> {
        not_provided!("licenses.lock_all_by_person", person)
    }

    /// Which of these addresses have a live license of the plan.
    fn live_emails(&mut self, plan: PlanId, emails: &[Email]) -> Result<Vec<Email>, Error> {
        not_provided!("licenses.live_emails", plan, emails)
    }

    /// The live licenses of these addresses in the plan, locked.
    fn lock_live_by_emails(&mut self, plan: PlanId, emails: &[Email]) -> Result<Vec<License>, Error> {
        not_provided!("licenses.lock_live_by_emails", plan, emails)
    }

    /// Up to `limit` of the plan's live licenses that match, sorted by id, after the given id, locked.
    fn lock_live_after(
        &mut self,
        plan: PlanId,
        filter: &LicenseFilter,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        not_provided!("licenses.lock_live_after", plan, filter, after, limit)
    }

    /// Up to `limit` of the plan's licenses with a status, sorted by id, after the given id, locked.
    fn lock_with_status_after(
        &mut self,
        plan: PlanId,
        status: LicenseStatus,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        not_provided!("licenses.lock_with_status_after", plan, status, after, limit)
    }

    /// Tells that this unit of work will claim up to `number` more unassigned licenses of the plan, in parts. A store
    /// that runs the work again where a claim finds too few may lock all of them for it. Does nothing by default.
    fn announce_claims(&mut self, plan: PlanId, number: i64) {
        let _ = (plan, number);
    }

    /// Locks up to `number` unassigned licenses of the plan until the end of the transaction.
    ///
    /// MUST return fewer only if the plan has fewer, also if this unit of work has claimed others before: licenses locked
    /// by other transactions are skipped, and waited for only if the others do not suffice. MUST never return a license
    /// that another transaction has locked.
    fn claim_unassigned(&mut self, plan: PlanId, number: i64) -> Result<Vec<License>, Error> {
        not_provided!("licenses.claim_unassigned", plan, number)
    }

    /// The people who have a live license of the plan, under any of the [`Email::stored_forms`] of their address; the
    /// address is returned as it is stored. And an unassigned license for each of the others, claimed as by
    /// [`LicenseRepository::claim_unassigned`]. The caller names nobody twice. A store may do both with one statement.
    fn claim_for(&mut self, plan: PlanId, people: &[Email]) -> Result<(Vec<Email>, Vec<License>), Error> {
        look_and_claim(self, plan, people)
    }

    /// Locks the plan's licenses that are not revoked, in one order, until the end of the transaction.
    ///
    /// MUST wait for transactions that have claimed some of them: the next statement sees the licenses that they
    /// assigned. Until the end of this transaction, [`LicenseRepository::claim_unassigned`] of other transactions MUST
    /// wait.
    fn lock_against_claims(&mut self, plan: PlanId) -> Result<(), Error> {
        not_provided!("licenses.lock_against_claims", plan)
    }

    /// Adds unassigned licenses to the plan.
    fn add_unassigned(&mut self, plan: PlanId, ids: &[LicenseId], change: &Change) -> Result<(), Error> {
        not_provided!("licenses.add_unassigned", plan, ids, change)
    }

    /// Deletes the plan's licenses with a status and their sources. Returns their number.
    ///
    /// MUST record each deletion with the source. MUST clear [`License::renewed_to`] where it names one of them, and
    /// record that too.
    fn delete(&mut self, plan: PlanId, status: LicenseStatus, change: &Change) -> Result<i64, Error> {
        not_provided!("licenses.delete", plan, status, change)
    }

    /// Deletes these licenses, like [`LicenseRepository::delete`]. MUST fail if one of them is not unassigned.
    fn delete_unassigned(&mut self, ids: &[LicenseId], change: &Change) -> Result<(), Error> {
        not_provided!("licenses.delete_unassigned", ids, change)
    }

    /// Deletes these licenses, like [`LicenseRepository::delete`]. MUST fail if one of them is not revoked.
    fn delete_revoked(&mut self, ids: &[LicenseId], change: &Change) -> Result<(), Error> {
        not_provided!("licenses.delete_revoked", ids, change)
    }

    /// Clears [`License::renewed_to`] where it names one of these licenses, and records that. Returns how many did.
    fn unlink(&mut self, copies: &[LicenseId], change: &Change) -> Result<i64, Error> {
        not_provided!("licenses.unlink", copies, change)
    }

    /// Adds licenses in any state. Conflicts like [`LicenseRepository::save`].
    fn add(&mut self, licenses: &[License], change: &Change) -> Result<(), Error> {
        not_provided!("licenses.add", licenses, change)
    }

    /// Writes existing licenses.
    ///
    /// MUST fail if one does not exist, and return [`crate::Conflict::LiveLicense`] if a person would get a second live
    /// license of a plan.
    fn save(&mut self, licenses: &[License], change: &Change) -> Result<(), Error> {
        not_provided!("licenses.save", licenses, change)
    }

    /// The Salesforce opportunities of these licenses. Licenses without one are missing.
    fn sources(&mut self, licenses: &[LicenseId]) -> Result<HashMap<LicenseId, String>, Error> {
        not_provided!("licenses.sources", licenses)
    }

    /// Sets the Salesforce opportunities that licenses were assigned from, replacing earlier ones.
    fn set_sources(&mut self, sources: &[(LicenseId, String)], change: &Change) -> Result<(), Error> {
        not_provided!("licenses.set_sources", sources, change)
    }

    /// Removes the Salesforce opportunities of these licenses, and records that. Licenses without one stay so.
    fn remove_sources(&mut self, licenses: &[LicenseId], change: &Change) -> Result<(), Error> {
        not_provided!("licenses.remove_sources", licenses, change)
    }
}

/// [`LicenseRepository::claim_for`] with [`LicenseRepository::live_emails`] and
/// [`LicenseRepository::claim_unassigned`], for stores that have no faster way.
///
/// # Errors
/// Those of both.
pub fn look_and_claim(
    licenses: &mut (impl LicenseRepository + ?Sized),
    plan: PlanId,
    people: &[Email],
) -> Result<(Vec<Email>, Vec<License>), Error> {
    let holders = licenses.live_emails(plan, &Email::all_stored_forms(people))?;
    let held: HashSet<Email> = holders.iter().cloned().collect();
    let newcomers = people.iter().filter(|email| !email.is_among(&held)).count();
    let free = licenses.claim_unassigned(plan, newcomers as i64)?;
    Ok((holders, free))
}

impl dyn LicenseRepository + '_ {
    /// Up to `limit` of the plan's live licenses that match, locked.
    pub fn lock_live(&mut self, plan: PlanId, filter: &LicenseFilter, limit: i64) -> Result<Vec<License>, Error> {
        self.lock_live_after(plan, filter, None, limit)
    }
}
