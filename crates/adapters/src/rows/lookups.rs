//! Finds licenses in all plans.

use diesel::prelude::*;
use license_manager_domain::ports::{LicenseOrder, LicensePosition, LicenseSearch, LimitOffset, LookupRepository};
use license_manager_domain::{CustomerId, Email, Error, License, LicenseId, LmsUserId, PlanDetails, PlanId};

use super::license_pages::LicensePages;
use super::licenses::{LicenseRow, LicenseWithPlanRow, license_with_plan, licenses, licenses_with_plans};
use super::shared::for_both_databases;
use crate::one_of::one_of;
use crate::prepared::prepared;
use crate::schema::{customer_agreement, license};
use crate::sql_types::SqlUuid;

for_both_databases! {
    impl LookupRepository for Unit {
        fn find(&mut self, id: LicenseId) -> Result<Option<(License, PlanDetails)>, Error> {
            let query = licenses_with_plans().filter(license::uuid.eq(SqlUuid(id.0)));
            let row = self.read(|connection| query.first::<LicenseWithPlanRow>(connection).optional())?;
            row.map(license_with_plan).transpose()
        }

        fn find_by_ids(&mut self, ids: &[LicenseId]) -> Result<Vec<(License, PlanDetails)>, Error> {
            let query = licenses_with_plans().filter(one_of(license::uuid, ids.iter().map(|id| id.0)));
            let rows = self.read(|connection| query.load::<LicenseWithPlanRow>(connection))?;
            rows.into_iter().map(license_with_plan).collect()
        }

        fn find_by_emails(&mut self, emails: &[Email]) -> Result<Vec<(License, PlanDetails)>, Error> {
            let query = licenses_with_plans().filter(one_of(license::user_email, emails.iter().map(Email::as_str)));
            let rows = self.read(|connection| query.load::<LicenseWithPlanRow>(connection))?;
            rows.into_iter().map(license_with_plan).collect()
        }

        fn find_live_by_emails(&mut self, plans: &[PlanId], emails: &[Email]) -> Result<Vec<License>, Error> {
            let query = license::table
                .filter(one_of(license::subscription_plan_uuid, plans.iter().map(|plan| plan.0)))
                .filter(one_of(license::user_email, emails.iter().map(Email::as_str)))
                .filter(license::status.eq_any(["assigned", "activated"]))
                .order(license::uuid)
                .select(LicenseRow::as_select());
            let rows = self.read(|connection| prepared(query).load::<LicenseRow>(connection))?;
            licenses(rows)
        }

        fn find_activated(
            &mut self,
            customers: &[CustomerId],
            lms_user_ids: &[LmsUserId],
            emails: &[Email],
        ) -> Result<Vec<(License, PlanDetails)>, Error> {
            let by_account = one_of(license::lms_user_id, lms_user_ids.iter().map(|id| id.0));
            let by_email = one_of(license::user_email, emails.iter().map(Email::as_str));
            let query = licenses_with_plans()
                .filter(license::status.eq("activated"))
                .filter(by_account.or(license::lms_user_id.is_null().and(by_email)))
                .filter(one_of(customer_agreement::enterprise_customer_uuid, customers.iter().map(|id| id.0)));
            let rows = self.read(|connection| query.load::<LicenseWithPlanRow>(connection))?;
            rows.into_iter().map(license_with_plan).collect()
        }

        fn list(
            &mut self,
            search: &LicenseSearch,
            order: &[LicenseOrder],
            limit_offset: LimitOffset,
        ) -> Result<Vec<License>, Error> {
            let plans = self.plans_of(search)?;
            self.page(&plans, &search.filter, order, limit_offset)
        }

        fn list_after(
            &mut self,
            search: &LicenseSearch,
            order: &[LicenseOrder],
            after: Option<&LicensePosition>,
            limit: i64,
        ) -> Result<Vec<License>, Error> {
            let plans = self.plans_of(search)?;
            self.page_after(&plans, &search.filter, order, after, limit)
        }

        fn first_ids(
            &mut self,
            search: &LicenseSearch,
            order: &[LicenseOrder],
            limit: i64,
        ) -> Result<Vec<LicenseId>, Error> {
            let plans = self.plans_of(search)?;
            let ids = LicensePages::first_ids(self, &plans, &search.filter, order, limit)?;
            Ok(ids.into_iter().map(LicenseId).collect())
        }

        fn count(&mut self, search: &LicenseSearch) -> Result<i64, Error> {
            let plans = self.plans_of(search)?;
            let counts = self.matching_counts(&plans, &search.filter)?;
            self.prefetched.keep_plans(search, plans);
            Ok(counts.all())
        }
    }
}
