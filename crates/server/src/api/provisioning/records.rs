//! `/api/v1/provisioning-admins/notifications/` and `…/license-events/`: notifications that were sent, and events of licenses.

use actix_web::HttpRequest;
use license_manager_domain::history::EntityRef;
use license_manager_domain::model::{LicenseMark, Notification, NotificationKind};
use license_manager_domain::ports::{LicenseEventFilter, NotificationFilter};
use license_manager_domain::{CustomerId, LicenseEventId, LicenseId, NotificationId, PlanId};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::deletion::{BulkDeletion, BulkDeletionBody, BulkDeletionRequest, Deletion, DeletionOrder, DeletionRequest};
use crate::api::history::history;
use crate::auth::permissions::{ProvisionerOrStaff, path_integer};
use crate::http::kinds::choices;
use crate::http::{ApiResult, PageBody, Paging, Query, Response, Timestamp, blocking, without_content};
use crate::openapi::errors::Detail;
use crate::openapi::parameters::{CustomerQuery, PageQuery};
use crate::state::State;

/// The filters of notifications.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NotificationQuery {
    /// Only notifications about this plan.
    pub subscription_plan_uuid: Option<Uuid>,
    /// Only notifications of this type.
    #[param(inline)]
    pub notification_type: Option<NotificationType>,
}

choices!(
    /// The type of a notification.
    NotificationType,
    "NotificationType",
    NotificationKind
);

/// The filters of license events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LicenseEventQuery {
    /// Only events of this license.
    pub license_uuid: Option<Uuid>,
    /// Only events with this name.
    #[param(example = "edx.server.license-manager.expired.license.unlinked")]
    pub event_name: Option<String>,
}

/// A notification that was sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notification)]
struct NotificationBody {
    id: i64,
    enterprise_customer_uuid: Uuid,
    enterprise_customer_user_id: i64,
    subscription_plan_uuid: Uuid,
    notification_type: NotificationType,
    last_sent: Timestamp,
}

impl From<(NotificationId, Notification)> for NotificationBody {
    fn from((id, notification): (NotificationId, Notification)) -> Self {
        Self {
            id: id.0,
            enterprise_customer_uuid: notification.customer.0,
            enterprise_customer_user_id: notification.customer_user,
            subscription_plan_uuid: notification.plan.0,
            notification_type: NotificationType(notification.kind),
            last_sent: Timestamp(notification.last_sent),
        }
    }
}

/// An event of a license.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LicenseEvent)]
struct LicenseEventBody {
    id: i64,
    license_uuid: Uuid,
    event_name: String,
    created: Timestamp,
}

impl From<LicenseMark> for LicenseEventBody {
    fn from(mark: LicenseMark) -> Self {
        Self {
            id: mark.id.0,
            license_uuid: mark.license.0,
            event_name: mark.event_name,
            created: Timestamp(mark.created),
        }
    }
}

fn notification_filter(request: &HttpRequest) -> ApiResult<NotificationFilter> {
    let query = Query::of(request);
    Ok(NotificationFilter {
        ids: None,
        customer: query.uuid("enterprise_customer_uuid")?.map(CustomerId),
        plan: query.uuid("subscription_plan_uuid")?.map(PlanId),
        kind: query.choice::<NotificationType>("notification_type")?,
    })
}

fn license_event_filter(request: &HttpRequest) -> ApiResult<LicenseEventFilter> {
    let query = Query::of(request);
    Ok(LicenseEventFilter {
        ids: None,
        license: query.uuid("license_uuid")?.map(LicenseId),
        event_name: query.text("event_name").map(str::to_owned),
    })
}

/// Lists notifications, the last sent first.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/notifications/",
    tag = "Staff",
    params(CustomerQuery, NotificationQuery, PageQuery),
    responses(
        (status = 200, description = "A page of notifications", body = PageBody<NotificationBody>),
        (status = 400, description = "A filter cannot be read", body = Detail),
    ),
)]
pub async fn notifications(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let filter = notification_filter(&request)?;
    Paging::new(&request).answer(move |part| state.manager.notifications(&filter, part), NotificationBody::from).await
}

/// Lists events of licenses, the latest first.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/license-events/",
    tag = "Staff",
    params(LicenseEventQuery, PageQuery),
    responses((status = 200, description = "A page of events", body = PageBody<LicenseEventBody>)),
)]
pub async fn license_events(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let filter = license_event_filter(&request)?;
    Paging::new(&request).answer(move |part| state.manager.license_events(&filter, part), LicenseEventBody::from).await
}

/// Deletes the records of the notifications that match the filters or are named. With `is_dry_run` it only counts them. Without the last
/// one about a plan and type, the mail is sent again when it is due.
#[utoipa::path(
    delete,
    path = "/api/v1/provisioning-admins/notifications/",
    tag = "Staff",
    params(CustomerQuery, NotificationQuery),
    request_body = BulkDeletionRequest,
    responses((status = 200, description = "How many were deleted", body = BulkDeletionBody)),
)]
pub async fn delete_notifications(deletion: BulkDeletion, request: HttpRequest, state: State) -> ApiResult {
    let filter = notification_filter(&request)?;
    let DeletionOrder { actor, ids, is_dry_run } = deletion.order(filter != NotificationFilter::default()).await?;
    let filter = NotificationFilter { ids: ids.map(|ids| ids.into_iter().map(NotificationId).collect()), ..filter };
    blocking(move || {
        let num_deleted = state.manager.delete_notifications(&actor, &filter, is_dry_run)?;
        Response::ok(&BulkDeletionBody { num_deleted, is_dry_run })
    })
    .await
}

/// Deletes the records of the events of licenses that match the filters or are named. With `is_dry_run` it only counts them. What they
/// record is done again when it is due.
#[utoipa::path(
    delete,
    path = "/api/v1/provisioning-admins/license-events/",
    tag = "Staff",
    params(LicenseEventQuery),
    request_body = BulkDeletionRequest,
    responses((status = 200, description = "How many were deleted", body = BulkDeletionBody)),
)]
pub async fn delete_license_events(deletion: BulkDeletion, request: HttpRequest, state: State) -> ApiResult {
    let filter = license_event_filter(&request)?;
    let DeletionOrder { actor, ids, is_dry_run } = deletion.order(filter != LicenseEventFilter::default()).await?;
    let filter = LicenseEventFilter { ids: ids.map(|ids| ids.into_iter().map(LicenseEventId).collect()), ..filter };
    blocking(move || {
        let num_deleted = state.manager.delete_license_events(&actor, &filter, is_dry_run)?;
        Response::ok(&BulkDeletionBody { num_deleted, is_dry_run })
    })
    .await
}

history!(
    notification_history,
    "/api/v1/provisioning-admins/notifications/{notification_id}/history/",
    "Staff",
    "a notification",
    |_access: ProvisionerOrStaff, request| {
        EntityRef::Notification(NotificationId(path_integer(&request, "notification_id")?))
    }
);

history!(
    license_event_history,
    "/api/v1/provisioning-admins/license-events/{license_event_id}/history/",
    "Staff",
    "an event of a license, of which only its deletion is recorded",
    |_access: ProvisionerOrStaff, request| {
        EntityRef::LicenseEvent(LicenseEventId(path_integer(&request, "license_event_id")?))
    }
);

/// Deletes the record of a notification: 204. Without the last one about a plan and type, the mail is sent again when it is due.
#[utoipa::path(
    delete,
    path = "/api/v1/provisioning-admins/notifications/{notification_id}/",
    tag = "Staff",
    request_body = DeletionRequest,
    responses((status = 204, description = "Deleted")),
)]
pub async fn delete_notification(deletion: Deletion, request: HttpRequest, state: State) -> ApiResult {
    let id = NotificationId(path_integer(&request, "notification_id")?);
    let actor = deletion.actor().await??;
    without_content(move || state.manager.delete_notification(&actor, id)).await
}

/// Deletes the record of an event of a license: 204. What it records is done again when it is due.
#[utoipa::path(
    delete,
    path = "/api/v1/provisioning-admins/license-events/{license_event_id}/",
    tag = "Staff",
    request_body = DeletionRequest,
    responses((status = 204, description = "Deleted")),
)]
pub async fn delete_license_event(deletion: Deletion, request: HttpRequest, state: State) -> ApiResult {
    let id = LicenseEventId(path_integer(&request, "license_event_id")?);
    let actor = deletion.actor().await??;
    without_content(move || state.manager.delete_license_event(&actor, id)).await
}
