//! Sending deliveries to a webhook again.

use actix_web::{HttpResponse, web};
use license_manager_domain::console::Slice;
use license_manager_domain::model::MessageId;
use license_manager_domain::ports::WebhookReplay;
use license_manager_domain::webhooks::WebhookState;
use license_manager_domain::words;
use maud::html;
use uuid::Uuid;

use super::above;
use super::messages::total;
use super::webhooks::{address, find};
use crate::error::PageError;
use crate::form::Submitted;
use crate::layout::Section;
use crate::pages::confirm::{Preview, Why, confirmed, preview};
use crate::pages::lists::ROWS;
use crate::pages::sign_in::redirect;

/// `POST /console/operations/webhooks/{webhook}/replay/`: shows what will happen, or does it once that was confirmed.
pub(crate) async fn replay(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let found = find(&visitor, &path).await?;
    let id = found.webhook.id;
    let state = fields.text("state").and_then(|name| WebhookState::from_name(&name));
    let all = fields.has("all");
    let ids: Vec<MessageId> = fields
        .all("item")
        .filter_map(|id| Uuid::parse_str(id).ok())
        .map(MessageId)
        .take(usize::try_from(ROWS).unwrap_or(0))
        .collect();
    let Err(errors) = confirmed(&fields, Why::Optional) else {
        let actor = visitor.actor(fields.text("reason").as_deref());
        let count = visitor.write(move |console| {
            let state = state.filter(|_| all);
            let replay = WebhookReplay { webhook: id, ids: (!all).then_some(ids), state, since: None };
            console.manager.replay_webhook_deliveries(&actor, &replay)
        });
        return Ok(redirect(&format!("{}?done=replayed&number={}", address(id, ""), count.await?)));
    };
    let count = match all {
        true => visitor.read(move |console| console.store.delivery_rows(id, state, Slice::new(0, 0))).await?.total,
        false => ids.len() as i64,
    };
    let told = html! {
        @if count == 0 {
            p.note { "No delivery is selected. Nothing happens." }
        } @else {
            p.note {
                b { (words::counted(total(count), "delivery is", "deliveries are")) " sent to " (found.webhook.url) " again" }
                ", also those that it accepted before. The endpoint tells them by their id, webhook-id. Those that are being sent right now stay as they are."
            }
            @if !found.webhook.is_active { p.note.bad { "The webhook is off: they wait until it is switched on." } }
        }
    };
    Ok(preview(
        &visitor,
        &fields,
        &errors,
        &Preview {
            section: Section::Operations,
            above: &above("webhooks/", "Webhooks"),
            title: "Send deliveries again",
            told,
            action: &address(id, "replay/"),
            back: &address(id, ""),
            button: (count > 0).then(|| format!("Send {} again", total(count))),
            why: Why::Optional,
            refused: None,
        },
    ))
}
