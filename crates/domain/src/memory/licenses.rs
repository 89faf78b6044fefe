use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::{MemoryUnit, Tables, next, part, replace};
use crate::error::{Conflict, Error};
use crate::history::Change;
use crate::model::email::Email;
use crate::model::ids::{ActivationKey, AgreementId, CustomerId, LicenseId, LmsUserId, PlanId};
use crate::model::license::{License, LicenseStatus};
use crate::model::plan::LicenseCounts;
use crate::ports::{
    LicenseField, LicenseFilter, LicenseOrder, LicensePosition, LicenseRepository, LimitOffset, Person, look_and_claim,
};

pub(super) fn compare(order: &[LicenseOrder], left: &LicensePosition, right: &LicensePosition) -> Ordering {
    order
        .iter()
        .map(|key| {
            let ordering = match key.field {
                LicenseField::Status => left.status.cmp(&right.status),
                LicenseField::UserEmail => left.user_email.cmp(&right.user_email),
                LicenseField::ActivationDate => left.activation_date.cmp(&right.activation_date),
                LicenseField::LastRemindDate => left.last_remind_date.cmp(&right.last_remind_date),
            };
            if key.descending { ordering.reverse() } else { ordering }
        })
        .find(|ordering| ordering.is_ne())
        .unwrap_or_else(|| left.id.cmp(&right.id))
}

pub(super) fn sort(licenses: &mut [License], order: &[LicenseOrder]) {
    licenses.sort_by(|left, right| compare(order, &left.into(), &right.into()));
}

fn count<'a>(licenses: impl Iterator<Item = &'a License>) -> LicenseCounts {
    let mut counts = LicenseCounts::default();
    for license in licenses {
        *counts.of_mut(license.status()) += 1;
    }
    counts
}

fn is_of(person: &Person, license: &License) -> bool {
    person.email.as_ref().is_some_and(|email| license.has_address(email))
        || (person.lms_user_id.is_some() && license.lms_user_id() == person.lms_user_id)
}

/// Refuses a second live license of a person in a plan.
pub(super) fn check_holders(tables: &Tables, written: &[License]) -> Result<(), Error> {
    let plans: HashSet<PlanId> = written.iter().map(|license| license.plan).collect();
    let mut holders = HashSet::new();
    for license in tables.licenses.values().filter(|license| license.is_live() && plans.contains(&license.plan)) {
        if !holders.insert((license.plan, license.holder_email())) {
            return Err(Conflict::LiveLicense(Vec::new()).into());
        }
    }
    Ok(())
}

/// Refuses two licenses that were renewed to the same one.
fn check_links(tables: &Tables) -> Result<(), Error> {
    let mut named = HashSet::new();
    let mut links = tables.licenses.values().filter_map(|license| license.renewed_to);
    if links.all(|copy| named.insert(copy)) {
        Ok(())
    } else {
        Err(Error::internal("two licenses were renewed to the same one"))
    }
}

impl Tables {
    /// Clears the links to these licenses, and returns how many there were.
    fn unlink(&mut self, copies: &HashSet<LicenseId>, change: &Change) -> usize {
        let mut pointing = Vec::new();
        for license in self.licenses.values_mut() {
            if license.renewed_to.is_some_and(|to| copies.contains(&to)) {
                license.renewed_to = None;
                license.modified = change.at;
                pointing.push(license.clone());
            }
        }
        for license in &pointing {
            self.record_license(license, '~', change);
        }
        pointing.len()
    }

    fn delete_licenses(&mut self, deleted: &HashSet<LicenseId>, change: &Change) {
        self.unlink(deleted, change);
        for id in deleted {
            if self.sources.remove(id).is_some() {
                self.record("license_source", id, '-', change);
            }
            if let Some(license) = self.licenses.remove(id) {
                self.record_license(&license, '-', change);
            }
        }
    }

    /// Deletes these licenses, which must have this status.
    fn delete_named(&mut self, ids: &[LicenseId], status: LicenseStatus, change: &Change) -> Result<(), Error> {
        let has_status = |id| self.licenses.get(id).is_some_and(|license| license.status() == status);
        if !ids.iter().all(has_status) {
            return Err(Error::internal(format!("one of the licenses to delete is not {}", status.as_str())));
        }
        self.delete_licenses(&ids.iter().copied().collect(), change);
        Ok(())
    }
}

impl LicenseRepository for MemoryUnit<'_> {
    fn list(
        &mut self,
        plan: PlanId,
        filter: &LicenseFilter,
        order: &[LicenseOrder],
        limit_offset: LimitOffset,
    ) -> Result<Vec<License>, Error> {
        let mut licenses: Vec<License> =
            self.tables.licenses_of(plan).filter(|license| filter.matches(license)).cloned().collect();
        sort(&mut licenses, order);
        Ok(part(licenses, limit_offset))
    }

    fn count(&mut self, plan: PlanId, filter: &LicenseFilter) -> Result<i64, Error> {
        Ok(self.tables.licenses_of(plan).filter(|license| filter.matches(license)).count() as i64)
    }

    fn count_by_status(&mut self, plan: PlanId, filter: &LicenseFilter) -> Result<LicenseCounts, Error> {
        Ok(count(self.tables.licenses_of(plan).filter(|license| filter.matches(license))))
    }

    fn counts(&mut self, plans: &[PlanId]) -> Result<HashMap<PlanId, LicenseCounts>, Error> {
        Ok(plans.iter().map(|&plan| (plan, count(self.tables.licenses_of(plan)))).collect())
    }

    fn handed_out_after(&mut self, plan: PlanId, after: Option<LicenseId>, limit: i64) -> Result<Vec<License>, Error> {
        let handed_out = self.tables.licenses_of(plan).filter(|license| license.status() != LicenseStatus::Unassigned);
        Ok(next(handed_out, after, limit))
    }

    fn find_by_person(&mut self, agreement: AgreementId, person: &Person) -> Result<Vec<License>, Error> {
        let in_agreement =
            |license: &&License| self.tables.plans.get(&license.plan).is_some_and(|plan| plan.agreement == agreement);
        let licenses = self.tables.licenses.values().filter(in_agreement);
        Ok(licenses.filter(|license| is_of(person, license)).cloned().collect())
    }

    fn find_by_email(&mut self, plan: PlanId, email: &Email) -> Result<Vec<License>, Error> {
        let licenses = self.tables.licenses_of(plan);
        Ok(licenses.filter(|license| license.holder_email() == Some(email)).cloned().collect())
    }

    fn customer_of_activation_key(&mut self, key: ActivationKey) -> Result<Option<CustomerId>, Error> {
        let found = self.tables.licenses.values().find(|license| license.activation_key() == Some(key));
        let plan = found.and_then(|license| self.tables.plans.get(&license.plan));
        Ok(plan.and_then(|plan| Some(self.tables.details(plan)?.customer)))
    }

    fn find_by_ids(&mut self, ids: &[LicenseId]) -> Result<Vec<License>, Error> {
        let ids: HashSet<&LicenseId> = ids.iter().collect();
        Ok(self.tables.licenses.values().filter(|license| ids.contains(&license.id)).cloned().collect())
    }

    fn lock_copies(&mut self, plan: PlanId, originals: &[LicenseId]) -> Result<Vec<License>, Error> {
        let originals: HashSet<&LicenseId> = originals.iter().collect();
        let live = self.written()?.licenses_of(plan).filter(|license| license.is_live());
        let continues = |license: &&License| license.renewed_from.is_some_and(|from| originals.contains(&from));
        Ok(live.filter(continues).cloned().collect())
    }

    fn lock_person(&mut self, _: LmsUserId) -> Result<(), Error> {
        self.written().map(drop)
    }

    fn lock_all_by_person(&mut self, person: &Person) -> Result<Vec<License>, Error> {
        Ok(self.written()?.licenses.values().filter(|license| is_of(person, license)).cloned().collect())
    }

    fn live_emails(&mut self, plan: PlanId, emails: &[Email]) -> Result<Vec<Email>, Error> {
        let emails: HashSet<&Email> = emails.iter().collect();
        let live = self.tables.licenses_of(plan).filter(|license| license.is_live());
        Ok(live.filter_map(License::holder_email).filter(|email| emails.contains(email)).cloned().collect())
    }

    fn lock_live_by_emails(&mut self, plan: PlanId, emails: &[Email]) -> Result<Vec<License>, Error> {
        let emails: HashSet<&Email> = emails.iter().collect();
        let live = self.written()?.licenses_of(plan).filter(|license| license.is_live());
        Ok(live.filter(|license| license.holder_email().is_some_and(|email| emails.contains(email))).cloned().collect())
    }

    fn lock_live_after(
        &mut self,
        plan: PlanId,
        filter: &LicenseFilter,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        let live = self.written()?.licenses_of(plan).filter(|license| license.is_live() && filter.matches(license));
        Ok(next(live, after, limit))
    }

    fn lock_with_status_after(
        &mut self,
        plan: PlanId,
        status: LicenseStatus,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        let found = self.written()?.licenses_of(plan).filter(|license| license.status() == status);
        Ok(next(found, after, limit))
    }

    /// Nobody else claims meanwhile.
    fn announce_claims(&mut self, _: PlanId, _: i64) {}

    fn claim_unassigned(&mut self, plan: PlanId, number: i64) -> Result<Vec<License>, Error> {
        let free = self.written()?.licenses_of(plan).filter(|license| license.status() == LicenseStatus::Unassigned);
        Ok(next(free, None, number))
    }

    fn claim_for(&mut self, plan: PlanId, people: &[Email]) -> Result<(Vec<Email>, Vec<License>), Error> {
        look_and_claim(self, plan, people)
    }

    fn lock_against_claims(&mut self, _: PlanId) -> Result<(), Error> {
        self.written().map(drop)
    }

    fn add_unassigned(&mut self, plan: PlanId, ids: &[LicenseId], change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        for &id in ids {
            let license = License::unassigned(id, plan, change.at);
            tables.licenses.insert(id, license.clone());
            tables.record_license(&license, '+', change);
        }
        Ok(())
    }

    fn delete(&mut self, plan: PlanId, status: LicenseStatus, change: &Change) -> Result<i64, Error> {
        let tables = self.written()?;
        let deleted: HashSet<LicenseId> =
            tables.licenses_of(plan).filter(|license| license.status() == status).map(|license| license.id).collect();
        tables.delete_licenses(&deleted, change);
        Ok(deleted.len() as i64)
    }

    fn delete_unassigned(&mut self, ids: &[LicenseId], change: &Change) -> Result<(), Error> {
        self.written()?.delete_named(ids, LicenseStatus::Unassigned, change)
    }

    fn delete_revoked(&mut self, ids: &[LicenseId], change: &Change) -> Result<(), Error> {
        self.written()?.delete_named(ids, LicenseStatus::Revoked, change)
    }

    fn unlink(&mut self, copies: &[LicenseId], change: &Change) -> Result<i64, Error> {
        Ok(self.written()?.unlink(&copies.iter().copied().collect(), change) as i64)
    }

    fn add(&mut self, licenses: &[License], change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        for license in licenses {
            tables.licenses.insert(license.id, license.clone());
            tables.record_license(license, '+', change);
        }
        check_links(tables)?;
        check_holders(tables, licenses)
    }

    fn save(&mut self, licenses: &[License], change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        for license in licenses {
            replace(&mut tables.licenses, &license.id, license, "license")?;
            tables.record_license(license, '~', change);
        }
        check_links(tables)?;
        check_holders(tables, licenses)
    }

    fn set_sources(&mut self, sources: &[(LicenseId, String)], change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        for (license, source) in sources {
            let kind = if tables.sources.insert(*license, source.clone()).is_some() { '~' } else { '+' };
            tables.record("license_source", license, kind, change);
        }
        Ok(())
    }

    fn sources(&mut self, licenses: &[LicenseId]) -> Result<HashMap<LicenseId, String>, Error> {
        let known = |id: &LicenseId| Some((*id, self.tables.sources.get(id)?.clone()));
        Ok(licenses.iter().filter_map(known).collect())
    }

    fn remove_sources(&mut self, licenses: &[LicenseId], change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        for license in licenses {
            if tables.sources.remove(license).is_some() {
                tables.record("license_source", license, '-', change);
            }
        }
        Ok(())
    }
}
