//! `GET /api/v1/provisioning-admins/notifications/` and `…/license-events/`: what the service did, for staff to look up.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use license_manager_domain::model::{LicenseMark, Notification, NotificationKind};
use license_manager_domain::ports::{LicenseEventFilter, NotificationFilter};
use license_manager_domain::{CustomerId, LicenseId, PlanId};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::permissions::ProvisionerOrStaff;
use crate::http::kinds::choices;
use crate::http::{ApiError, ApiResult, PageBody, Paging, Query, Timestamp, query_uuid};
use crate::openapi::errors::Detail;
use crate::openapi::parameters::{CustomerQuery, PageQuery};
use crate::state::State;

/// Which notifications.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NotificationQuery {
    /// Only those about this plan.
    pub subscription_plan_uuid: Option<Uuid>,
    /// Only those of this kind.
    #[param(inline)]
    pub notification_type: Option<NotificationType>,
}

choices!(
    /// What a notification is about.
    NotificationType,
    "NotificationType",
    NotificationKind
);

/// Which events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LicenseEventQuery {
    /// Only those of this license.
    pub license_uuid: Option<Uuid>,
    /// Only those of this name.
    #[param(example = "edx.server.license-manager.expired.license.unlinked")]
    pub event_name: Option<String>,
}

/// A notification that was sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notification)]
struct NotificationBody {
    enterprise_customer_uuid: Uuid,
    enterprise_customer_user_id: i64,
    subscription_plan_uuid: Uuid,
    notification_type: NotificationType,
    last_sent: Timestamp,
}

impl From<Notification> for NotificationBody {
    fn from(notification: Notification) -> Self {
        Self {
            enterprise_customer_uuid: notification.customer.0,
            enterprise_customer_user_id: notification.customer_user,
            subscription_plan_uuid: notification.plan.0,
            notification_type: NotificationType(notification.kind),
            last_sent: Timestamp(notification.last_sent),
        }
    }
}

/// Something that was done for a license.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LicenseEvent)]
struct LicenseEventBody {
    license_uuid: Uuid,
    event_name: String,
    created: Timestamp,
}

impl From<LicenseMark> for LicenseEventBody {
    fn from(mark: LicenseMark) -> Self {
        Self { license_uuid: mark.license.0, event_name: mark.event_name, created: Timestamp(mark.created) }
    }
}

/// Every notification, the last sent first, or those that `enterprise_customer_uuid`, `subscription_plan_uuid` and
/// `notification_type` leave.
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
    let query = Query::of(&request);
    let kind = query.get("notification_type").filter(|text| !text.is_empty()).map(|name| {
        NotificationKind::from_name(name).ok_or_else(|| {
            let names: Vec<_> = NotificationKind::ALL.iter().map(|kind| kind.as_str()).collect();
            let message = format!("notification_type is one of: {}.", names.join(", "));
            ApiError::detail(StatusCode::BAD_REQUEST, message)
        })
    });
    let filter = NotificationFilter {
        customer: query_uuid(&query, "enterprise_customer_uuid")?.map(CustomerId),
        plan: query_uuid(&query, "subscription_plan_uuid")?.map(PlanId),
        kind: kind.transpose()?,
    };
    Paging::new(&request).answer(move |part| state.manager.notifications(&filter, part), NotificationBody::from).await
}

/// What was done for licenses, the last first, or what `license_uuid` and `event_name` leave.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/license-events/",
    tag = "Staff",
    params(LicenseEventQuery, PageQuery),
    responses((status = 200, description = "A page of events", body = PageBody<LicenseEventBody>)),
)]
pub async fn license_events(_: ProvisionerOrStaff, request: HttpRequest, state: State) -> ApiResult {
    let query = Query::of(&request);
    let filter = LicenseEventFilter {
        license: query_uuid(&query, "license_uuid")?.map(LicenseId),
        event_name: query.text("event_name").map(str::to_owned),
    };
    Paging::new(&request).answer(move |part| state.manager.license_events(&filter, part), LicenseEventBody::from).await
}
