use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::repositories::LimitOffset;
use crate::error::Error;
use crate::history::Change;
use crate::model::email::Email;
use crate::model::ids::{ActivationKey, AgreementId, LicenseId, LmsUserId, PlanId};
use crate::model::license::{License, LicenseStatus};
use crate::model::plan::{LicenseCounts, PlanDetails};

/// Which licenses of a plan a reader wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LicenseFilter {
    /// Only licenses in one of these states; an empty list matches none.
    pub statuses: Option<Vec<LicenseStatus>>,
    /// Only licenses whose email contains every one of these words, whatever the case.
    pub email_words: Vec<String>,
    /// Only licenses that were assigned, and not after this moment.
    pub assigned_until: Option<DateTime<Utc>>,
    /// Leaves out revoked licenses whose person was retired.
    pub hide_retired: bool,
}

/// What a list of licenses can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is the column of that name
pub enum LicenseField {
    Status,
    UserEmail,
    ActivationDate,
    LastRemindDate,
}

/// One key of a sort order. Absent values come first ascending, last descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LicenseOrder {
    /// What is compared.
    pub field: LicenseField,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// A person as licenses know them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their address.
    pub email: Email,
    /// Their id in the LMS, where known. An unknown id matches no license.
    pub lms_user_id: Option<LmsUserId>,
}

/// Licenses.
///
/// Every method takes or returns many at once and MUST use a number of statements that does not depend on how many. Rows are
/// locked in the order of their ids. Every write MUST record the history of each row it touches.
pub trait LicenseRepository {
    /// One page of a plan's licenses. Where the keys leave two licenses equal, the id decides. `order` names each field at
    /// most once.
    fn list(
        &mut self,
        plan: PlanId,
        filter: &LicenseFilter,
        order: &[LicenseOrder],
        limit_offset: LimitOffset,
    ) -> Result<Vec<License>, Error>;

    /// How many of a plan's licenses match.
    fn count(&mut self, plan: PlanId, filter: &LicenseFilter) -> Result<i64, Error>;

    /// How many of a plan's licenses match, in each state.
    fn count_by_status(&mut self, plan: PlanId, filter: &LicenseFilter) -> Result<LicenseCounts, Error>;

    /// How many licenses each of the plans has in each state, exactly. Plans without licenses may be missing.
    fn counts(&mut self, plans: &[PlanId]) -> Result<HashMap<PlanId, LicenseCounts>, Error>;

    /// The next licenses of a plan in the order of their ids that were ever handed out, after the given id: for streaming.
    fn handed_out_after(&mut self, plan: PlanId, after: Option<LicenseId>, limit: i64) -> Result<Vec<License>, Error>;

    /// A person's licenses in the plans of an agreement, revoked ones included.
    fn find_by_person(&mut self, agreement: AgreementId, person: &Person) -> Result<Vec<License>, Error>;

    /// A person's licenses of one plan that are found by the address alone, revoked ones included.
    fn of_email(&mut self, plan: PlanId, email: &Email) -> Result<Vec<License>, Error>;

    /// The licenses an activation key was given to, with their plans: a renewal carries the key on.
    /// Locks the licenses where the unit of work writes.
    fn of_activation_key(&mut self, key: ActivationKey) -> Result<Vec<(License, PlanDetails)>, Error>;

    /// The licenses of these ids that exist, in the order of their ids. Locks them where the unit of work writes.
    fn of_ids(&mut self, ids: &[LicenseId]) -> Result<Vec<License>, Error>;

    /// A person's licenses of every plan, revoked ones included, locked.
    fn lock_all_by_person(&mut self, person: &Person) -> Result<Vec<License>, Error>;

    /// Those of the addresses that hold a live license of the plan.
    fn live_emails(&mut self, plan: PlanId, emails: &[Email]) -> Result<Vec<Email>, Error>;

    /// The live licenses of these addresses in the plan, locked.
    fn lock_live_of_emails(&mut self, plan: PlanId, emails: &[Email]) -> Result<Vec<License>, Error>;

    /// The plan's live licenses that match, at most `limit` of them, locked.
    fn lock_live(&mut self, plan: PlanId, filter: &LicenseFilter, limit: i64) -> Result<Vec<License>, Error> {
        self.lock_live_after(plan, filter, None, limit)
    }

    /// The next of the plan's live licenses that match, in the order of their ids after the given one, at most `limit` of
    /// them, locked.
    fn lock_live_after(
        &mut self,
        plan: PlanId,
        filter: &LicenseFilter,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error>;

    /// The next of the plan's revoked licenses, in the order of their ids after the given one, at most `limit` of them, locked.
    fn lock_revoked_after(&mut self, plan: PlanId, after: Option<LicenseId>, limit: i64)
    -> Result<Vec<License>, Error>;

    /// Takes up to `number` unassigned licenses of the plan, locked until the end of the transaction.
    ///
    /// MUST return fewer only where the plan has fewer: licenses that another transaction holds are skipped, and waited for
    /// only when the others do not suffice. MUST never return a license another transaction holds.
    fn claim_unassigned(&mut self, plan: PlanId, number: i64) -> Result<Vec<License>, Error>;

    /// Adds unassigned licenses to the plan.
    fn add_unassigned(&mut self, plan: PlanId, ids: &[LicenseId], change: &Change) -> Result<(), Error>;

    /// Deletes the plan's licenses of a status, with their sources, and tells how many there were.
    ///
    /// MUST record each with its source as deleted. MUST empty [`License::renewed_to`] where it names one of them, and record
    /// that too.
    fn delete(&mut self, plan: PlanId, status: LicenseStatus, change: &Change) -> Result<i64, Error>;

    /// Adds licenses as they stand, with who holds them. Conflicts as [`LicenseRepository::save`].
    fn add(&mut self, licenses: &[License], change: &Change) -> Result<(), Error>;

    /// Writes licenses that exist.
    ///
    /// MUST fail where one does not exist, and return [`crate::Conflict::LiveLicense`] where a person would get a second
    /// live license of a plan.
    fn save(&mut self, licenses: &[License], change: &Change) -> Result<(), Error>;

    /// Notes the Salesforce opportunities that licenses were assigned from; one noted before is replaced.
    fn set_sources(&mut self, sources: &[(LicenseId, String)], change: &Change) -> Result<(), Error>;
}
