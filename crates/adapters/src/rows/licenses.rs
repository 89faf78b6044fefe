//! Licenses.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::backend::Backend;
use diesel::dsl::{AsSelect, auto_type, sum};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use license_manager_domain::ports::{DeletedLicense, Person};
use license_manager_domain::{
    ActivationKey, AgreementId, CustomerId, Email, Error, License, LicenseColumns, LicenseCounts, LicenseId,
    LicenseStatus, LmsUserId, PlanDetails, PlanId,
};
use uuid::Uuid;

use crate::backends::{Pg, Sqlite};
use crate::one_of::one_of;
use crate::prepared::prepared_sql;
use crate::rows::plans::{PlanDetailsRow, plan_columns, plan_details};
use crate::rows::renewals::{is_renewed, leading, leads_from_plan, leads_to_plan, renewed};
use crate::rows::shared::{IdRow, SharedQuery, for_both_databases, load_with_ids};
use crate::schema::{
    customer_agreement, license, license_source, plan_type, product, seat_count, subscription_plan,
    subscription_plan_renewal as renewal,
};
use crate::sql_types::{SqlTimestamp, SqlUuid};

#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = license, check_for_backend(Pg, Sqlite))]
pub(crate) struct LicenseRow {
    uuid: Uuid,
    subscription_plan_uuid: Uuid,
    status: String,
    user_email: Option<String>,
    lms_user_id: Option<i64>,
    activation_key: Option<Uuid>,
    assigned_date: Option<DateTime<Utc>>,
    activation_date: Option<DateTime<Utc>>,
    last_remind_date: Option<DateTime<Utc>>,
    revoked_date: Option<DateTime<Utc>>,
    renewed_to_uuid: Option<Uuid>,
    auto_applied: Option<bool>,
    created: DateTime<Utc>,
    modified: DateTime<Utc>,
    renewed_from_uuid: Option<Uuid>,
}

impl TryFrom<LicenseRow> for License {
    type Error = Error;

    fn try_from(row: LicenseRow) -> Result<Self, Error> {
        let state = LicenseStatus::from_name(&row.status).and_then(|status| {
            let columns = LicenseColumns {
                status,
                user_email: row.user_email.map(Email::from_storage),
                lms_user_id: row.lms_user_id.and_then(LmsUserId::known),
                activation_key: row.activation_key.map(ActivationKey),
                assigned_date: row.assigned_date,
                last_remind_date: row.last_remind_date,
                activation_date: row.activation_date,
                revoked_date: row.revoked_date,
            };
            columns.into_state()
        });
        Ok(License {
            id: LicenseId(row.uuid),
            plan: PlanId(row.subscription_plan_uuid),
            state: state.ok_or_else(|| Error::internal(format!("the row of license {} spells no state", row.uuid)))?,
            renewed_to: row.renewed_to_uuid.map(LicenseId),
            renewed_from: row.renewed_from_uuid.map(LicenseId),
            auto_applied: row.auto_applied,
            created: row.created,
            modified: row.modified,
        })
    }
}

/// The type of a license's source: a Salesforce opportunity.
pub(crate) const SOURCE_TYPE: &str = "AMT";

/// The licenses to delete.
pub(crate) enum LicensesToDelete<'a> {
    /// Those of a plan with a status.
    InState(PlanId, LicenseStatus),
    /// Of these, those with a status.
    Named(&'a [LicenseId], LicenseStatus),
}

/// A license that was deleted.
#[derive(QueryableByName)]
pub(crate) struct DeletedRow {
    #[diesel(sql_type = SqlUuid)]
    pub uuid: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    pub user_email: Option<String>,
}

impl From<DeletedRow> for DeletedLicense {
    fn from(row: DeletedRow) -> Self {
        Self { id: LicenseId(row.uuid), email: row.user_email.map(Email::from_storage) }
    }
}

/// The address of a license.
#[derive(QueryableByName)]
pub(crate) struct EmailRow {
    #[diesel(sql_type = Text)]
    pub email: String,
}

/// A license with its plan.
pub(crate) type LicenseWithPlanRow = (LicenseRow, PlanDetailsRow);

/// Licenses with their plans, as [`LicenseWithPlanRow`], in the order of their ids.
#[auto_type(no_type_alias)]
pub(crate) fn licenses_with_plans<DB: Backend>() -> _ {
    let license: AsSelect<LicenseRow, DB> = LicenseRow::as_select();
    let plan: plan_columns<DB> = plan_columns();
    license::table
        .inner_join(
            subscription_plan::table
                .inner_join(customer_agreement::table)
                .inner_join(product::table.inner_join(plan_type::table)),
        )
        .left_join(renewal::table.on(leads_from_plan()))
        .left_join(renewed.on(is_renewed()))
        .left_join(leading.on(leads_to_plan()))
        .order(license::uuid)
        .select((license, plan))
}

pub(crate) fn license_with_plan((license, plan): LicenseWithPlanRow) -> Result<(License, PlanDetails), Error> {
    Ok((license.try_into()?, plan_details(plan)?))
}

/// The licenses of a person. An unknown address or LMS user id is NULL, which equals nothing.
#[auto_type(no_type_alias)]
pub(crate) fn held_by(person: &Person) -> _ {
    // A person's address is in its normal form, so there is at most one other: the one that older versions stored.
    let (email, formerly): (Option<String>, Option<String>) = forms(person.email.as_ref());
    let lms_user_id: Option<i64> = person.lms_user_id.map(|id| id.0);
    license::user_email.eq(email).or(license::user_email.eq(formerly)).or(license::lms_user_id.eq(lms_user_id))
}

/// An address, and the other form in which older versions stored it. If there is none, the address takes its place: with
/// NULL, Postgres would find the plan for these values cheaper than its generic plan, and plan each time.
fn forms(email: Option<&Email>) -> (Option<String>, Option<String>) {
    let formerly = email.and_then(|email| email.stored_forms().into_iter().find(|form| form != email));
    (email.cloned().map(String::from), formerly.as_ref().or(email).cloned().map(String::from))
}

pub(crate) fn licenses(rows: impl IntoIterator<Item = LicenseRow>) -> Result<Vec<License>, Error> {
    rows.into_iter().map(License::try_from).collect()
}

/// The numbers of licenses by state.
#[derive(QueryableByName)]
pub(crate) struct CountsRow {
    #[diesel(sql_type = BigInt)]
    unassigned: i64,
    #[diesel(sql_type = BigInt)]
    assigned: i64,
    #[diesel(sql_type = BigInt)]
    activated: i64,
    #[diesel(sql_type = BigInt)]
    revoked: i64,
}

impl From<CountsRow> for LicenseCounts {
    fn from(CountsRow { unassigned, assigned, activated, revoked }: CountsRow) -> Self {
        Self { unassigned, assigned, activated, revoked }
    }
}

/// The licenses of a plan that have history after a moment.
pub(crate) fn licenses_written_after(plan: PlanId, at: DateTime<Utc>) -> impl SharedQuery<IdRow> {
    prepared_sql(
        "SELECT uuid FROM license
         WHERE subscription_plan_uuid = $1 AND EXISTS (
             SELECT 1 FROM license_history AS later WHERE later.uuid = license.uuid AND later.history_date > $2)
         ORDER BY uuid",
    )
    .bind::<SqlUuid, _>(plan.0)
    .bind::<SqlTimestamp, _>(at)
}

/// The seats of a plan by state, as the triggers counted them.
type CountedRow = (Uuid, Option<i64>, Option<i64>, Option<i64>, Option<i64>);

fn counted((plan, unassigned, assigned, activated, revoked): CountedRow) -> (PlanId, LicenseCounts) {
    let [unassigned, assigned, activated, revoked] =
        [unassigned, assigned, activated, revoked].map(Option::unwrap_or_default);
    (PlanId(plan), LicenseCounts { unassigned, assigned, activated, revoked })
}

/// The methods of [`LicenseRepository`](license_manager_domain::ports::LicenseRepository) whose statements are the same in
/// both databases.
pub(crate) trait LicenseReads {
    /// `counts`.
    fn seat_counts(&mut self, plans: &[PlanId]) -> Result<HashMap<PlanId, LicenseCounts>, Error>;

    /// `find_by_person`.
    fn of_person(&mut self, agreement: AgreementId, person: &Person) -> Result<Vec<License>, Error>;

    /// `customer_of_activation_key`.
    fn customer_of_key(&mut self, key: ActivationKey) -> Result<Option<CustomerId>, Error>;

    /// `sources`.
    fn sources_of(&mut self, licenses: &[LicenseId]) -> Result<HashMap<LicenseId, String>, Error>;
}

for_both_databases! {
    impl LicenseReads for Unit {
        fn seat_counts(&mut self, plans: &[PlanId]) -> Result<HashMap<PlanId, LicenseCounts>, Error> {
            if plans.is_empty() {
                return Ok(HashMap::new());
            }
            let sums = seat_count::table.group_by(seat_count::subscription_plan_uuid).select((
                seat_count::subscription_plan_uuid,
                sum(seat_count::unassigned),
                sum(seat_count::assigned),
                sum(seat_count::activated),
                sum(seat_count::revoked),
            ));
            let rows = load_with_ids!(self, sums, seat_count::subscription_plan_uuid, plans, CountedRow)?;
            Ok(rows.into_iter().map(counted).collect())
        }

        fn of_person(&mut self, agreement: AgreementId, person: &Person) -> Result<Vec<License>, Error> {
            // The agreement is not a condition of the query: the database could start from all licenses of the agreement.
            let query = license::table
                .inner_join(subscription_plan::table)
                .filter(held_by(person))
                .order(license::uuid)
                .select((LicenseRow::as_select(), subscription_plan::customer_agreement_uuid));
            let rows = self.read(|connection| query.load::<(LicenseRow, Uuid)>(connection))?;
            licenses(rows.into_iter().filter(|(_, of)| *of == agreement.0).map(|(license, _)| license))
        }

        fn customer_of_key(&mut self, key: ActivationKey) -> Result<Option<CustomerId>, Error> {
            let query = license::table
                .inner_join(subscription_plan::table.inner_join(customer_agreement::table))
                .filter(license::activation_key.eq(SqlUuid(key.0)))
                .order(license::uuid)
                .select(customer_agreement::enterprise_customer_uuid);
            let customer = self.read(|connection| query.first::<Uuid>(connection).optional())?;
            Ok(customer.map(CustomerId))
        }

        fn sources_of(&mut self, licenses: &[LicenseId]) -> Result<HashMap<LicenseId, String>, Error> {
            let query = license_source::table
                .filter(one_of(license_source::license_uuid, licenses.iter().map(|license| license.0)))
                .select((license_source::license_uuid, license_source::source_id));
            let rows: Vec<(Uuid, String)> = self.read(|connection| query.load(connection))?;
            Ok(rows.into_iter().map(|(license, source)| (LicenseId(license), source)).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_another_form_takes_its_place() {
        let forms_of = |address: &str| forms(Some(&address.parse().unwrap()));
        let both = |one: &str, other: &str| (Some(one.to_owned()), Some(other.to_owned()));
        assert_eq!(forms_of("amy@example.com"), both("amy@example.com", "amy@example.com"));
        assert_eq!(
            forms_of("amy@m\u{fc}nchen.example.com"),
            both("amy@m\u{fc}nchen.example.com", "amy@xn--mnchen-3ya.example.com")
        );
        assert_eq!(forms(None), (None, None));
    }
}
