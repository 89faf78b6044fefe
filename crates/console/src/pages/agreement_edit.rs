//! Editing the settings of an agreement, with a reason.

use actix_web::{HttpResponse, web};
use chrono::Duration;
use license_manager_domain::console::{Part, PlanFilters, PlanOrder, PlanRow, Sorting};
use license_manager_domain::model::ExpirationMessageChanges;
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::CustomerScope;
use license_manager_domain::use_cases::{AgreementSettings, AgreementSettingsChanges};
use license_manager_domain::{AgreementId, Edit, ExpirationMessage, FieldErrors, PlanId};
use maud::{Markup, PreEscaped, html};
use uuid::Uuid;

use super::agreement_terms::version;
use super::license_edit::{MAX_REASON, field, flag, input, reason_errors};
use super::lists::customer_name;
use super::sign_in::redirect;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::session::Visitor;

/// The most plans that can be chosen from.
const PLANS: i64 = 100;

/// The longest message, in characters.
const MAX_MESSAGE: usize = 20_000;

/// An agreement as its form shows it.
struct Shown {
    settings: AgreementSettings,
    /// The active, current plans, of which one can auto-apply its licenses, and the one that does.
    plans: Vec<PlanRow>,
}

/// The agreement in the path, for who may correct agreements.
async fn permitted(visitor: &Visitor, path: &str) -> Result<Shown, PageError> {
    let id = AgreementId(Uuid::parse_str(path).map_err(|_| PageError::NotFound)?);
    let shown = visitor
        .read(move |console| {
            let settings = console.manager.agreement_settings(id)?;
            let filters = PlanFilters { agreement: Some(id), ..PlanFilters::of(CustomerScope::All) };
            let mut plans =
                console.store.plan_rows(&filters, Sorting::descending(PlanOrder::Start), Part::first(PLANS))?.rows;
            let now = console.manager.now();
            let can = |plan: &PlanRow| plan.is_active && plan.start_date <= now && now <= plan.expiration_date;
            plans.retain(|plan| can(plan) || settings.auto_applied_plan == Some(plan.id));
            Ok(Shown { settings, plans })
        })
        .await?;
    visitor.require(Action::Support, shown.settings.agreement.customer)?;
    Ok(shown)
}

/// `GET /console/customers/{agreement}/edit/`.
pub(crate) async fn form(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let shown = permitted(&visitor, &path).await?;
    let fields = fields_of(&shown.settings);
    Ok(page(&visitor, &shown, &fields, &FieldErrors::default(), None, None))
}

/// `POST /console/customers/{agreement}/edit/`.
pub(crate) async fn save(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let shown = permitted(&visitor, &path).await?;
    let again =
        |errors: &FieldErrors, refused: Option<&str>| Ok(page(&visitor, &shown, &fields, errors, refused, None));
    if fields.has("preview") {
        return match message(&fields).preview() {
            Ok(message) => {
                let preview = previewed(message.as_ref());
                Ok(page(&visitor, &shown, &fields, &FieldErrors::default(), None, Some(&preview)))
            }
            Err(errors) => again(&errors, None),
        };
    }
    if fields.text("version").as_deref() != Some(&version(&shown.settings.agreement)) {
        let meanwhile =
            "Somebody else has changed the agreement meanwhile. Nothing was saved: go back and edit it again.";
        return again(&FieldErrors::default(), Some(meanwhile));
    }
    let changes = match read(&shown.settings, &fields) {
        Ok(changes) => changes,
        Err(errors) => return again(&errors, None),
    };
    let (actor, id) = (visitor.actor(fields.text("reason").as_deref()), shown.settings.agreement.id);
    let saved = visitor.write(move |console| console.manager.update_agreement_settings(&actor, id, &changes).map(drop));
    match saved.await {
        Ok(()) => Ok(redirect(&format!("/console/customers/{id}/?done=saved"))),
        Err(error) => {
            let (errors, refused) = error.in_form()?;
            again(&errors, refused.as_deref())
        }
    }
}

/// The message that the fields ask for.
fn message(fields: &Fields) -> ExpirationMessageChanges {
    let enabled = fields.has("has_message");
    let words = |name: &str| Some(if enabled { fields.text(name).unwrap_or_default() } else { String::new() });
    ExpirationMessageChanges {
        enabled: Some(enabled),
        modal_header_text: words("modal_header_text_v2"),
        modal_messaging: words("expired_subscription_modal_messaging_v2"),
        button_label: words("button_label_in_modal_v2"),
        button_url: words("url_for_button_in_modal_v2"),
    }
}

/// The message as learners of an expired plan see it. Its HTML is sanitized.
fn previewed(message: Option<&ExpirationMessage>) -> Markup {
    html! {
        section.card aria-label="Preview of the message" {
            p.quiet { "As learners of an expired plan see it. Nothing was saved." }
            @match message {
                Some(message) => {
                    div.preview {
                        h2 { (message.modal_header_text) }
                        (PreEscaped(&message.modal_messaging))
                        p { a.button.first href=(message.button_url) rel="noreferrer" { (message.button_label) } }
                    }
                }
                None => { p { "There is no message of the customer's own, so they see the usual one." } }
            }
        }
    }
}

/// The form's fields of an agreement. Those with errors have the names of the API.
fn fields_of(settings: &AgreementSettings) -> Fields {
    let AgreementSettings { agreement, auto_applied_plan } = settings;
    let flag = |flag: bool| if flag { "yes" } else { "" }.to_owned();
    let number = |number: Option<i32>| number.map_or(String::new(), |number| number.to_string());
    let (scaling, message) = (&agreement.auto_scaling, agreement.expiration_message.as_ref());
    let of_message = |text: fn(&license_manager_domain::ExpirationMessage) -> &String| {
        message.map_or(String::new(), |message| text(message).clone())
    };
    Fields::of([
        ("license_duration_before_purge", agreement.license_duration_before_purge.num_days().to_string()),
        ("onboarding", flag(!agreement.disable_onboarding_notifications)),
        ("auto_applied_subscription", auto_applied_plan.map_or(String::new(), |plan| plan.to_string())),
        ("auto_scaling", flag(scaling.enabled)),
        ("auto_scaling_threshold_percentage", number(scaling.threshold_percentage)),
        ("auto_scaling_increment_percentage", number(scaling.increment_percentage)),
        ("auto_scaling_max_licenses", number(scaling.max_licenses)),
        ("has_message", flag(message.is_some())),
        ("modal_header_text_v2", of_message(|message| &message.modal_header_text)),
        ("expired_subscription_modal_messaging_v2", of_message(|message| &message.modal_messaging)),
        ("button_label_in_modal_v2", of_message(|message| &message.button_label)),
        ("url_for_button_in_modal_v2", of_message(|message| &message.button_url)),
    ])
}

/// The changes that the fields ask for.
fn read(settings: &AgreementSettings, fields: &Fields) -> Result<AgreementSettingsChanges, FieldErrors> {
    let mut errors = reason_errors(fields);
    let mut number = |name: &'static str| -> Option<i32> {
        let text = fields.text(name)?;
        let number = text.parse().ok();
        if number.is_none() {
            errors.add(name, "This must be a whole number.");
        }
        number
    };
    let scaling = [
        number("auto_scaling_max_licenses"),
        number("auto_scaling_threshold_percentage"),
        number("auto_scaling_increment_percentage"),
    ];
    // Days that no agreement has are refused by its own rules.
    let days = number("license_duration_before_purge").unwrap_or(0);
    let chosen = fields.text("auto_applied_subscription").and_then(|text| Uuid::parse_str(&text).ok()).map(PlanId);
    let [max_licenses, threshold, increment] = scaling;
    let changes = AgreementSettingsChanges {
        license_duration_before_purge: Some(Duration::days(days.into())),
        disable_onboarding_notifications: Some(!fields.has("onboarding")),
        auto_scaling_enabled: Some(fields.has("auto_scaling")),
        auto_scaling_max_licenses: max_licenses.into(),
        auto_scaling_threshold_percentage: threshold.into(),
        auto_scaling_increment_percentage: increment.into(),
        expiration_message: message(fields),
        auto_applied_plan: Edit::between(&settings.auto_applied_plan, chosen),
    };
    if errors.iter().next().is_some() { Err(errors) } else { Ok(changes) }
}

fn page(
    visitor: &Visitor,
    shown: &Shown,
    fields: &Fields,
    errors: &FieldErrors,
    refused: Option<&str>,
    preview: Option<&Markup>,
) -> HttpResponse {
    let agreement = &shown.settings.agreement;
    let address = format!("/console/customers/{}/", agreement.id);
    let name = customer_name(agreement.customer_name.as_deref().or(agreement.customer_slug.as_deref())).to_owned();
    let chosen = fields.text("auto_applied_subscription").unwrap_or_default();
    let content = html! {
        div {
            (crumbs(&[("/console/customers/".to_owned(), "Customers".to_owned()), (address.clone(), name)]))
            div.title { h1 { "Edit the agreement's settings" } }
        }
        (layout::refusal(refused))
        @if let Some(preview) = preview { (preview) }
        form.card method="post" {
            (token(visitor))
            input type="hidden" name="version" value=(fields.text("version").unwrap_or_else(|| version(agreement)));
            (text(fields, errors, "license_duration_before_purge", "Days that personal data is kept after a license ends", 5))
            (flag(fields, "onboarding", "Mails on assignment and activation"))
            (field("auto_applied_subscription", "Plan that gives licenses to learners who log in", errors, &html! {
                select #auto_applied_subscription name="auto_applied_subscription" {
                    option value="" { "None" }
                    @for plan in &shown.plans {
                        option value=(plan.id) selected[chosen == plan.id.to_string()] { (plan.title) }
                    }
                }
            }))
            h2 { "Auto-scaling of the current plan" }
            (flag(fields, "auto_scaling", "On"))
            (text(fields, errors, "auto_scaling_threshold_percentage", "From this percentage in use", 3))
            (text(fields, errors, "auto_scaling_increment_percentage", "By this percentage of the licenses", 3))
            (text(fields, errors, "auto_scaling_max_licenses", "Up to so many licenses", 9))
            h2 { "Message on expired plans" }
            (flag(fields, "has_message", "A message of the customer's own"))
            (text(fields, errors, "modal_header_text_v2", "Title", 512))
            (field("expired_subscription_modal_messaging_v2", "Text, as HTML", errors, &html! {
                textarea #expired_subscription_modal_messaging_v2 name="expired_subscription_modal_messaging_v2" rows="4"
                    maxlength=(MAX_MESSAGE) { (fields.text("expired_subscription_modal_messaging_v2").unwrap_or_default()) }
            }))
            (text(fields, errors, "button_label_in_modal_v2", "Button's label", 255))
            (text(fields, errors, "url_for_button_in_modal_v2", "Button's address", 512))
            div.field { button name="preview" value="yes" { "Preview the message" } }
            h2 { "Why" }
            (text(fields, errors, "reason", "Reason, for the history", MAX_REASON))
            div.title { button.first { "Save" } a.button href=(address) { "Back" } }
        }
    };
    layout::page(visitor, Section::Customers, "Edit the agreement's settings", &content)
}

fn text(fields: &Fields, errors: &FieldErrors, name: &str, label: &str, length: usize) -> Markup {
    field(name, label, errors, &input(fields, name, length))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use license_manager_domain::{CustomerAgreement, CustomerId};

    use super::*;

    #[test]
    fn a_form_sent_as_it_is_asks_for_what_is_there() {
        let now = DateTime::from_timestamp(1_900_000_000, 0).unwrap();
        let agreement = CustomerAgreement::new(AgreementId(Uuid::nil()), CustomerId(Uuid::nil()), now);
        let settings = AgreementSettings { agreement, auto_applied_plan: Some(PlanId(Uuid::from_u128(7))) };
        let mut fields = fields_of(&settings);
        assert_eq!(read(&settings, &fields).unwrap_err().iter().count(), 1, "the reason is missing");
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs(fields.iter()).append_pair("reason", "asked for");
        fields = Fields::parse(pairs.finish().as_bytes());
        let changes = read(&settings, &fields).unwrap();
        assert_eq!(changes.auto_applied_plan, Edit::Keep, "it stays");
        assert_eq!(changes.license_duration_before_purge, Some(CustomerAgreement::DEFAULT_DURATION_BEFORE_PURGE));
        assert_eq!(changes.disable_onboarding_notifications, Some(false));
        assert_eq!(changes.expiration_message.enabled, Some(false));
    }
}
