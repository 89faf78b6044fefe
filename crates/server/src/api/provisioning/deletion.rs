//! What all deletions by staff have in common: who may delete, and the reason that the history keeps.

use deserr::Deserr;
use license_manager_domain::Actor;
use utoipa::ToSchema;

use crate::auth::permissions::ProvisionerOrStaff;
use crate::http::WithBody;
use crate::http::fields::{FieldErrors, Required, Text};

/// Why something is changed or deleted.
pub type Reason = Text<1, 255>;

/// A deletion by a provisioning admin or support staff.
pub type Deletion = WithBody<ProvisionerOrStaff, DeletionRequest>;

/// The reason for a deletion.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct DeletionRequest {
    /// Why, for the history.
    pub change_reason: Required<Reason>,
}

impl Deletion {
    /// Who deletes, and why.
    ///
    /// # Errors
    /// If the reason is missing.
    pub fn actor(self) -> Result<Actor, FieldErrors> {
        let reason = self.body.read()?.change_reason.0;
        Ok(self.access.caller.actor().because(Some(reason)))
    }
}
