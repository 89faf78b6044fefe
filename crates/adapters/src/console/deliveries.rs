//! The lists of webhooks and of a webhook's deliveries.

use diesel::sql_query;
use diesel::sql_types::{Nullable, Text};
use license_manager_domain::WebhookId;
use license_manager_domain::console::{Slice, WebhookFilters};
use license_manager_domain::webhooks::{WAITING_COUNTED, WebhookState};

use super::lists::{ListedRow, patterns};
use super::operations::{CUSTOMER_NAME, order};
use super::{if_given, named};
use crate::rows::shared::SharedQuery;
use crate::sql_types::SqlUuid;

/// The webhooks that match. Their parameters are bound by [`webhooks`].
pub(super) fn matching_webhooks(filters: &WebhookFilters) -> String {
    let state = match filters.is_active {
        Some(true) => "webhook.is_active",
        Some(false) => "NOT webhook.is_active",
        None => "webhook.uuid IS NOT NULL",
    };
    format!(
        "FROM webhook
         LEFT JOIN customer_agreement AS agreement
             ON agreement.enterprise_customer_uuid = webhook.enterprise_customer_uuid
         WHERE {} AND {state}",
        if_given(filters.customer.is_some(), &["$1", "$2"], &named("$1", "$2"))
    )
}

/// A part of these webhooks. As many deliveries as are counted are read from the index on those that wait.
pub(super) fn webhook_list(rows: &str, part: &str) -> String {
    format!(
        "SELECT webhook.uuid, webhook.url, webhook.event_types, webhook.enterprise_customer_uuid,
                {CUSTOMER_NAME} AS customer_name, webhook.is_active, webhook.off_reason, webhook.dropped, webhook.created,
                (SELECT count(*)
                 FROM (SELECT 1 AS one FROM webhook_delivery AS delivery
                       WHERE delivery.webhook_uuid = webhook.uuid AND delivery.state = 'waiting'
                       ORDER BY delivery.not_before, delivery.position LIMIT {WAITING_COUNTED}) AS counted) AS waiting
         {rows} {part}"
    )
}

pub(super) fn webhooks<R: ListedRow>(text: String, filters: &WebhookFilters) -> impl SharedQuery<R> + Clone + use<R> {
    let (lowered, typed) = patterns(filters.customer.as_deref());
    sql_query(text).bind::<Nullable<Text>, _>(lowered).bind::<Nullable<Text>, _>(typed)
}

pub(super) fn deliveries<R: ListedRow>(text: String, webhook: WebhookId) -> impl SharedQuery<R> + Clone + use<R> {
    sql_query(text).bind::<SqlUuid, _>(webhook.0)
}

/// The first deliveries of a webhook, as many as a part needs. Those of each state are read from the index, which has
/// their order by state, and put together.
pub(super) fn first_deliveries(state: Option<WebhookState>, slice: Slice) -> String {
    let most = slice.offset.max(0) + slice.limit.max(0);
    let order = order(slice, &["position DESC"]);
    let of_state = |state: WebhookState| {
        let name = state.as_str();
        format!(
            "SELECT * FROM (
                 SELECT uuid, position FROM webhook_delivery WHERE webhook_uuid = $1 AND state = '{name}'
                 {order} LIMIT {most}
             ) AS {name}"
        )
    };
    let states = state.map_or_else(|| WebhookState::ALL.to_vec(), |state| vec![state]);
    states.into_iter().map(of_state).collect::<Vec<_>>().join(" UNION ALL ")
}
