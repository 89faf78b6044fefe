//! `POST /api/v1/subscriptions/{subscription_uuid}/revert/`: reverts a plan's licenses to their state at a moment.

use actix_web::HttpRequest;
use deserr::Deserr;
use license_manager_domain::use_cases::LeftAlone;
use license_manager_domain::{LicenseId, PlanId, RevertRequest};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::history::{FieldChangeBody, changes};
use crate::auth::permissions::{ProvisionerOrStaff, path_uuid};
use crate::http::fields::{Boolean, FieldErrors, List, Moment, Nullable, Optional, Required, UuidText};
use crate::http::kinds::choices;
use crate::http::measure::MAX_ITEMS;
use crate::http::{ApiResult, Response, Timestamp, WithBody, blocking, reading};
use crate::state::State;

/// The licenses to revert, and the moment.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
#[schema(as = RevertRequest)]
pub struct Order {
    /// The moment.
    pub as_of: Required<Moment>,
    /// The licenses; the default is all of the plan.
    #[deserr(default)]
    pub license_uuids: Nullable<List<UuidText, 1, { MAX_ITEMS }>>,
    /// Whether this is a dry run, which changes nothing; the default is true.
    #[deserr(default)]
    pub dry_run: Optional<Boolean>,
}

/// The changes.
#[derive(Serialize, ToSchema)]
#[schema(as = Revert)]
struct Body {
    as_of: Timestamp,
    dry_run: bool,
    num_changed: usize,
    /// The unassigned licenses that are deleted, because as many revoked ones come back.
    num_unassigned_removed: i64,
    /// The unassigned licenses that are added, because as many are revoked.
    num_unassigned_added: i64,
    changed: Vec<ChangedBody>,
    left_alone: Vec<LeftAloneBody>,
}

/// A license that is reverted.
#[derive(Serialize, ToSchema)]
#[schema(as = RevertedLicense)]
struct ChangedBody {
    uuid: Uuid,
    /// By field.
    #[schema(value_type = BTreeMap<String, FieldChangeBody>)]
    changes: serde_json::Value,
}

/// A license that does not change.
#[derive(Serialize, ToSchema)]
#[schema(as = LicenseLeftAlone)]
struct LeftAloneBody {
    uuid: Uuid,
    reason: LeftAloneReason,
}

choices!(
    /// Why a license does not change.
    LeftAloneReason,
    "LeftAloneReason",
    LeftAlone
);

/// Reverts the plan's licenses to their state at a moment. With `dry_run`, which is the default, only reports the changes.
///
/// The plan keeps its size: for revoked licenses that come back, unassigned ones are deleted; for licenses that are revoked, unassigned ones
/// are added.
///
/// 422 if somebody would have two live licenses of the plan, or if it has too few unassigned licenses to delete; then nothing changes.
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions/{subscription_uuid}/revert/",
    tag = "Provisioning",
    request_body = Order,
    responses(
        (status = 200, description = "The changes", body = Body),
        (status = 422, description = "Somebody would hold two live licenses, the plan has too few unassigned licenses to delete, or too many licenses were written since", body = String, content_type = "application/json"),
    ),
)]
pub async fn revert(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, Order>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let plan = PlanId(path_uuid(&request, "subscription_uuid")?);
    let order = body.read().await??;
    let licenses = order.license_uuids.0.flatten().map(|ids| ids.into_iter().map(LicenseId).collect());
    let dry_run = order.dry_run.0.unwrap_or(true);
    let request = RevertRequest { plan, licenses, as_of: order.as_of.0, dry_run };
    let work = move || {
        let done = state.manager.revert(&access.caller.actor(), &request)?;
        let num_changed = done.changed.len();
        let changed =
            done.changed.into_iter().map(|(id, fields)| ChangedBody { uuid: id.0, changes: changes(&fields) });
        let left_alone =
            done.left_alone.into_iter().map(|(id, why)| LeftAloneBody { uuid: id.0, reason: LeftAloneReason(why) });
        Response::ok(&Body {
            as_of: Timestamp(request.as_of),
            dry_run: request.dry_run,
            num_changed,
            num_unassigned_removed: done.removed,
            num_unassigned_added: done.added,
            changed: changed.collect(),
            left_alone: left_alone.collect(),
        })
    };
    if dry_run { reading(work).await } else { blocking(work).await }
}
