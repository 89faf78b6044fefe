//! New renewals. The repository is in [`crate::rows::renewals`].

use diesel::prelude::*;
use license_manager_domain::history::{Change, ChangeKind};
use license_manager_domain::{Error, RenewalId};

use super::json::json;
use super::unit::SqliteUnit;
use crate::rows::renewals::RenewalRow;
use crate::schema::{SUBSCRIPTION_PLAN_RENEWAL, subscription_plan_renewal as renewal};

impl SqliteUnit<'_> {
    /// Only one unit of work writes at a time, so a renewal needs no lock.
    pub(crate) fn lock_renewal(&mut self, _: RenewalId) -> Result<(), Error> {
        self.require_write()
    }

    /// Adds a renewal.
    pub(crate) fn add_renewal(&mut self, row: RenewalRow, change: &Change) -> Result<RenewalId, Error> {
        let query = diesel::insert_into(renewal::table).values(row).returning(renewal::id);
        let id = self.write(|connection| query.get_result(connection))?;
        self.record(&SUBSCRIPTION_PLAN_RENEWAL, &json([id])?, ChangeKind::Added, change)?;
        Ok(RenewalId(id))
    }
}
