//! `POST /api/v1/subscriptions/{subscription_uuid}/revert/`: a plan's licenses are set back to how they were at a moment.

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
use crate::http::{Answer, ApiResult, Timestamp, WithBody, blocking};
use crate::state::State;

/// Which licenses are set back to which moment.
#[derive(Deserr, ToSchema)]
#[deserr(error = FieldErrors)]
#[schema(as = RevertRequest)]
pub struct Order {
    /// The moment.
    pub as_of: Required<Moment>,
    /// The licenses; all of the plan unless named.
    #[deserr(default)]
    pub license_uuids: Nullable<List<UuidText, 1>>,
    /// Whether nothing is to change; it is a dry run unless this is false.
    #[deserr(default)]
    pub dry_run: Optional<Boolean>,
}

/// What was changed, or would be.
#[derive(Serialize, ToSchema)]
#[schema(as = Revert)]
struct Body {
    as_of: Timestamp,
    dry_run: bool,
    num_changed: usize,
    changed: Vec<ChangedBody>,
    left_alone: Vec<LeftAloneBody>,
}

/// A license that is set back.
#[derive(Serialize, ToSchema)]
#[schema(as = RevertedLicense)]
struct ChangedBody {
    uuid: Uuid,
    /// By field.
    #[schema(value_type = BTreeMap<String, FieldChangeBody>)]
    changes: serde_json::Value,
}

/// A license that stays as it is.
#[derive(Serialize, ToSchema)]
#[schema(as = LicenseLeftAlone)]
struct LeftAloneBody {
    uuid: Uuid,
    reason: LeftAloneReason,
}

choices!(
    /// Why a license stays as it is.
    LeftAloneReason,
    "LeftAloneReason",
    LeftAlone
);

/// Tells what setting the plan's licenses back to a moment would change; with `dry_run` false, changes it.
///
/// 422 where somebody would hold two live licenses of the plan: then nothing changes.
#[utoipa::path(
    post,
    path = "/api/v1/subscriptions/{subscription_uuid}/revert/",
    tag = "Provisioning",
    request_body = Order,
    responses(
        (status = 200, description = "What changes", body = Body),
        (status = 422, description = "Somebody would hold two live licenses, or too many licenses were written since", body = String, content_type = "application/json"),
    ),
)]
pub async fn revert(
    WithBody { access, body }: WithBody<ProvisionerOrStaff, Order>,
    request: HttpRequest,
    state: State,
) -> ApiResult {
    let plan = PlanId(path_uuid(&request, "subscription_uuid")?);
    let order = body.read()?;
    let licenses = order.license_uuids.0.flatten().map(|ids| ids.into_iter().map(LicenseId).collect());
    let dry_run = order.dry_run.0.unwrap_or(true);
    let request = RevertRequest { plan, licenses, as_of: order.as_of.0, dry_run };
    blocking(move || {
        let done = state.manager.revert(&access.caller.actor(), &request)?;
        let num_changed = done.changed.len();
        let changed =
            done.changed.into_iter().map(|(id, fields)| ChangedBody { uuid: id.0, changes: changes(&fields) });
        let left_alone =
            done.left_alone.into_iter().map(|(id, why)| LeftAloneBody { uuid: id.0, reason: LeftAloneReason(why) });
        Answer::ok(&Body {
            as_of: Timestamp(request.as_of),
            dry_run: request.dry_run,
            num_changed,
            changed: changed.collect(),
            left_alone: left_alone.collect(),
        })
    })
    .await
}
