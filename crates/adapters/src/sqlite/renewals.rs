//! Renewals.

use diesel::prelude::*;
use license_manager_domain::ports::RenewalRepository;
use license_manager_domain::{AgreementId, Error, PlanId, RenewalId, RenewalLink};

use super::SqliteUnit;
use super::error::storage_error;
use super::json::in_json;
use super::schema::{subscription_plan, subscription_plan_renewal as renewal};
use super::types::{SqlMoment, SqlUuid};

diesel::alias!(subscription_plan as prior: Prior, subscription_plan as renewed: Renewed);

type LinkRow =
    (i64, SqlMoment, SqlMoment, bool, (SqlUuid, SqlUuid, SqlMoment), Option<(SqlUuid, SqlMoment, SqlMoment)>);

impl RenewalRepository for SqliteUnit<'_> {
    fn of_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<RenewalLink>, Error> {
        let agreements = serde_json::to_string(agreements).map_err(Error::storage)?;
        let uuid = subscription_plan::uuid;
        let agreement = subscription_plan::customer_agreement_uuid;
        let start = subscription_plan::start_date;
        let prior_columns = (prior.field(uuid), prior.field(agreement), prior.field(start));
        let renewed_columns =
            (renewed.field(uuid), renewed.field(start), renewed.field(subscription_plan::expiration_date));
        let rows: Vec<LinkRow> = renewal::table
            .inner_join(prior.on(prior.field(uuid).eq(renewal::prior_subscription_plan_uuid)))
            .left_join(renewed.on(renewed.field(uuid).nullable().eq(renewal::renewed_subscription_plan_uuid)))
            .filter(in_json(prior.field(agreement), agreements))
            .order(renewal::id)
            .select((
                renewal::id,
                renewal::effective_date,
                renewal::renewed_expiration_date,
                renewal::processed,
                prior_columns,
                renewed_columns.nullable(),
            ))
            .load(self.conn)
            .map_err(storage_error)?;
        Ok(rows.into_iter().map(link).collect())
    }
}

fn link((id, effective_date, agreed_expiration, processed, prior_plan, renewed_plan): LinkRow) -> RenewalLink {
    let (prior_plan, agreement, prior_plan_start) = prior_plan;
    RenewalLink {
        id: RenewalId(id),
        agreement: AgreementId(agreement.0),
        prior_plan: PlanId(prior_plan.0),
        prior_plan_start: prior_plan_start.0,
        renewed_plan: renewed_plan.map(|(plan, ..)| PlanId(plan.0)),
        renewed_plan_start: renewed_plan.map(|(_, start, _)| start.0),
        renewed_expiration: renewed_plan.map_or(agreed_expiration, |(.., expiration)| expiration).0,
        effective_date: effective_date.0,
        processed,
    }
}
