//! `GET …/history/` below a license, a plan, an agreement, a product or a renewal: what became of it, or with `?as_of=<moment>` how it was
//! then.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use chrono::{DateTime, Utc};
use license_manager_domain::history::{ChangeKind, EntityRef, FieldChange, Row, Value, Version};
use license_manager_domain::use_cases::HistoricChange;
use serde::Serialize;
use serde_json::{Map, json};
use utoipa::{IntoParams, ToSchema};

use crate::auth::permissions::HistoryReader;
use crate::http::answer::{Answer, blocking};
use crate::http::error::ApiError;
use crate::http::kinds::choices;
use crate::http::paging::{PageBody, Paging};
use crate::http::query::Query;
use crate::http::time::{self, serialize as moment};
use crate::openapi::errors::FieldErrors;
use crate::openapi::parameters::PageQuery;
use crate::state::AppState;

/// The most changes a page has.
const MAX_PAGE_SIZE: u64 = 100;

/// Of which moment.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AsOfQuery {
    /// Asks how it was at this moment, in place of the changes.
    pub as_of: Option<DateTime<Utc>>,
}

choices!(
    /// What happened.
    ChangeSign,
    "ChangeKind",
    ChangeKind
);

/// Who changed something, when, how and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Circumstances)]
struct CircumstancesBody {
    /// Counts up over the changes of everything of the kind.
    history_id: i64,
    #[serde(serialize_with = "moment")]
    history_date: DateTime<Utc>,
    /// A user name; null where the service acted by itself.
    history_user: Option<String>,
    #[schema(value_type = ChangeSign)]
    history_type: &'static str,
    history_change_reason: Option<String>,
}

impl CircumstancesBody {
    fn new(version: Version) -> Self {
        Self {
            history_id: version.number,
            history_date: version.at,
            history_user: version.by,
            history_type: version.kind.as_str(),
            history_change_reason: version.reason,
        }
    }
}

/// A value of a field.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "tells the document of the types")]
enum FieldValue {
    Empty,
    Flag(bool),
    Number(i64),
    Text(String),
}

/// What became of a field.
#[derive(ToSchema)]
#[schema(as = FieldChange)]
#[expect(dead_code, reason = "tells the document of the shape")]
pub(super) struct FieldChangeBody {
    from: FieldValue,
    to: FieldValue,
}

/// One change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Change)]
pub(super) struct ChangeBody {
    #[serde(flatten)]
    circumstances: CircumstancesBody,
    /// By field; of something new, the fields it began with.
    #[schema(value_type = BTreeMap<String, FieldChangeBody>)]
    changes: serde_json::Value,
}

impl ChangeBody {
    fn new(change: HistoricChange) -> Self {
        // Of something new, what is empty tells nothing.
        let is_new = change.version.kind == ChangeKind::Added;
        let told: Vec<_> = change.changes.into_iter().filter(|change| !is_new || change.to != Value::Empty).collect();
        Self { changes: changes(&told), circumstances: CircumstancesBody::new(change.version) }
    }
}

/// Something as it was at a moment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AsOf)]
pub(super) struct AsOfBody {
    #[serde(serialize_with = "moment")]
    as_of: DateTime<Utc>,
    #[serde(flatten)]
    circumstances: CircumstancesBody,
    /// Its fields.
    #[schema(value_type = BTreeMap<String, FieldValue>)]
    record: serde_json::Value,
}

/// A page of changes, or with `as_of` how it was.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "tells the document of two shapes")]
pub(super) enum History {
    Changes(PageBody<ChangeBody>),
    AsOf(AsOfBody),
}

/// What became of a license: its changes, the newest first, by pages. With `as_of`, how it was at that moment: 404 before it
/// existed and after it was deleted.
#[utoipa::path(
    get,
    path = "/api/v1/licenses/{license_uuid}/history/",
    tag = "Licenses",
    params(AsOfQuery, PageQuery),
    responses(
        (status = 200, description = "A page of changes, or how it was", body = History),
        (status = 400, description = "`as_of` is no moment", body = FieldErrors),
    )
)]
pub async fn of_license(
    access: HistoryReader,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    answer(access.of, request, state).await
}

/// What became of a plan: its changes, the newest first, by pages. With `as_of`, how it was at that moment: 404 before it
/// existed and after it was deleted.
#[utoipa::path(
    get,
    path = "/api/v1/subscriptions/{subscription_uuid}/history/",
    tag = "Plans",
    params(AsOfQuery, PageQuery),
    responses(
        (status = 200, description = "A page of changes, or how it was", body = History),
        (status = 400, description = "`as_of` is no moment", body = FieldErrors),
    )
)]
pub async fn of_plan(
    access: HistoryReader,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    answer(access.of, request, state).await
}

/// What became of an agreement: its changes, the newest first, by pages. With `as_of`, how it was at that moment: 404 before it
/// existed and after it was deleted.
#[utoipa::path(
    get,
    path = "/api/v1/customer-agreement/{customer_agreement_uuid}/history/",
    tag = "Provisioning",
    params(AsOfQuery, PageQuery),
    responses(
        (status = 200, description = "A page of changes, or how it was", body = History),
        (status = 400, description = "`as_of` is no moment", body = FieldErrors),
    )
)]
pub async fn of_agreement(
    access: HistoryReader,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    answer(access.of, request, state).await
}

pub(super) async fn answer(
    of: EntityRef,
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<Answer, ApiError> {
    let query = Query::parse(request.query_string());
    if let Some(text) = query.get("as_of").filter(|text| !text.is_empty()) {
        let as_of = time::parse(text.trim()).ok_or_else(|| {
            let message = "This must be a date and time, such as 2030-01-31T12:00:00Z, or a date, such as 2030-01-31.";
            ApiError::body(StatusCode::BAD_REQUEST, json!({ "as_of": [message] }))
        })?;
        return blocking(move || {
            let version = state.manager.as_of(of, as_of)?;
            let record = record(&version.row);
            Answer::ok(&AsOfBody { as_of, record, circumstances: CircumstancesBody::new(version) })
        })
        .await;
    }
    let paging = Paging::new(&request, &query, MAX_PAGE_SIZE);
    blocking(move || {
        let page = state.manager.history(of, |total| paging.limit_offset(total))?;
        let changes = page.items.into_iter().map(ChangeBody::new).collect();
        Answer::ok(&paging.body(page.total, changes)?)
    })
    .await
}

/// Changes on the wire: `{"field": {"from": …, "to": …}}`.
pub(crate) fn changes(changes: &[FieldChange]) -> serde_json::Value {
    let body = |change: &FieldChange| {
        (change.field.to_owned(), json!({ "from": value(&change.from), "to": value(&change.to) }))
    };
    changes.iter().map(body).collect::<Map<_, _>>().into()
}

fn record(row: &Row) -> serde_json::Value {
    row.iter().map(|(name, content)| (name.to_owned(), value(content))).collect::<Map<_, _>>().into()
}

fn value(value: &Value) -> serde_json::Value {
    match value {
        Value::Empty => serde_json::Value::Null,
        Value::Flag(flag) => json!(flag),
        Value::Number(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Moment(moment) => json!(time::format(moment)),
    }
}
