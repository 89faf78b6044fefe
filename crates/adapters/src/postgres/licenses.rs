//! Licenses: reading, locking and claiming. How they are written is in [`bulk`].

mod bulk;

use std::collections::HashMap;

use diesel::dsl::{AsSelect, auto_type, count_star, sql};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Nullable, Text};
use license_manager_domain::ports::{LicenseField, LicenseFilter, LicenseOrder, LicenseRepository, Person, Window};
use license_manager_domain::{
    ActivationKey, AgreementId, Change, Email, Error, License, LicenseCounts, LicenseId, LicenseStatus, PlanDetails,
    PlanId,
};
use uuid::Uuid;

use super::error::{Failure, Remedy};
use super::rows::{LicenseRow, PlanDetailsRow, PlanRow, licenses, plan_details};
use super::schema::{customer_agreement, license, plan_type, product, subscription_plan};
use super::statements::{HandedOut, Live, Unassigned, locked};
use super::{Mode, PostgresUnit};

type Condition = Box<dyn BoxableExpression<license::table, Pg, SqlType = Nullable<Bool>>>;

/// The plan's licenses that match.
fn matching(plan: PlanId, filter: &LicenseFilter) -> Condition {
    let mut condition: Condition = Box::new(license::subscription_plan_uuid.eq(plan.0).nullable());
    if let Some(statuses) = &filter.statuses {
        let names: Vec<&'static str> = statuses.iter().map(|status| status.as_str()).collect();
        condition = Box::new(condition.and(license::status.eq_any(names)));
    }
    if !filter.email_words.is_empty() {
        let patterns: Vec<String> = filter.email_words.iter().map(|word| containing(word)).collect();
        // One array, so that the number of words does not change the statement.
        let contains_all =
            sql::<Nullable<Bool>>("license.user_email LIKE ALL (").bind::<Array<Text>, _>(patterns).sql(")");
        condition = Box::new(condition.and(contains_all));
    }
    if filter.hide_retired {
        let revoked = LicenseStatus::Revoked.as_str();
        condition = Box::new(condition.and(license::status.ne(revoked).or(license::user_email.is_not_null())));
    }
    condition
}

/// The LIKE pattern of texts that contain the word. Addresses are stored in lowercase.
fn containing(word: &str) -> String {
    let mut pattern = String::from("%");
    for character in word.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern + "%"
}

/// The person's licenses: an id that is unknown is NULL, which equals nothing.
fn of(person: &Person) -> Condition {
    let email = license::user_email.eq(person.email.as_str().to_owned());
    Box::new(email.or(license::lms_user_id.eq(person.lms_user_id.map(|id| id.0))))
}

fn texts(emails: &[Email]) -> Vec<&str> {
    emails.iter().map(Email::as_str).collect()
}

#[auto_type(no_type_alias)]
fn with_plans() -> _ {
    let license: AsSelect<LicenseRow, Pg> = LicenseRow::as_select();
    let plan: AsSelect<PlanRow, Pg> = PlanRow::as_select();
    license::table
        .inner_join(
            subscription_plan::table
                .inner_join(customer_agreement::table)
                .inner_join(product::table.inner_join(plan_type::table)),
        )
        .order(license::uuid)
        .select((license, (plan, customer_agreement::enterprise_customer_uuid, plan_type::label)))
}

fn add_to(counts: &mut LicenseCounts, status: &str, number: i64) -> Result<(), Error> {
    let count = match LicenseStatus::from_name(status) {
        Some(LicenseStatus::Activated) => &mut counts.activated,
        Some(LicenseStatus::Assigned) => &mut counts.assigned,
        Some(LicenseStatus::Revoked) => &mut counts.revoked,
        Some(LicenseStatus::Unassigned) => &mut counts.unassigned,
        None => return Err(Error::storage(format!("licenses have the unknown status {status:?}"))),
    };
    *count += number;
    Ok(())
}

impl LicenseRepository for PostgresUnit<'_> {
    fn list(
        &mut self,
        plan: PlanId,
        filter: &LicenseFilter,
        order: &[LicenseOrder],
        window: Window,
    ) -> Result<Vec<License>, Error> {
        let mut query = license::table.select(LicenseRow::as_select()).filter(matching(plan, filter)).into_boxed();
        for key in order {
            // Absent values come first ascending, last descending. A license always has a status: saying where an absent
            // one would come only keeps Postgres from using the index.
            query = match (key.field, key.descending) {
                (LicenseField::Status, false) => query.then_order_by(license::status.asc()),
                (LicenseField::Status, true) => query.then_order_by(license::status.desc()),
                (LicenseField::UserEmail, false) => query.then_order_by(license::user_email.asc().nulls_first()),
                (LicenseField::UserEmail, true) => query.then_order_by(license::user_email.desc().nulls_last()),
                (LicenseField::ActivationDate, false) => {
                    query.then_order_by(license::activation_date.asc().nulls_first())
                }
                (LicenseField::ActivationDate, true) => {
                    query.then_order_by(license::activation_date.desc().nulls_last())
                }
                (LicenseField::LastRemindDate, false) => {
                    query.then_order_by(license::last_remind_date.asc().nulls_first())
                }
                (LicenseField::LastRemindDate, true) => {
                    query.then_order_by(license::last_remind_date.desc().nulls_last())
                }
            };
        }
        let query = query.then_order_by(license::uuid).offset(window.offset).limit(window.limit);
        licenses(self.read(|connection| query.load(connection))?)
    }

    fn count(&mut self, plan: PlanId, filter: &LicenseFilter) -> Result<i64, Error> {
        let query = license::table.filter(matching(plan, filter)).count();
        self.read(|connection| query.get_result(connection))
    }

    fn count_by_status(&mut self, plan: PlanId, filter: &LicenseFilter) -> Result<LicenseCounts, Error> {
        let query = license::table
            .filter(matching(plan, filter))
            .group_by(license::status)
            .select((license::status, count_star()));
        let mut counts = LicenseCounts::default();
        for (status, number) in self.read(|connection| query.load::<(String, i64)>(connection))? {
            add_to(&mut counts, &status, number)?;
        }
        Ok(counts)
    }

    fn counts(&mut self, plans: &[PlanId]) -> Result<HashMap<PlanId, LicenseCounts>, Error> {
        if plans.is_empty() {
            return Ok(HashMap::new());
        }
        let plans: Vec<Uuid> = plans.iter().map(|plan| plan.0).collect();
        let query = license::table
            .filter(license::subscription_plan_uuid.eq_any(plans))
            .group_by((license::subscription_plan_uuid, license::status))
            .select((license::subscription_plan_uuid, license::status, count_star()));
        let mut counts = HashMap::<PlanId, LicenseCounts>::new();
        for (plan, status, number) in self.read(|connection| query.load::<(Uuid, String, i64)>(connection))? {
            add_to(counts.entry(PlanId(plan)).or_default(), &status, number)?;
        }
        Ok(counts)
    }

    fn handed_out_after(&mut self, plan: PlanId, after: Option<LicenseId>, limit: i64) -> Result<Vec<License>, Error> {
        // No license has the nil id.
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let query = license::table
            .select(LicenseRow::as_select())
            .filter(license::subscription_plan_uuid.eq(plan.0))
            .filter(HandedOut::new(license::status))
            .filter(license::uuid.gt(after))
            .order(license::uuid)
            .limit(limit);
        licenses(self.read(|connection| query.load(connection))?)
    }

    fn of_person(&mut self, agreement: AgreementId, person: &Person) -> Result<Vec<License>, Error> {
        let plans = subscription_plan::table
            .filter(subscription_plan::customer_agreement_uuid.eq(agreement.0))
            .select(subscription_plan::uuid);
        let query = license::table
            .select(LicenseRow::as_select())
            .filter(of(person))
            .filter(license::subscription_plan_uuid.eq_any(plans))
            .order(license::uuid);
        licenses(self.read(|connection| query.load(connection))?)
    }

    fn of_email(&mut self, plan: PlanId, email: &Email) -> Result<Vec<License>, Error> {
        let query = license::table
            .select(LicenseRow::as_select())
            .filter(license::subscription_plan_uuid.eq(plan.0))
            .filter(license::user_email.eq(email.as_str()))
            .order(license::uuid);
        licenses(self.read(|connection| query.load(connection))?)
    }

    fn of_activation_key(&mut self, key: ActivationKey) -> Result<Vec<(License, PlanDetails)>, Error> {
        type Row = (LicenseRow, PlanDetailsRow);
        let query = with_plans().filter(license::activation_key.eq(key.0));
        let rows = match self.mode {
            Mode::Read => self.read(|connection| query.load::<Row>(connection))?,
            Mode::Write { .. } => self.write(|connection| locked(query, "license").load::<Row>(connection))?,
        };
        rows.into_iter().map(|(license, plan)| Ok((license.try_into()?, plan_details(plan)))).collect()
    }

    fn lock_all_of_person(&mut self, person: &Person) -> Result<Vec<License>, Error> {
        let query =
            license::table.select(LicenseRow::as_select()).filter(of(person)).order(license::uuid).for_no_key_update();
        licenses(self.write(|connection| query.load(connection))?)
    }

    fn live_emails(&mut self, plan: PlanId, emails: &[Email]) -> Result<Vec<Email>, Error> {
        if emails.is_empty() {
            return Ok(Vec::new());
        }
        let query = license::table
            .filter(license::subscription_plan_uuid.eq(plan.0))
            .filter(license::user_email.eq_any(texts(emails)))
            .filter(Live::new(license::status))
            .select(license::user_email.assume_not_null());
        let emails = self.read(|connection| query.load(connection))?;
        Ok(emails.into_iter().map(Email::from_storage).collect())
    }

    fn lock_live_of_emails(&mut self, plan: PlanId, emails: &[Email]) -> Result<Vec<License>, Error> {
        self.require_write()?;
        if emails.is_empty() {
            return Ok(Vec::new());
        }
        let query = license::table
            .select(LicenseRow::as_select())
            .filter(license::subscription_plan_uuid.eq(plan.0))
            .filter(license::user_email.eq_any(texts(emails)))
            .filter(Live::new(license::status))
            .order(license::uuid)
            .for_no_key_update();
        licenses(self.write(|connection| query.load(connection))?)
    }

    fn lock_live(&mut self, plan: PlanId, filter: &LicenseFilter, limit: i64) -> Result<Vec<License>, Error> {
        let query = license::table
            .select(LicenseRow::as_select())
            .filter(matching(plan, filter))
            .filter(Live::new(license::status))
            .order(license::uuid)
            .limit(limit)
            .for_no_key_update();
        licenses(self.write(|connection| query.load(connection))?)
    }

    fn claim_unassigned(&mut self, plan: PlanId, number: i64) -> Result<Vec<License>, Error> {
        self.require_write()?;
        if number <= 0 {
            return Ok(Vec::new());
        }
        let rows = match self.mode {
            Mode::Write { patient: true } => self.claim_patiently(plan, number)?,
            _ => self.claim_eagerly(plan, number)?,
        };
        licenses(rows)
    }

    fn add_unassigned(&mut self, plan: PlanId, ids: &[LicenseId], change: &Change) -> Result<(), Error> {
        bulk::add_unassigned(self, plan, ids, change)
    }

    fn save(&mut self, licenses: &[License], change: &Change) -> Result<(), Error> {
        bulk::save(self, licenses, change)
    }

    fn set_sources(&mut self, sources: &[(LicenseId, String)], change: &Change) -> Result<(), Error> {
        bulk::set_sources(self, sources, change)
    }
}

impl PostgresUnit<'_> {
    /// Takes licenses that nobody holds. Where they do not suffice the work starts anew, patiently: waiting here, with
    /// licenses in hand, could end in a deadlock.
    fn claim_eagerly(&mut self, plan: PlanId, number: i64) -> Result<Vec<LicenseRow>, Error> {
        let query = license::table
            .select(LicenseRow::as_select())
            .filter(license::subscription_plan_uuid.eq(plan.0))
            .filter(Unassigned::new(license::status))
            .order(license::uuid)
            .limit(number)
            .for_no_key_update()
            .skip_locked();
        let rows: Vec<LicenseRow> = self.write(|connection| query.load(connection))?;
        if rows.len() as i64 == number {
            return Ok(rows);
        }
        let error = Error::storage("other transactions hold licenses of the plan");
        Err(self.fail(Failure { error, remedy: Remedy::Wait }))
    }

    /// Takes licenses in the order of their ids and waits for those that others hold. All who wait do so in this order.
    fn claim_patiently(&mut self, plan: PlanId, number: i64) -> Result<Vec<LicenseRow>, Error> {
        let query = license::table
            .select(LicenseRow::as_select())
            .filter(license::subscription_plan_uuid.eq(plan.0))
            .filter(Unassigned::new(license::status))
            .order(license::uuid)
            .limit(number)
            .for_no_key_update();
        let mut rows: Vec<LicenseRow> = self.write(|connection| query.load(connection))?;
        // A statement sees what was there when it began: licenses that were added while it waited come with the next one.
        while (rows.len() as i64) < number {
            let more: Vec<LicenseRow> = self.write(|connection| query.load(connection))?;
            if more.len() <= rows.len() {
                break;
            }
            rows = more;
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::containing;

    #[test]
    fn a_word_stands_for_itself_alone() {
        assert_eq!(containing(r"50%_A\b"), r"%50\%\_a\\b%");
    }
}
