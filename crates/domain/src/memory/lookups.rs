use super::licenses::{compare, sort};
use super::{MemoryUnit, Tables, part};
use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::{CustomerId, LicenseId, LmsUserId, PlanId};
use crate::model::license::{License, LicenseState};
use crate::model::plan::PlanDetails;
use crate::ports::{LicenseOrder, LicensePosition, LicenseSearch, LimitOffset, LookupRepository};

fn with_plan(tables: &Tables, license: &License) -> Option<(License, PlanDetails)> {
    Some((license.clone(), tables.details(tables.plans.get(&license.plan)?)?))
}

fn found(tables: &Tables, search: &LicenseSearch) -> Vec<License> {
    let customers = search.customers();
    let visible = |license: &&License| {
        let plan = tables.plans.get(&license.plan).and_then(|plan| tables.details(plan));
        search.plan.is_none_or(|plan| plan == license.plan)
            && plan.is_some_and(|plan| customers.as_ref().is_none_or(|customers| customers.contains(&plan.customer)))
            && search.filter.matches(license)
    };
    tables.licenses.values().filter(visible).cloned().collect()
}

impl LookupRepository for MemoryUnit<'_> {
    fn find(&mut self, id: LicenseId) -> Result<Option<(License, PlanDetails)>, Error> {
        Ok(self.tables.licenses.get(&id).and_then(|license| with_plan(self.tables, license)))
    }

    fn find_by_ids(&mut self, ids: &[LicenseId]) -> Result<Vec<(License, PlanDetails)>, Error> {
        let licenses = self.tables.licenses.values().filter(|license| ids.contains(&license.id));
        Ok(licenses.filter_map(|license| with_plan(self.tables, license)).collect())
    }

    fn find_by_emails(&mut self, emails: &[Email]) -> Result<Vec<(License, PlanDetails)>, Error> {
        let licenses = self
            .tables
            .licenses
            .values()
            .filter(|license| license.holder_email().is_some_and(|email| emails.contains(email)));
        Ok(licenses.filter_map(|license| with_plan(self.tables, license)).collect())
    }

    fn find_live_by_emails(&mut self, plans: &[PlanId], emails: &[Email]) -> Result<Vec<License>, Error> {
        let held = |license: &&License| {
            license.is_live()
                && plans.contains(&license.plan)
                && license.holder_email().is_some_and(|email| emails.contains(email))
        };
        Ok(self.tables.licenses.values().filter(held).cloned().collect())
    }

    fn find_activated(
        &mut self,
        customers: &[CustomerId],
        lms_user_ids: &[LmsUserId],
        emails: &[Email],
    ) -> Result<Vec<(License, PlanDetails)>, Error> {
        let is_theirs = |license: &&License| {
            matches!(license.state, LicenseState::Activated { .. })
                && match license.lms_user_id() {
                    Some(id) => lms_user_ids.contains(&id),
                    None => license.holder_email().is_some_and(|email| emails.contains(email)),
                }
        };
        let found = self.tables.licenses.values().filter(is_theirs);
        let found = found.filter_map(|license| with_plan(self.tables, license));
        Ok(found.filter(|(_, details)| customers.contains(&details.customer)).collect())
    }

    fn list(
        &mut self,
        search: &LicenseSearch,
        order: &[LicenseOrder],
        limit_offset: LimitOffset,
    ) -> Result<Vec<License>, Error> {
        let mut licenses = found(self.tables, search);
        sort(&mut licenses, order);
        Ok(part(licenses, limit_offset))
    }

    fn list_after(
        &mut self,
        search: &LicenseSearch,
        order: &[LicenseOrder],
        after: Option<&LicensePosition>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        let mut licenses = found(self.tables, search);
        licenses.retain(|license| after.is_none_or(|after| compare(order, &license.into(), after).is_gt()));
        sort(&mut licenses, order);
        Ok(part(licenses, LimitOffset { offset: 0, limit }))
    }

    fn first_ids(
        &mut self,
        search: &LicenseSearch,
        order: &[LicenseOrder],
        limit: i64,
    ) -> Result<Vec<LicenseId>, Error> {
        let first = LookupRepository::list(self, search, order, LimitOffset { offset: 0, limit })?;
        Ok(first.into_iter().map(|license| license.id).collect())
    }

    fn count(&mut self, search: &LicenseSearch) -> Result<i64, Error> {
        Ok(found(self.tables, search).len() as i64)
    }
}
