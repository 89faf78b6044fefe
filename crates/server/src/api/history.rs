//! `GET …/history/` of a license, plan, agreement, product, renewal, transfer job, notification or license event: its changes, or with `?as_of=<moment>` its state at that moment.

use actix_web::HttpRequest;
use chrono::{DateTime, Utc};
use license_manager_domain::history::{ChangeKind, EntityRef, FieldChange, Row, Value, Version};
use license_manager_domain::use_cases::HistoricChange;
use serde::Serialize;
use serde_json::{Map, json};
use utoipa::{IntoParams, ToSchema};

use crate::auth::permissions::HistoryReader;
use crate::http::kinds::choices;
use crate::http::time;
use crate::http::{ApiResult, PageBody, Paging, Query, Response, Timestamp, blocking};
use crate::lists::Lists;

/// The moment of a state.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AsOfQuery {
    /// Returns the state at this moment instead of the changes.
    pub as_of: Option<DateTime<Utc>>,
}

choices!(
    /// The kind of a change.
    ChangeSign,
    "ChangeKind",
    ChangeKind
);

/// Who changed an entity, when, how and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Circumstances)]
struct CircumstancesBody {
    /// The number of the change among all changes of entities of this type.
    history_id: i64,
    history_date: Timestamp,
    /// A user name; null if the service made the change.
    history_user: Option<String>,
    history_type: ChangeSign,
    history_change_reason: Option<String>,
}

impl CircumstancesBody {
    fn new(version: Version) -> Self {
        Self {
            history_id: version.number,
            history_date: Timestamp(version.at),
            history_user: version.by,
            history_type: ChangeSign(version.kind),
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

/// The change of a field.
#[derive(ToSchema)]
#[schema(as = FieldChange)]
#[expect(dead_code, reason = "tells the document of the shape")]
pub(super) struct FieldChangeBody {
    from: FieldValue,
    to: FieldValue,
}

/// A change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Change)]
pub(super) struct ChangeBody {
    #[serde(flatten)]
    circumstances: CircumstancesBody,
    /// The changed fields by name; of a new entity, the fields that have a value.
    #[schema(value_type = BTreeMap<String, FieldChangeBody>)]
    changes: serde_json::Value,
}

impl ChangeBody {
    fn new(change: HistoricChange) -> Self {
        let is_new = change.version.kind == ChangeKind::Added;
        let told: Vec<_> = change.changes.into_iter().filter(|change| !is_new || change.to != Value::Empty).collect();
        Self { changes: changes(&told), circumstances: CircumstancesBody::new(change.version) }
    }
}

/// The state of an entity at a moment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AsOf)]
pub(super) struct AsOfBody {
    as_of: Timestamp,
    #[serde(flatten)]
    circumstances: CircumstancesBody,
    /// Its fields.
    #[schema(value_type = BTreeMap<String, FieldValue>)]
    record: serde_json::Value,
}

/// A page of changes, or with `as_of` the state.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "tells the document of two shapes")]
pub(super) enum History {
    Changes(PageBody<ChangeBody>),
    AsOf(AsOfBody),
}

/// Defines the handler of the history of an entity, which `$of` names.
macro_rules! history {
    ($name:ident, $path:tt, $tag:tt, $entity:literal, |$access:ident: $permission:ty, $request:ident| $of:expr) => {
        /// The history of an entity.
        #[utoipa::path(
            get,
            path = $path,
            tag = $tag,
            summary = concat!(
                "The history of ", $entity, ". A page of its changes, the newest first. With `as_of`, its state at that moment: ",
                "404 before it was created and after it was deleted."
            ),
            params($crate::api::history::AsOfQuery, $crate::openapi::parameters::PageQuery),
            responses(
                (status = 200, description = "A page of changes, or the state", body = $crate::api::history::History),
                (status = 400, description = "`as_of` is not a moment", body = $crate::openapi::errors::FieldErrors),
                (status = 422, description = "The history of that moment was removed", body = String, content_type = "application/json"),
            )
        )]
        pub async fn $name(
            $access: $permission,
            $request: actix_web::HttpRequest,
            lists: $crate::lists::Lists,
        ) -> $crate::http::ApiResult {
            let of = $of;
            $crate::api::history::answer(of, $request, lists).await
        }
    };
}

pub(super) use history;

history!(
    of_license,
    "/api/v1/licenses/{license_uuid}/history/",
    "Licenses",
    "a license",
    |access: HistoryReader, request| access.of
);
history!(
    of_plan,
    "/api/v1/subscriptions/{subscription_uuid}/history/",
    "Plans",
    "a plan",
    |access: HistoryReader, request| access.of
);
history!(
    of_agreement,
    "/api/v1/customer-agreement/{customer_agreement_uuid}/history/",
    "Provisioning",
    "an agreement",
    |access: HistoryReader, request| access.of
);

pub(super) async fn answer(of: EntityRef, request: HttpRequest, lists: Lists) -> ApiResult {
    let query = Query::of(&request);
    if let Some(as_of) = query.moment("as_of")? {
        return blocking(move || {
            let version = lists.manager.as_of(of, as_of)?;
            let record = record(&version.row);
            Response::ok(&AsOfBody { as_of: Timestamp(as_of), record, circumstances: CircumstancesBody::new(version) })
        })
        .await;
    }
    Paging::new(&request).answer(move |part| lists.manager.history(of, part), ChangeBody::new).await
}

/// Changes as the API returns them: `{"field": {"from": …, "to": …}}`.
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
