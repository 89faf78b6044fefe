//! The list of a webhook's deliveries.

use diesel::sql_query;
use license_manager_domain::WebhookId;
use license_manager_domain::console::Slice;
use license_manager_domain::webhooks::WebhookState;

use super::lists::ListedRow;
use super::operations::order;
use crate::rows::shared::SharedQuery;
use crate::sql_types::SqlUuid;

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
