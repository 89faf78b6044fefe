//! `GET /api/v1/provisioning-admins/notifications/` and `…/license-events/`: notifications that were sent, and events of licenses.

use actix_web::HttpRequest;
use license_manager_domain::model::{LicenseMark, Notification, NotificationKind};
use license_manager_domain::ports::{LicenseEventFilter, NotificationFilter};
use license_manager_domain::{CustomerId, LicenseId, PlanId};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::permissions::ProvisionerOrStaff;
use crate::http::kinds::choices;
use crate::http::{ApiResult, PageBody, Paging, Query, Timestamp};
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

/// An event of a license.
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
    let query = Query::of(&request);
    let filter = NotificationFilter {
        customer: query.uuid("enterprise_customer_uuid")?.map(CustomerId),
        plan: query.uuid("subscription_plan_uuid")?.map(PlanId),
        kind: query.choice::<NotificationType>("notification_type")?,
    };
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
    let query = Query::of(&request);
    let filter = LicenseEventFilter {
        license: query.uuid("license_uuid")?.map(LicenseId),
        event_name: query.text("event_name").map(str::to_owned),
    };
    Paging::new(&request).answer(move |part| state.manager.license_events(&filter, part), LicenseEventBody::from).await
}
