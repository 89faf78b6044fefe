//! Locks of renewals, and new ones. The repository is in [`crate::rows::renewals`].

use diesel::prelude::*;
use license_manager_domain::history::Change;
use license_manager_domain::{Error, RenewalId};

use super::recording::{Kind, with_history};
use super::unit::PostgresUnit;
use crate::rows::renewals::RenewalRow;
use crate::schema::{SUBSCRIPTION_PLAN_RENEWAL, subscription_plan_renewal as renewal};

impl PostgresUnit<'_> {
    /// Locks a renewal.
    pub(crate) fn lock_renewal(&mut self, id: RenewalId) -> Result<(), Error> {
        let query = renewal::table.find(id.0).select(renewal::id).for_no_key_update();
        self.write(|connection| query.get_result::<i64>(connection).optional())?;
        Ok(())
    }

    /// Adds a renewal.
    pub(crate) fn add_renewal(&mut self, row: RenewalRow, change: &Change) -> Result<RenewalId, Error> {
        let statement = diesel::insert_into(renewal::table).values(row).returning(renewal::all_columns);
        let statement = with_history(statement, &SUBSCRIPTION_PLAN_RENEWAL, Kind::Added, change).returning_id();
        self.write(|connection| statement.get_result::<i64>(connection)).map(RenewalId)
    }
}
