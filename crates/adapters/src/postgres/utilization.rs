//! Seat utilization: sums of the counts that a trigger keeps (migrations/postgres, "utilization").

use chrono::NaiveDate;
use diesel::RunQueryDsl;
use license_manager_domain::model::{ActivationDelays, Period, SeatChange};
use license_manager_domain::ports::UtilizationRepository;
use license_manager_domain::{Error, License, PlanId};

use super::unit::PostgresUnit;
use crate::rows::licenses::licenses;
use crate::rows::utilization;

impl UtilizationRepository for PostgresUnit<'_> {
    fn seat_changes(&mut self, plan: PlanId, last: NaiveDate) -> Result<Vec<SeatChange>, Error> {
        self.list(utilization::seat_changes(plan, last))
    }

    fn activation_delays(&mut self, plan: PlanId, period: Period) -> Result<ActivationDelays, Error> {
        self.list(utilization::activation_delays(plan, period)).map(ActivationDelays::new)
    }

    fn idle(&mut self, plan: PlanId, limit: i64) -> Result<Vec<License>, Error> {
        licenses(self.read(|connection| utilization::idle_licenses(plan, limit).load(connection))?)
    }
}
