//! Licenses found without knowing their plan.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use license_manager_domain::ports::{LicenseOrder, LicenseSearch, LimitOffset, LookupRepository};
use license_manager_domain::{Email, Error, License, LicenseId, PlanDetails, PlanId};

use super::json::{in_json, json};
use super::licenses::{Condition, filtered, with_plans};
use super::unit::SqliteUnit;
use crate::rows::licenses::{LicenseRow, licenses};
use crate::rows::plans::{PlanDetailsRow, plan_details};
use crate::schema::license;
use crate::sql_types::SqlUuid;

/// The licenses that match.
fn matching(search: &LicenseSearch) -> Result<Condition, Error> {
    let mut condition: Condition = match search.plan {
        Some(plan) => Box::new(license::subscription_plan_uuid.eq(SqlUuid(plan.0)).nullable()),
        None => Box::new(sql::<Nullable<Bool>>("true")),
    };
    if let Some(customers) = search.customers() {
        let customers = json(customers)?;
        let of_customers = sql::<Nullable<Bool>>(
            "license.subscription_plan_uuid IN (
                 SELECT plan.uuid
                 FROM subscription_plan AS plan
                 JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
                 WHERE agreement.enterprise_customer_uuid IN (SELECT value FROM json_each(",
        );
        condition = Box::new(condition.and(of_customers.bind::<Text, _>(customers).sql(")))")));
    }
    Ok(filtered(condition, &search.filter))
}

fn with_plan((license, plan): (LicenseRow, PlanDetailsRow)) -> Result<(License, PlanDetails), Error> {
    Ok((license.try_into()?, plan_details(plan)))
}

impl LookupRepository for SqliteUnit<'_> {
    fn find(&mut self, id: LicenseId) -> Result<Option<(License, PlanDetails)>, Error> {
        let query = with_plans().filter(license::uuid.eq(SqlUuid(id.0)));
        let row = self.read(|connection| query.first::<(LicenseRow, PlanDetailsRow)>(connection).optional())?;
        row.map(with_plan).transpose()
    }

    fn find_by_email(&mut self, email: &Email) -> Result<Vec<(License, PlanDetails)>, Error> {
        let query = with_plans().filter(license::user_email.eq(email.as_str()));
        let rows = self.read(|connection| query.load::<(LicenseRow, PlanDetailsRow)>(connection))?;
        rows.into_iter().map(with_plan).collect()
    }

    fn find_live_by_emails(&mut self, plans: &[PlanId], emails: &[Email]) -> Result<Vec<License>, Error> {
        let query = license::table
            .filter(in_json(license::subscription_plan_uuid, json(plans)?))
            .filter(in_json(license::user_email, json(emails)?))
            .filter(license::status.eq_any(["assigned", "activated"]))
            .order(license::uuid)
            .select(LicenseRow::as_select());
        let rows = self.read(|connection| query.load(connection))?;
        licenses(rows)
    }

    fn list(
        &mut self,
        search: &LicenseSearch,
        order: &[LicenseOrder],
        limit_offset: LimitOffset,
    ) -> Result<Vec<License>, Error> {
        self.list_licenses(matching(search)?, order, limit_offset)
    }

    fn count(&mut self, search: &LicenseSearch) -> Result<i64, Error> {
        self.count_licenses(matching(search)?)
    }
}
