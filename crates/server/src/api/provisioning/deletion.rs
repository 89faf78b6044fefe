//! What all deletions by staff have in common: who may delete, and the reason that the history keeps.

use deserr::Deserr;
use license_manager_domain::Actor;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::permissions::ProvisionerOrStaff;
use crate::http::fields::{Boolean, FieldErrors, Integer, List, Optional, Required, Text};
use crate::http::{ApiResult, WithBody};

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

/// A deletion of many records by a provisioning admin or support staff.
pub type BulkDeletion = WithBody<ProvisionerOrStaff, BulkDeletionRequest>;

/// A deletion of many records: those that match the filters of the query, and of these only the named ones, if any are named. The request
/// needs a filter or ids.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
pub struct BulkDeletionRequest {
    /// Why, for the history.
    pub change_reason: Required<Reason>,
    /// The records to delete; ids of no record are ignored.
    #[deserr(default)]
    pub ids: Optional<List<Integer<i64>, 1, 10_000>>,
    /// Whether the records are only counted.
    #[deserr(default)]
    pub is_dry_run: Optional<Boolean>,
}

/// The result of a deletion of many records.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BulkDeletion)]
pub struct BulkDeletionBody {
    /// How many were deleted, or would be.
    pub num_deleted: usize,
    /// Whether they were only counted.
    pub is_dry_run: bool,
}

/// What to delete of many records, who does it, and why.
pub struct DeletionOrder {
    /// Who deletes, and why.
    pub actor: Actor,
    /// The named records.
    pub ids: Option<Vec<i64>>,
    /// Whether they are only counted.
    pub is_dry_run: bool,
}

impl BulkDeletion {
    /// Reads the request; `is_filtered` tells whether the query has a filter.
    ///
    /// # Errors
    /// If the reason is missing, or if neither a filter nor an id is named.
    pub async fn order(self, is_filtered: bool) -> ApiResult<DeletionOrder> {
        let BulkDeletionRequest { change_reason, ids, is_dry_run } = self.body.edit().await??;
        if ids.0.is_none() && !is_filtered {
            return Err(FieldErrors::field("ids", "Name the records by ids, or by a filter in the query.").into());
        }
        let actor = self.access.caller.actor().because(Some(change_reason.0));
        Ok(DeletionOrder { actor, ids: ids.0, is_dry_run: is_dry_run.0.unwrap_or_default() })
    }
}

impl Deletion {
    /// Who deletes, and why.
    ///
    /// # Errors
    /// If the reason is missing.
    pub async fn actor(self) -> ApiResult<Result<Actor, FieldErrors>> {
        let actor = self.access.caller.actor();
        Ok(self.body.read().await?.map(|request| actor.because(Some(request.change_reason.0))))
    }
}
