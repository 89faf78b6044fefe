//! Reads, locks and claims licenses. [`bulk`] writes them.
//!
//! Only one unit of work writes at a time. So a method that locks only reads.

mod bulk;

use std::collections::HashMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use license_manager_domain::history::Change;
use license_manager_domain::ports::{
    LicenseFilter, LicenseOrder, LicenseRepository, LimitOffset, Person, look_and_claim,
};
use license_manager_domain::{
    ActivationKey, AgreementId, CustomerId, Email, Error, License, LicenseCounts, LicenseId, LicenseStatus, LmsUserId,
    PlanId,
};

use super::unit::SqliteUnit;
use crate::one_of::one_of;
use crate::prepared::{prepared, prepared_sql};
use crate::rows::license_filters::Plans;
use crate::rows::license_pages::LicensePages;
use crate::rows::licenses::{LicenseReads, LicenseRow, LicensesToDelete, held_by, licenses};
use crate::rows::shared::following;
use crate::schema::{LICENSE, license};
use crate::sql_types::SqlUuid;

/// The condition of the index license_one_live_per_email. SQLite uses the index only if the statement has its
/// condition.
const LIVE: &str = "license.status IN ('assigned', 'activated')";
/// The condition of the index license_unassigned.
const UNASSIGNED: &str = "license.status = 'unassigned'";
/// The condition of the indexes license_handed_out and license_by_status.
const HANDED_OUT: &str = "license.status <> 'unassigned'";

impl LicenseRepository for SqliteUnit<'_> {
    fn list(
        &mut self,
        plan: PlanId,
        filter: &LicenseFilter,
        order: &[LicenseOrder],
        limit_offset: LimitOffset,
    ) -> Result<Vec<License>, Error> {
        self.page(&Plans::one(plan), filter, order, limit_offset)
    }

    fn count(&mut self, plan: PlanId, filter: &LicenseFilter) -> Result<i64, Error> {
        Ok(self.matching_counts(&Plans::one(plan), filter)?.all())
    }

    fn count_by_status(&mut self, plan: PlanId, filter: &LicenseFilter) -> Result<LicenseCounts, Error> {
        self.matching_counts(&Plans::one(plan), filter)
    }

    fn counts(&mut self, plans: &[PlanId]) -> Result<HashMap<PlanId, LicenseCounts>, Error> {
        self.seat_counts(plans)
    }

    fn handed_out_after(&mut self, plan: PlanId, after: Option<LicenseId>, limit: i64) -> Result<Vec<License>, Error> {
        // The condition of the status is that of the index license_handed_out.
        let query = prepared_sql(format!(
            "SELECT {} FROM license
             WHERE subscription_plan_uuid = ?1 AND status <> 'unassigned' AND uuid > ?2
             ORDER BY uuid LIMIT ?3",
            LICENSE.column_names()
        ))
        .bind::<SqlUuid, _>(plan.0)
        .bind::<SqlUuid, _>(following(after))
        .bind::<BigInt, _>(limit.max(0));
        self.list::<LicenseRow, _>(query)
    }

    fn find_by_person(&mut self, agreement: AgreementId, person: &Person) -> Result<Vec<License>, Error> {
        self.of_person(agreement, person)
    }

    fn find_by_email(&mut self, plan: PlanId, email: &Email) -> Result<Vec<License>, Error> {
        let query = license::table
            .filter(license::subscription_plan_uuid.eq(SqlUuid(plan.0)))
            .filter(license::user_email.eq(email.as_str()))
            .order(license::uuid)
            .select(LicenseRow::as_select());
        self.list::<LicenseRow, _>(query)
    }

    fn customer_of_activation_key(&mut self, key: ActivationKey) -> Result<Option<CustomerId>, Error> {
        self.customer_of_key(key)
    }

    fn find_by_ids(&mut self, ids: &[LicenseId]) -> Result<Vec<License>, Error> {
        let query = license::table
            .filter(one_of(license::uuid, ids.iter().map(|id| id.0)))
            .order(license::uuid)
            .select(LicenseRow::as_select());
        self.list::<LicenseRow, _>(query)
    }

    fn lock_copies(&mut self, plan: PlanId, originals: &[LicenseId]) -> Result<Vec<License>, Error> {
        self.require_write()?;
        if originals.is_empty() {
            return Ok(Vec::new());
        }
        // The index has the condition that a license is named. The plan is not a condition of the query: the database
        // could start from all licenses of the plan.
        let query = license::table
            .select(LicenseRow::as_select())
            .filter(license::renewed_from_uuid.is_not_null())
            .filter(one_of(license::renewed_from_uuid.assume_not_null(), originals.iter().map(|license| license.0)))
            .filter(sql::<Bool>(LIVE))
            .order(license::uuid);
        let mut copies = licenses(self.write(|connection| prepared(query).load::<LicenseRow>(connection))?)?;
        copies.retain(|copy| copy.plan == plan);
        Ok(copies)
    }

    fn lock_person(&mut self, _: LmsUserId) -> Result<(), Error> {
        self.require_write()
    }

    fn lock_all_by_person(&mut self, person: &Person) -> Result<Vec<License>, Error> {
        let query = license::table.filter(held_by(person)).order(license::uuid).select(LicenseRow::as_select());
        licenses(self.write(|connection| query.load::<LicenseRow>(connection))?)
    }

    fn live_emails(&mut self, plan: PlanId, emails: &[Email]) -> Result<Vec<Email>, Error> {
        let query = license::table
            .filter(license::subscription_plan_uuid.eq(SqlUuid(plan.0)))
            .filter(one_of(license::user_email, emails.iter().map(Email::as_str)))
            .filter(sql::<Bool>(LIVE))
            .select(license::user_email);
        let live: Vec<Option<String>> = self.read(|connection| prepared(query).load(connection))?;
        Ok(live.into_iter().flatten().map(Email::from_storage).collect())
    }

    fn lock_live_by_emails(&mut self, plan: PlanId, emails: &[Email]) -> Result<Vec<License>, Error> {
        let query = license::table
            .filter(license::subscription_plan_uuid.eq(SqlUuid(plan.0)))
            .filter(one_of(license::user_email, emails.iter().map(Email::as_str)))
            .filter(sql::<Bool>(LIVE))
            .order(license::uuid)
            .select(LicenseRow::as_select());
        licenses(self.write(|connection| prepared(query).load::<LicenseRow>(connection))?)
    }

    fn lock_live_after(
        &mut self,
        plan: PlanId,
        filter: &LicenseFilter,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        self.require_write()?;
        self.lock_matching(plan, filter, after, limit)
    }

    fn lock_with_status_after(
        &mut self,
        plan: PlanId,
        status: LicenseStatus,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        let condition = match status {
            LicenseStatus::Unassigned => UNASSIGNED.to_owned(),
            _ => format!("license.status = '{}' AND {HANDED_OUT}", status.as_str()),
        };
        let query = license::table
            .filter(license::subscription_plan_uuid.eq(SqlUuid(plan.0)))
            .filter(sql::<Bool>(&condition))
            .filter(license::uuid.gt(SqlUuid(following(after))))
            .order(license::uuid)
            .limit(limit.max(0))
            .select(LicenseRow::as_select());
        licenses(self.write(|connection| prepared(query).load::<LicenseRow>(connection))?)
    }

    /// Nobody else claims during a transaction that writes.
    fn announce_claims(&mut self, _: PlanId, _: i64) {}

    fn claim_unassigned(&mut self, plan: PlanId, number: i64) -> Result<Vec<License>, Error> {
        self.require_write()?;
        if number <= 0 {
            return Ok(Vec::new());
        }
        let query = license::table
            .filter(license::subscription_plan_uuid.eq(SqlUuid(plan.0)))
            .filter(sql::<Bool>(UNASSIGNED))
            .order(license::uuid)
            .limit(number)
            .select(LicenseRow::as_select());
        licenses(self.write(|connection| prepared(query).load::<LicenseRow>(connection))?)
    }

    fn claim_for(&mut self, plan: PlanId, people: &[Email]) -> Result<(Vec<Email>, Vec<License>), Error> {
        look_and_claim(self, plan, people)
    }

    // Only one unit of work writes at a time.
    fn lock_against_claims(&mut self, _: PlanId) -> Result<(), Error> {
        self.require_write()
    }

    fn add_unassigned(&mut self, plan: PlanId, ids: &[LicenseId], change: &Change) -> Result<(), Error> {
        bulk::add_unassigned(self, plan, ids, change)
    }

    fn delete(&mut self, plan: PlanId, status: LicenseStatus, change: &Change) -> Result<i64, Error> {
        bulk::delete(self, &LicensesToDelete::InState(plan, status), change)
    }

    fn delete_unassigned(&mut self, ids: &[LicenseId], change: &Change) -> Result<(), Error> {
        let deleted = bulk::delete(self, &LicensesToDelete::Named(ids, LicenseStatus::Unassigned), change)?;
        self.write_rows(ids.len(), "licenses", |_| Ok(deleted as usize))
    }

    fn delete_revoked(&mut self, ids: &[LicenseId], change: &Change) -> Result<(), Error> {
        let deleted = bulk::delete(self, &LicensesToDelete::Named(ids, LicenseStatus::Revoked), change)?;
        self.write_rows(ids.len(), "licenses", |_| Ok(deleted as usize))
    }

    fn unlink(&mut self, copies: &[LicenseId], change: &Change) -> Result<i64, Error> {
        bulk::unlink(self, copies, change)
    }

    fn add(&mut self, licenses: &[License], change: &Change) -> Result<(), Error> {
        bulk::add(self, licenses, change)
    }

    fn save(&mut self, licenses: &[License], change: &Change) -> Result<(), Error> {
        bulk::save(self, licenses, change)
    }

    fn set_sources(&mut self, sources: &[(LicenseId, String)], change: &Change) -> Result<(), Error> {
        bulk::set_sources(self, sources, change)
    }

    fn sources(&mut self, licenses: &[LicenseId]) -> Result<HashMap<LicenseId, String>, Error> {
        self.sources_of(licenses)
    }

    fn remove_sources(&mut self, licenses: &[LicenseId], change: &Change) -> Result<(), Error> {
        bulk::remove_sources(self, licenses, change)
    }
}
