//! `GET /api/v1/provisioning-admins/notifications/` and `…/license-events/`: what the service did, for staff to look up.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use chrono::{DateTime, Utc};
use license_manager_domain::model::{LicenseMark, Notification, NotificationKind};
use license_manager_domain::ports::{LicenseEventFilter, NotificationFilter};
use license_manager_domain::{CustomerId, LicenseId, PlanId};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::permissions::ProvisionerOrStaff;
use crate::http::answer::{Answer, blocking};
use crate::http::error::ApiError;
use crate::http::kinds::choices;
use crate::http::paging::{PageBody, Paging, query_uuid};
use crate::http::query::Query;
use crate::http::time::serialize as moment;
use crate::openapi::errors::Detail;
use crate::openapi::parameters::{CustomerQuery, PageQuery};
use crate::state::AppState;

/// The most records a page has.
const MAX_PAGE_SIZE: u64 = 100;

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
    #[schema(value_type = NotificationType)]
    notification_type: &'static str,
    #[serde(serialize_with = "moment")]
    last_sent: DateTime<Utc>,
}

impl From<Notification> for NotificationBody {
    fn from(notification: Notification) -> Self {
        Self {
            enterprise_customer_uuid: notification.customer.0,
            enterprise_customer_user_id: notification.customer_user,
            subscription_plan_uuid: notification.plan.0,
            notification_type: notification.kind.as_str(),
            last_sent: notification.last_sent,
        }
    }
}

/// Something that was done for a license.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LicenseEvent)]
struct LicenseEventBody {
    license_uuid: Uuid,
    event_name: String,
    #[serde(serialize_with = "moment")]
    created: DateTime<Utc>,
}

impl From<LicenseMark> for LicenseEventBody {
    fn from(mark: LicenseMark) -> Self {
        Self { license_uuid: mark.license.0, event_name: mark.event_name, created: mark.created }
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
pub async fn notifications(
    _: ProvisionerOrStaff,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let query = Query::parse(request.query_string());
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
    let paging = Paging::new(&request, &query, MAX_PAGE_SIZE);
    blocking(move || {
        let page = state.manager.notifications(&filter, |total| paging.limit_offset(total))?;
        Answer::ok(&paging.body(page.total, page.items.into_iter().map(NotificationBody::from).collect())?)
    })
    .await
}

/// What was done for licenses, the last first, or what `license_uuid` and `event_name` leave.
#[utoipa::path(
    get,
    path = "/api/v1/provisioning-admins/license-events/",
    tag = "Staff",
    params(LicenseEventQuery, PageQuery),
    responses((status = 200, description = "A page of events", body = PageBody<LicenseEventBody>)),
)]
pub async fn license_events(
    _: ProvisionerOrStaff,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let query = Query::parse(request.query_string());
    let filter = LicenseEventFilter {
        license: query_uuid(&query, "license_uuid")?.map(LicenseId),
        event_name: query.get("event_name").filter(|text| !text.is_empty()).map(str::to_owned),
    };
    let paging = Paging::new(&request, &query, MAX_PAGE_SIZE);
    blocking(move || {
        let page = state.manager.license_events(&filter, |total| paging.limit_offset(total))?;
        Answer::ok(&paging.body(page.total, page.items.into_iter().map(LicenseEventBody::from).collect())?)
    })
    .await
}
