//! Renewals.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use license_manager_domain::ports::RenewalRepository;
use license_manager_domain::{AgreementId, Error, PlanId, RenewalId, RenewalLink};
use uuid::Uuid;

use super::PostgresUnit;
use super::schema::{subscription_plan, subscription_plan_renewal as renewal};

/// The renewal's own columns, then agreement and start of the prior plan, then start and end of the renewed one.
type Row = (
    (i64, Uuid, Option<Uuid>, DateTime<Utc>, DateTime<Utc>, bool),
    (Uuid, DateTime<Utc>),
    Option<(DateTime<Utc>, DateTime<Utc>)>,
);

fn link((renewal, (agreement, prior_plan_start), renewed): Row) -> RenewalLink {
    let (id, prior_plan, renewed_plan, agreed_expiration, effective_date, processed) = renewal;
    RenewalLink {
        id: RenewalId(id),
        agreement: AgreementId(agreement),
        prior_plan: PlanId(prior_plan),
        prior_plan_start,
        renewed_plan: renewed_plan.map(PlanId),
        renewed_plan_start: renewed.map(|(start, _)| start),
        renewed_expiration: renewed.map_or(agreed_expiration, |(_, expiration)| expiration),
        effective_date,
        processed,
    }
}

impl RenewalRepository for PostgresUnit<'_> {
    fn of_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<RenewalLink>, Error> {
        if agreements.is_empty() {
            return Ok(Vec::new());
        }
        let agreements: Vec<_> = agreements.iter().map(|agreement| agreement.0).collect();
        let (prior, renewed) = diesel::alias!(subscription_plan as prior_plan, subscription_plan as renewed_plan);
        let query = renewal::table
            .inner_join(prior.on(prior.field(subscription_plan::uuid).eq(renewal::prior_subscription_plan_uuid)))
            .left_join(
                renewed
                    .on(renewed.field(subscription_plan::uuid).nullable().eq(renewal::renewed_subscription_plan_uuid)),
            )
            .filter(prior.field(subscription_plan::customer_agreement_uuid).eq_any(agreements))
            .order(renewal::id)
            .select((
                renewal::all_columns,
                prior.fields((subscription_plan::customer_agreement_uuid, subscription_plan::start_date)),
                renewed.fields((subscription_plan::start_date, subscription_plan::expiration_date)).nullable(),
            ));
        let rows = self.read(|connection| query.load::<Row>(connection))?;
        Ok(rows.into_iter().map(link).collect())
    }
}
