//! Adding, editing, switching and deleting a webhook, and giving it another secret.

use actix_web::{HttpResponse, web};
use license_manager_domain::outbox::EventName;
use license_manager_domain::use_cases::WebhookChanges;
use license_manager_domain::webhooks::{SECRETS_OVERLAP, Webhook, WebhookSecret};
use license_manager_domain::{CustomerId, Error, FieldErrors};
use maud::{Markup, html};
use uuid::Uuid;

use super::webhooks::{address, find};
use super::{PATH, above, require};
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::pages::confirm::{Preview, Why, confirmed, preview};
use crate::pages::license_edit::{field, input};
use crate::pages::lists::counted;
use crate::pages::sign_in::redirect;
use crate::secrets;
use crate::session::Visitor;

/// The longest address of an endpoint.
const MAX_URL: usize = 2_048;

/// `GET /console/operations/webhooks/new/`.
pub(crate) async fn new(visitor: Visitor) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    Ok(page(&visitor, None, &Fields::default(), &FieldErrors::default()))
}

/// `POST /console/operations/webhooks/new/`.
pub(crate) async fn create(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let mut changes = match read(&fields) {
        Ok(changes) => changes,
        Err(errors) => return Ok(page(&visitor, None, &fields, &errors)),
    };
    let url = changes.url.take().unwrap_or_default();
    let secret = WebhookSecret::of_key(&secrets::key()?);
    let (actor, made) = (visitor.actor(None), secret.clone());
    let added = visitor.write(move |console| console.manager.create_webhook(&actor, url, made, changes)).await;
    match added {
        Ok(webhook) => Ok(secret_shown(&visitor, &webhook, &secret)),
        Err(PageError::Domain(Error::Invalid(errors))) => Ok(page(&visitor, None, &fields, &errors)),
        Err(error) => Err(error),
    }
}

/// `GET /console/operations/webhooks/{webhook}/edit/`.
pub(crate) async fn form(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let webhook = find(&visitor, &path).await?.webhook;
    let mut pairs = vec![
        ("url", webhook.url.clone()),
        ("customer", webhook.customer.map_or(String::new(), |customer| customer.to_string())),
    ];
    pairs.extend(webhook.event_types.iter().map(|event| ("event", event.short_name().to_owned())));
    Ok(page(&visitor, Some(&webhook), &Fields::of_pairs(pairs), &FieldErrors::default()))
}

/// `POST /console/operations/webhooks/{webhook}/edit/`.
pub(crate) async fn save(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let webhook = find(&visitor, &path).await?.webhook;
    let changes = match read(&fields) {
        Ok(changes) => changes,
        Err(errors) => return Ok(page(&visitor, Some(&webhook), &fields, &errors)),
    };
    let (actor, id) = (visitor.actor(None), webhook.id);
    match visitor.write(move |console| console.manager.update_webhook(&actor, id, &changes).map(drop)).await {
        Ok(()) => Ok(redirect(&address(id, "?done=saved"))),
        Err(PageError::Domain(Error::Invalid(errors))) => Ok(page(&visitor, Some(&webhook), &fields, &errors)),
        Err(error) => Err(error),
    }
}

/// What the form asks for.
fn read(fields: &Fields) -> Result<WebhookChanges, FieldErrors> {
    let mut errors = FieldErrors::default();
    let url = fields.text("url");
    match &url {
        None => errors.add("url", "Say where events are posted to."),
        Some(url) if url.len() > MAX_URL => errors.add("url", format!("This may have at most {MAX_URL} characters.")),
        Some(_) => {}
    }
    let customer = fields.text("customer").map(|text| Uuid::parse_str(&text).map(CustomerId));
    let customer = customer.transpose().unwrap_or_else(|_| {
        errors.add("customer", "This is not the id of a customer. Copy it from the customer's page.");
        None
    });
    let events = fields.all("event").filter_map(EventName::from_full_or_short_name).collect();
    errors.into_result().map_err(|error| match error {
        Error::Invalid(errors) => errors,
        other => FieldErrors::one("url", other.to_string()),
    })?;
    Ok(WebhookChanges { url, secret: None, event_types: Some(events), customer: customer.into(), is_active: None })
}

fn page(visitor: &Visitor, webhook: Option<&Webhook>, fields: &Fields, errors: &FieldErrors) -> HttpResponse {
    let title = if webhook.is_some() { "Edit the webhook" } else { "Add a webhook" };
    let back = webhook.map_or_else(|| format!("{PATH}webhooks/"), |webhook| address(webhook.id, ""));
    let chosen: Vec<&str> = fields.all("event").collect();
    let content = html! {
        div {
            (crumbs(&above("webhooks/", "Webhooks")))
            div.title { h1 { (title) } }
        }
        form.card method="post" {
            (token(visitor))
            (field("url", "Endpoint: an https address on the internet", errors, &input(fields, "url", MAX_URL)))
            fieldset.field {
                legend { "Events; none for all of them" }
                @for event in EventName::ALL {
                    label {
                        input type="checkbox" name="event" value=(event.short_name()) checked[chosen.contains(&event.short_name())];
                        " " (event.short_name())
                    }
                }
            }
            (field("customer", "Only events of the customer with this id; empty for all", errors, &input(fields, "customer", 36)))
            div.title {
                button.first { @if webhook.is_some() { "Save" } @else { "Add the webhook" } }
                a.button href=(back) { "Back" }
            }
            @if webhook.is_none() { p.quiet { "A secret is made for it, which is shown once. Events of before are not sent." } }
            @else { p.quiet { "Deliveries that wait are sent to the new address." } }
        }
    };
    layout::page(visitor, Section::Operations, title, &content)
}

/// A new secret, which is shown this once.
fn secret_shown(visitor: &Visitor, webhook: &Webhook, secret: &WebhookSecret) -> HttpResponse {
    let content: Markup = html! {
        div {
            (crumbs(&above("webhooks/", "Webhooks")))
            div.title { h1 { "The secret of the webhook" } }
        }
        section.card {
            p { "Give this secret to who runs " b { (webhook.url) } ". It is shown this once." }
            p.mono { (secret.expose()) }
            @if webhook.previous_secret.is_some() {
                p { "For " (SECRETS_OVERLAP.num_hours()) " hours, requests are signed with the secret before, too." }
            }
            a.button.first href=(address(webhook.id, "")) { "Go on" }
        }
    };
    layout::page(visitor, Section::Operations, "The secret of the webhook", &content)
}

/// `POST /console/operations/webhooks/{webhook}/secret/`: shows what will happen, or does it once that was confirmed.
pub(crate) async fn secret(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let webhook = find(&visitor, &path).await?.webhook;
    let told = html! {
        p.note { "Requests to " b { (webhook.url) } " are signed with a new secret from now on. For " (SECRETS_OVERLAP.num_hours())
            " hours, they are signed with the one before, too: give the new one to who runs the endpoint until then." }
    };
    let Err(errors) = confirmed(&fields, Why::Optional) else {
        let made = WebhookSecret::of_key(&secrets::key()?);
        let (actor, id) = (visitor.actor(fields.text("reason").as_deref()), webhook.id);
        let changes = WebhookChanges { secret: Some(made.clone()), ..WebhookChanges::default() };
        let webhook = visitor.write(move |console| console.manager.update_webhook(&actor, id, &changes)).await?;
        return Ok(secret_shown(&visitor, &webhook, &made));
    };
    let below = Below {
        webhook: &webhook,
        title: "Give it a new secret",
        path: "secret/",
        button: "Make a new secret",
        why: Why::Optional,
    };
    Ok(below.preview(&visitor, &fields, &errors, told))
}

/// `POST /console/operations/webhooks/{webhook}/switch/`: shows what will happen, or does it once that was confirmed.
pub(crate) async fn switch(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let found = find(&visitor, &path).await?;
    let webhook = &found.webhook;
    let on = match fields.text("to").as_deref() {
        Some("on") => true,
        Some("off") => false,
        _ => return Err(PageError::BadForm("Say whether to switch the webhook on or off.")),
    };
    let days = visitor.console.manager.settings().webhook_retention.num_days();
    let told = html! {
        @if on {
            p.note { "Events are sent to " b { (webhook.url) } " again. " b { (counted(found.waiting, "event that waited is", "events that waited are")) " sent first." } }
        } @else {
            p.note { "Nothing is sent to " b { (webhook.url) } " any more. Events wait for it, at most " (counted(days, "day", "days"))
                ": what waits longer is dropped." }
        }
    };
    let Err(errors) = confirmed(&fields, Why::Optional) else {
        let (actor, id) = (visitor.actor(fields.text("reason").as_deref()), webhook.id);
        let changes = WebhookChanges { is_active: Some(on), ..WebhookChanges::default() };
        visitor.write(move |console| console.manager.update_webhook(&actor, id, &changes)).await?;
        return Ok(redirect(&address(id, if on { "?done=on" } else { "?done=off" })));
    };
    let (title, button) =
        if on { ("Switch the webhook on", "Switch it on") } else { ("Switch the webhook off", "Switch it off") };
    let below = Below { webhook, title, path: "switch/", button, why: Why::Optional };
    Ok(below.preview(&visitor, &fields, &errors, told))
}

/// `POST /console/operations/webhooks/{webhook}/delete/`: shows what will happen, or does it once that was confirmed.
pub(crate) async fn delete(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let found = find(&visitor, &path).await?;
    let webhook = &found.webhook;
    let told = html! {
        p.note.bad { b { (webhook.url) " is never told anything again." } " " (counted(found.waiting, "event that waits for it is", "events that wait for it are"))
            " deleted, and the list of its deliveries. To pause it instead, switch it off." }
    };
    let Err(errors) = confirmed(&fields, Why::Required) else {
        let (actor, id) = (visitor.actor(fields.text("reason").as_deref()), webhook.id);
        visitor.write(move |console| console.manager.delete_webhook(&actor, id)).await?;
        return Ok(redirect(&format!("{PATH}webhooks/?deleted=yes")));
    };
    let below =
        Below { webhook, title: "Delete the webhook", path: "delete/", button: "Delete it", why: Why::Required };
    Ok(below.preview(&visitor, &fields, &errors, told))
}

/// A page below a webhook that says what will happen.
struct Below<'a> {
    webhook: &'a Webhook,
    title: &'a str,
    path: &'a str,
    button: &'a str,
    why: Why,
}

impl Below<'_> {
    fn preview(&self, visitor: &Visitor, fields: &Fields, errors: &FieldErrors, told: Markup) -> HttpResponse {
        let shown = Preview {
            section: Section::Operations,
            above: &above("webhooks/", "Webhooks"),
            title: self.title,
            told,
            action: &address(self.webhook.id, self.path),
            back: &address(self.webhook.id, ""),
            button: Some(self.button.to_owned()),
            why: self.why,
            refused: None,
        };
        preview(visitor, fields, errors, &shown)
    }
}

#[cfg(test)]
mod tests {
    use license_manager_domain::Edit;

    use super::*;

    #[test]
    fn a_webhook_needs_an_address_and_names_known_events() {
        let changes = read(&Fields::parse(b"url=https://hooks.example.com/&event=assigned&event=nonsense")).unwrap();
        assert_eq!(changes.event_types, Some(vec![EventName::Assigned]));
        assert_eq!((changes.customer, changes.is_active), (Edit::Clear, None));
        let errors = read(&Fields::parse(b"customer=acme")).unwrap_err().to_string();
        assert!(errors.contains("url:") && errors.contains("customer:"), "{errors}");
    }
}
