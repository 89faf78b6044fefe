//! `POST /api/v1/subscriptions/{subscription_uuid}/revert/`: a plan's licenses are set back to how they were at a moment.

use actix_web::{HttpRequest, web};
use license_manager_domain::{LicenseId, PlanId, RevertRequest};
use serde_json::json;

use super::history::changes;
use crate::access::{Provisioner, path_uuid};
use crate::answer::{Answer, blocking};
use crate::app::AppState;
use crate::body::WithBody;
use crate::error::ApiError;
use crate::wire::fields::{Fields, boolean, datetime, list, uuid};
use crate::wire::time;

/// Tells what `{as_of, license_uuids?}` would change; with `dry_run` false, changes it.
///
/// 422 where somebody would hold two live licenses of the plan: then nothing changes.
pub async fn revert(
    WithBody { access, body }: WithBody<Provisioner>,
    request: HttpRequest,

    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let plan = PlanId(path_uuid(&request, "subscription_uuid")?);
    let mut fields = Fields::new(body)?;
    let as_of = fields.required("as_of", datetime());
    let licenses = fields.nullable("license_uuids", list(uuid(), 1..=usize::MAX)).value();
    let dry_run = fields.optional("dry_run", boolean()).unwrap_or(true);
    fields.finish()?;
    let licenses = licenses.map(|ids| ids.into_iter().map(LicenseId).collect());
    let request = RevertRequest { plan, licenses, as_of, dry_run };
    blocking(move || {
        let done = state.manager.revert(&access.caller.actor(), &request)?;
        let changed = done.changed.iter().map(|(id, fields)| json!({ "uuid": id, "changes": changes(fields) }));
        let left_alone = done.left_alone.iter().map(|(id, why)| json!({ "uuid": id, "reason": why.as_str() }));
        Answer::ok(&json!({
            "as_of": time::format(&request.as_of),
            "dry_run": request.dry_run,
            "num_changed": done.changed.len(),
            "changed": changed.collect::<Vec<_>>(),
            "left_alone": left_alone.collect::<Vec<_>>(),
        }))
    })
    .await
}
