//! Licenses.

use chrono::{DateTime, Utc};
use diesel::backend::Backend;
use diesel::dsl::{AsSelect, auto_type};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use license_manager_domain::ports::{DeletedLicense, Person};
use license_manager_domain::{
    ActivationKey, CustomerAgreement, Email, Error, License, LicenseColumns, LicenseCounts, LicenseId, LicenseStatus,
    LmsUserId, PlanDetails, PlanId,
};
use uuid::Uuid;

use crate::backends::{Pg, Sqlite};
use crate::rows::agreements::{AgreementRow, MessageRow, agreement};
use crate::rows::plans::{PlanDetailsRow, PlanRow, plan_details};
use crate::rows::renewals::{leading, renewed};
use crate::rows::shared::{IdRow, SharedQuery};
use crate::schema::{
    customer_agreement, expiration_message, license, plan_type, product, subscription_plan,
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

/// The licenses to delete.
pub(crate) enum Doomed<'a> {
    /// Those of a plan with a status.
    InState(PlanId, LicenseStatus),
    /// Of these, the unassigned ones.
    Unassigned(&'a [LicenseId]),
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

/// A license with its plan, the agreement and the agreement's message. The plan comes last: diesel reads rows within rows
/// only there.
pub(crate) type LicenseWithPlanRow = (LicenseRow, AgreementRow, Option<MessageRow>, PlanDetailsRow);

/// Licenses with their plans, as [`LicenseWithPlanRow`], in the order of their ids.
#[auto_type(no_type_alias)]
pub(crate) fn licenses_with_plans<DB: Backend>() -> _ {
    let license: AsSelect<LicenseRow, DB> = LicenseRow::as_select();
    let plan: AsSelect<PlanRow, DB> = PlanRow::as_select();
    let agreement: AsSelect<AgreementRow, DB> = AgreementRow::as_select();
    let message: AsSelect<Option<MessageRow>, DB> = Option::<MessageRow>::as_select();
    let processed = renewal::prior_subscription_plan_uuid.eq(subscription_plan::uuid).and(renewal::processed);
    let renewed_plan = renewed.field(subscription_plan::uuid).nullable().eq(renewal::renewed_subscription_plan_uuid);
    let following = (
        renewed.field(subscription_plan::uuid),
        renewed.field(subscription_plan::start_date),
        renewal::license_types_to_copy,
    );
    let leads_here = leading
        .field(renewal::renewed_subscription_plan_uuid)
        .eq(subscription_plan::uuid.nullable())
        .and(leading.field(renewal::processed));
    let prior = (leading.field(renewal::prior_subscription_plan_uuid), leading.field(renewal::license_types_to_copy));
    let of_agreement = expiration_message::customer_agreement_uuid.eq(customer_agreement::uuid);
    license::table
        .inner_join(
            subscription_plan::table
                .inner_join(customer_agreement::table)
                .inner_join(product::table.inner_join(plan_type::table)),
        )
        .left_join(renewal::table.on(processed))
        .left_join(renewed.on(renewed_plan))
        .left_join(leading.on(leads_here))
        .left_join(expiration_message::table.on(of_agreement))
        .order(license::uuid)
        .select((
            license,
            agreement,
            message,
            (
                plan,
                customer_agreement::enterprise_customer_uuid,
                plan_type::label,
                following.nullable(),
                prior.nullable(),
            ),
        ))
}

pub(crate) fn license_with_plan((license, _, _, plan): LicenseWithPlanRow) -> Result<(License, PlanDetails), Error> {
    Ok((license.try_into()?, plan_details(plan)?))
}

/// Licenses, each with its plan.
pub(crate) type LicensesWithPlans = Vec<(License, PlanDetails)>;

/// The licenses of these rows, and the agreement of the first one.
pub(crate) fn licenses_and_agreement(
    rows: Vec<LicenseWithPlanRow>,
) -> Result<(LicensesWithPlans, Option<CustomerAgreement>), Error> {
    let mut found = Vec::with_capacity(rows.len());
    let mut of_first = None;
    for (license, of_plan, message, plan) in rows {
        if of_first.is_none() {
            of_first = Some(agreement((of_plan, message))?);
        }
        found.push((License::try_from(license)?, plan_details(plan)?));
    }
    Ok((found, of_first))
}

/// The licenses of a person. An unknown address or LMS user id is NULL, which equals nothing.
#[auto_type(no_type_alias)]
pub(crate) fn held_by(person: &Person) -> _ {
    // A person's address is in its normal form, so there is at most one other: the one that older versions stored.
    let (email, formerly): (Option<String>, Option<String>) = forms(person.email.as_ref());
    let lms_user_id: Option<i64> = person.lms_user_id.map(|id| id.0);
    license::user_email.eq(email).or(license::user_email.eq(formerly)).or(license::lms_user_id.eq(lms_user_id))
}

fn forms(email: Option<&Email>) -> (Option<String>, Option<String>) {
    let formerly = email.and_then(|email| email.stored_forms().into_iter().find(|form| form != email));
    (email.cloned().map(String::from), formerly.map(String::from))
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

/// The seats of a plan by state, as the triggers counted them.
pub(crate) type CountedRow = (Uuid, Option<i64>, Option<i64>, Option<i64>, Option<i64>);

pub(crate) fn counted((plan, unassigned, assigned, activated, revoked): CountedRow) -> (PlanId, LicenseCounts) {
    let [unassigned, assigned, activated, revoked] =
        [unassigned, assigned, activated, revoked].map(Option::unwrap_or_default);
    (PlanId(plan), LicenseCounts { unassigned, assigned, activated, revoked })
}

/// The licenses of a plan that have history after a moment.
pub(crate) fn licenses_written_after(plan: PlanId, at: DateTime<Utc>) -> impl SharedQuery<IdRow> {
    sql_query(
        "SELECT uuid FROM license
         WHERE subscription_plan_uuid = $1 AND EXISTS (
             SELECT 1 FROM license_history AS later WHERE later.uuid = license.uuid AND later.history_date > $2)
         ORDER BY uuid",
    )
    .bind::<SqlUuid, _>(plan.0)
    .bind::<SqlTimestamp, _>(at)
}
