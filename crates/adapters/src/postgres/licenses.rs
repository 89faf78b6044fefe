//! Reads, locks and claims licenses. [`bulk`] writes them.

mod bulk;

use std::collections::HashMap;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Text};
use license_manager_domain::history::Change;
use license_manager_domain::ports::{
    LicenseFilter, LicenseOrder, LicenseRepository, LimitOffset, Person, look_and_claim,
};
use license_manager_domain::{
    ActivationKey, AgreementId, CustomerId, Email, Error, License, LicenseCounts, LicenseId, LicenseStatus, LmsUserId,
    PlanId,
};
use uuid::Uuid;

use super::error::{Failure, Remedy};
use super::unit::{Mode, PostgresUnit, Reservations};
use crate::one_of::one_of;
use crate::prepared::prepared_sql;
use crate::rows::license_filters::Plans;
use crate::rows::license_pages::LicensePages;
use crate::rows::licenses::{EmailRow, LicenseReads, LicenseRow, LicensesToDelete, held_by, licenses};
use crate::rows::shared::following;
use crate::schema::{LICENSE, license};
use crate::sql_types::SqlUuid;

// Literals instead of parameters: Postgres uses a partial index only if the statement has the index's condition.
diesel::postfix_operator!(Live, " IN ('assigned', 'activated')", backend: Pg);
diesel::postfix_operator!(Unassigned, " = 'unassigned'", backend: Pg);
diesel::postfix_operator!(HandedOut, " <> 'unassigned'", backend: Pg);

/// The advisory locks of people. The number is arbitrary.
const PERSON_LOCKS: i32 = 716_253_401;

/// The addresses, each once.
fn texts(emails: &[Email]) -> Vec<&str> {
    let mut texts: Vec<&str> = emails.iter().map(Email::as_str).collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

/// The assigned and activated licenses of the plan `$1` for the addresses `$2`.
///
/// OFFSET 0 makes Postgres look up each address. With statistics that are older than the plan it expects few licenses,
/// and would compare each license with each address.
const LIVE_OF_EMAILS: &str = "
    SELECT found.uuid, wanted.email
    FROM unnest($2) AS wanted (email)
    CROSS JOIN LATERAL (
        SELECT uuid FROM license
        WHERE subscription_plan_uuid = $1 AND user_email = wanted.email AND status IN ('assigned', 'activated')
        OFFSET 0
    ) AS found";

impl LicenseRepository for PostgresUnit<'_> {
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
        let query = license::table
            .select(LicenseRow::as_select())
            .filter(license::subscription_plan_uuid.eq(SqlUuid(plan.0)))
            .filter(HandedOut::new(license::status))
            .filter(license::uuid.gt(SqlUuid(following(after))))
            .order(license::uuid)
            .limit(limit.max(0));
        self.list::<LicenseRow, _>(query)
    }

    fn find_by_person(&mut self, agreement: AgreementId, person: &Person) -> Result<Vec<License>, Error> {
        self.of_person(agreement, person)
    }

    fn find_by_email(&mut self, plan: PlanId, email: &Email) -> Result<Vec<License>, Error> {
        // The plan is not a condition of the query: Postgres could start from all licenses of the plan.
        let query = license::table
            .select(LicenseRow::as_select())
            .filter(license::user_email.eq(email.as_str()))
            .order(license::uuid);
        let mut licenses = licenses(self.read(|connection| query.load::<LicenseRow>(connection))?)?;
        licenses.retain(|license| license.plan == plan);
        Ok(licenses)
    }

    fn customer_of_activation_key(&mut self, key: ActivationKey) -> Result<Option<CustomerId>, Error> {
        self.customer_of_key(key)
    }

    fn find_by_ids(&mut self, ids: &[LicenseId]) -> Result<Vec<License>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let query = license::table
            .select(LicenseRow::as_select())
            .filter(one_of(license::uuid, ids.iter().map(|id| id.0)))
            .order(license::uuid);
        licenses(match self.mode {
            Mode::Read => self.read(|connection| query.load::<LicenseRow>(connection))?,
            Mode::Write => self.write(|connection| query.for_no_key_update().load::<LicenseRow>(connection))?,
        })
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
            .filter(Live::new(license::status))
            .order(license::uuid)
            .for_no_key_update();
        let mut copies = licenses(self.write(|connection| query.load::<LicenseRow>(connection))?)?;
        copies.retain(|copy| copy.plan == plan);
        Ok(copies)
    }

    fn lock_person(&mut self, person: LmsUserId) -> Result<(), Error> {
        let lock = prepared_sql("SELECT pg_advisory_xact_lock($1, hashint8($2))")
            .bind::<Integer, _>(PERSON_LOCKS)
            .bind::<BigInt, _>(person.0);
        self.write(|connection| lock.execute(connection)).map(drop)
    }

    fn lock_all_by_person(&mut self, person: &Person) -> Result<Vec<License>, Error> {
        let query = license::table
            .select(LicenseRow::as_select())
            .filter(held_by(person))
            .order(license::uuid)
            .for_no_key_update();
        licenses(self.write(|connection| query.load::<LicenseRow>(connection))?)
    }

    fn live_emails(&mut self, plan: PlanId, emails: &[Email]) -> Result<Vec<Email>, Error> {
        if emails.is_empty() {
            return Ok(Vec::new());
        }
        let texts = texts(emails);
        if let [email] = texts.as_slice() {
            // Without an array, Postgres plans it once for a connection; see `bulk::save_one`.
            let query = license::table
                .filter(license::subscription_plan_uuid.eq(SqlUuid(plan.0)))
                .filter(license::user_email.eq(*email))
                .filter(Live::new(license::status))
                .select(license::user_email);
            let holder: Vec<Option<String>> = self.read(|connection| query.load(connection))?;
            return Ok(holder.into_iter().flatten().map(Email::from_storage).collect());
        }
        let query = prepared_sql(LIVE_OF_EMAILS).bind::<SqlUuid, _>(plan.0).bind::<Array<Text>, _>(texts);
        let holders = self.read(|connection| query.load::<EmailRow>(connection))?;
        Ok(holders.into_iter().map(|holder| Email::from_storage(holder.email)).collect())
    }

    fn lock_live_by_emails(&mut self, plan: PlanId, emails: &[Email]) -> Result<Vec<License>, Error> {
        self.require_write()?;
        if emails.is_empty() {
            return Ok(Vec::new());
        }
        // After waiting for a lock the row may have changed, so the conditions are checked again.
        let query = prepared_sql(format!(
            "WITH found AS MATERIALIZED ({LIVE_OF_EMAILS})
             SELECT {} FROM found JOIN license ON license.uuid = found.uuid
             WHERE license.user_email = found.email AND license.status IN ('assigned', 'activated')
             ORDER BY license.uuid
             FOR NO KEY UPDATE OF license",
            LICENSE.columns_of("license")
        ))
        .bind::<SqlUuid, _>(plan.0)
        .bind::<Array<Text>, _>(texts(emails));
        licenses(self.write(|connection| query.load::<LicenseRow>(connection))?)
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
        // Literals, because license_unassigned and license_by_status are partial indexes.
        let condition = match status {
            LicenseStatus::Unassigned => "status = 'unassigned'".to_owned(),
            _ => format!("status = (SELECT '{}') AND status <> 'unassigned'", status.as_str()),
        };
        // Postgres expects an average number of licenses for a value from a subquery. It expects one license where its
        // statistics do not know the plan or the status. It would then take any index, and sort all that are left for each
        // batch.
        let query = prepared_sql(format!(
            "SELECT {} FROM license
             WHERE subscription_plan_uuid = (SELECT $1) AND {condition} AND uuid > $2
             ORDER BY uuid LIMIT (SELECT $3)
             FOR NO KEY UPDATE",
            LICENSE.column_names()
        ))
        .bind::<SqlUuid, _>(plan.0)
        .bind::<SqlUuid, _>(following(after))
        .bind::<BigInt, _>(limit.max(0));
        licenses(self.write(|connection| query.load::<LicenseRow>(connection))?)
    }

    fn announce_claims(&mut self, plan: PlanId, number: i64) {
        let claimed = self.claimed.get(&plan).copied().unwrap_or_default();
        self.announced.insert(plan, claimed + number);
    }

    fn claim_unassigned(&mut self, plan: PlanId, number: i64) -> Result<Vec<License>, Error> {
        self.require_write()?;
        if number <= 0 {
            return Ok(Vec::new());
        }
        let rows = match number {
            1 => self.claim_one(plan)?,
            _ => {
                let query = license::table
                    .select(LicenseRow::as_select())
                    .filter(license::subscription_plan_uuid.eq(SqlUuid(plan.0)))
                    .filter(Unassigned::new(license::status))
                    .order(license::uuid)
                    .limit(number)
                    .for_no_key_update()
                    .skip_locked();
                self.write(|connection| query.load::<LicenseRow>(connection))?
            }
        };
        if (rows.len() as i64) < number {
            self.fail_unless_exhausted(plan, number)?;
        }
        *self.claimed.entry(plan).or_default() += rows.len() as i64;
        licenses(rows)
    }

    fn claim_for(&mut self, plan: PlanId, people: &[Email]) -> Result<(Vec<Email>, Vec<License>), Error> {
        if let [person] = people
            && let [address] = person.stored_forms().as_slice()
        {
            return self.claim_for_one(plan, address);
        }
        look_and_claim(self, plan, people)
    }

    fn lock_against_claims(&mut self, plan: PlanId) -> Result<(), Error> {
        let query = prepared_sql(
            "SELECT count(*) FROM (
                 SELECT uuid FROM license WHERE subscription_plan_uuid = $1 AND status <> 'revoked'
                 ORDER BY uuid FOR NO KEY UPDATE
             ) AS locked",
        )
        .bind::<SqlUuid, _>(plan.0);
        self.write(|connection| query.execute(connection)).map(drop)
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

/// The license of the plan `$1` for the address `$2`, if that has a live one, and otherwise an unassigned one that nobody
/// has locked, with the columns in place of `{}`.
const CLAIM_UNLESS_HELD: &str = "
    WITH held AS MATERIALIZED (
             SELECT {} FROM license
             WHERE subscription_plan_uuid = $1 AND user_email = $2 AND status IN ('assigned', 'activated')),
         free AS MATERIALIZED (
             SELECT {} FROM license
             WHERE subscription_plan_uuid = $1 AND status = 'unassigned' AND NOT (SELECT EXISTS (SELECT FROM held))
             ORDER BY uuid LIMIT 1
             FOR NO KEY UPDATE SKIP LOCKED)
    SELECT * FROM held UNION ALL SELECT * FROM free";

impl PostgresUnit<'_> {
    /// Looks for the license of an address, and claims one if there is none, with one statement.
    fn claim_for_one(&mut self, plan: PlanId, address: &Email) -> Result<(Vec<Email>, Vec<License>), Error> {
        let query = prepared_sql(CLAIM_UNLESS_HELD.replace("{}", &LICENSE.column_names()))
            .bind::<SqlUuid, _>(plan.0)
            .bind::<Text, _>(address.as_str());
        let found = licenses(self.write(|connection| query.load::<LicenseRow>(connection))?)?;
        if found.is_empty() {
            self.fail_unless_exhausted(plan, 1)?;
        }
        let (held, free): (Vec<License>, Vec<License>) = found.into_iter().partition(License::is_live);
        *self.claimed.entry(plan).or_default() += free.len() as i64;
        Ok((held.iter().filter_map(License::holder_email).cloned().collect(), free))
    }

    /// Fails where too few licenses were claimed. The unit of work runs again then and locks them first, so that it knows
    /// whether others have locked the rest, or there is none.
    fn fail_unless_exhausted(&mut self, plan: PlanId, number: i64) -> Result<(), Error> {
        if self.exhausted.contains(&plan) {
            return Ok(());
        }
        // What it has claimed before counts too: the next attempt claims it again, out of those that it has locked.
        let number = self.claimed.get(&plan).copied().unwrap_or_default() + number;
        let number = number.max(self.announced.get(&plan).copied().unwrap_or_default());
        // If reserving does not help either, the licenses are contended: the caller may try again.
        Err(self.fail(Failure { error: Error::Unavailable, remedy: Remedy::Reserve(plan, number) }))
    }

    /// Locks an unassigned license of the plan that nobody else has locked. The limit is no parameter: Postgres expects a
    /// tenth of all rows then, so it would plan the statement anew each time.
    fn claim_one(&mut self, plan: PlanId) -> Result<Vec<LicenseRow>, Error> {
        let query = prepared_sql(format!(
            "SELECT {} FROM license
             WHERE subscription_plan_uuid = $1 AND status = 'unassigned'
             ORDER BY uuid LIMIT 1
             FOR NO KEY UPDATE SKIP LOCKED",
            LICENSE.column_names()
        ))
        .bind::<SqlUuid, _>(plan.0);
        self.write(|connection| query.load(connection))
    }

    /// Locks unassigned licenses, and waits for those that others have locked. Runs before the work, so that the wait
    /// does not outdate what the work has read. All units that wait here lock in the same order, so they cannot
    /// deadlock.
    pub(super) fn reserve(&mut self, reservations: &Reservations) -> Result<(), Error> {
        for (&plan, &number) in reservations {
            let query = license::table
                .select(license::uuid)
                .filter(license::subscription_plan_uuid.eq(SqlUuid(plan.0)))
                .filter(Unassigned::new(license::status))
                .order(license::uuid)
                .limit(number)
                .for_no_key_update();
            // A statement sees the rows that existed when it began. The next one sees licenses that were added while it
            // waited.
            let mut held = 0;
            loop {
                let before = held;
                held = self.write(|connection| query.load::<Uuid>(connection))?.len();
                if held as i64 == number {
                    break;
                }
                if held <= before {
                    self.exhausted.push(plan);
                    break;
                }
            }
        }
        Ok(())
    }
}
