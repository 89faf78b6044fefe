//! Plan types.

use actix_web::{HttpRequest, HttpResponse, web};
use license_manager_domain::FieldErrors;
use license_manager_domain::model::{PlanType, PlanTypeId};
use license_manager_domain::permissions::Action;
use license_manager_domain::use_cases::PlanTypeChanges;
use maud::{Markup, html};

use super::{PATH, above, head, require, require_reading};
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::pages::license_edit::{MAX_REASON, field, flag, input, reason_errors};
use crate::pages::sign_in::redirect;
use crate::session::Visitor;

/// The longest label, in characters.
const MAX_LABEL: usize = 128;

/// `GET /console/records/plan-types/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require_reading(&visitor)?;
    let query = Fields::of_query(&request);
    let plan_types = visitor.read(|console| console.manager.plan_types()).await?;
    let works = visitor.rights.may(Action::Support);
    let content = html! {
        @if query.has("saved") { p.note.good role="status" { "The plan type was saved." } }
        (head("plan-types/"))
        div.title {
            p { "The kinds of products, and what their plans must name." }
            @if works {
                div.actions { a.button.first href={ (PATH) "plan-types/new/" } { "New plan type" } }
            }
        }
        div.card.wide { table {
            thead { tr { th { "Plan type" } th { "Paid" } th { "Needs a NetSuite id" } th { "Needs a Salesforce id" } th { "Internal only" } th { "Description" } } }
            tbody { @for plan_type in &plan_types { tr {
                td.long {
                    @if works { a href={ (PATH) "plan-types/" (plan_type.id) "/" } { (plan_type.label) } }
                    @else { (plan_type.label) }
                }
                td { (yes(plan_type.is_paid_subscription)) }
                td { (yes(plan_type.ns_id_required)) }
                td { (yes(plan_type.sf_id_required)) }
                td { (yes(plan_type.internal_use_only)) }
                td.long { (plan_type.description) }
            } } }
        } }
    };
    Ok(layout::page(&visitor, Section::Records, "Plan types", &content))
}

fn yes(flag: bool) -> Markup {
    html! { @if flag { "yes" } @else { "no" } }
}

async fn find(visitor: &Visitor, path: &str) -> Result<PlanType, PageError> {
    let id = path.parse().map(PlanTypeId).map_err(|_| PageError::NotFound)?;
    visitor.read(move |console| console.manager.plan_type(id)).await
}

/// `GET /console/records/plan-types/new/`.
pub(crate) async fn new(visitor: Visitor) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    Ok(page(&visitor, None, &Fields::default(), &FieldErrors::default(), None))
}

/// `GET /console/records/plan-types/{plan_type}/`.
pub(crate) async fn form(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let plan_type = find(&visitor, &path).await?;
    let flag = |flag: bool| if flag { "yes".to_owned() } else { String::new() };
    let fields = Fields::of([
        ("label", plan_type.label.clone()),
        ("description", plan_type.description.clone()),
        ("is_paid_subscription", flag(plan_type.is_paid_subscription)),
        ("ns_id_required", flag(plan_type.ns_id_required)),
        ("sf_id_required", flag(plan_type.sf_id_required)),
        ("internal_use_only", flag(plan_type.internal_use_only)),
    ]);
    Ok(page(&visitor, Some(&plan_type), &fields, &FieldErrors::default(), None))
}

/// `POST /console/records/plan-types/new/`.
pub(crate) async fn create(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    save_to(&visitor, None, &fields).await
}

/// `POST /console/records/plan-types/{plan_type}/`.
pub(crate) async fn save(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let plan_type = find(&visitor, &path).await?;
    save_to(&visitor, Some(&plan_type), &fields).await
}

async fn save_to(visitor: &Visitor, known: Option<&PlanType>, fields: &Fields) -> Result<HttpResponse, PageError> {
    require(visitor)?;
    let mut errors = reason_errors(fields);
    let label = fields.text("label").unwrap_or_default();
    if label.is_empty() || label.chars().count() > MAX_LABEL {
        errors.add("label", format!("Give it a name of at most {MAX_LABEL} characters."));
    }
    if errors.iter().next().is_some() {
        return Ok(page(visitor, known, fields, &errors, None));
    }
    let changes = PlanTypeChanges {
        label: Some(label),
        description: Some(fields.text("description").unwrap_or_default()),
        is_paid_subscription: Some(fields.has("is_paid_subscription")),
        ns_id_required: Some(fields.has("ns_id_required")),
        sf_id_required: Some(fields.has("sf_id_required")),
        internal_use_only: Some(fields.has("internal_use_only")),
    };
    let (actor, id) = (visitor.actor(fields.text("reason").as_deref()), known.map(|plan_type| plan_type.id));
    let saved = visitor.write(move |console| match id {
        Some(id) => console.manager.update_plan_type(&actor, id, &changes),
        None => console.manager.create_plan_type(&actor, &changes),
    });
    match saved.await {
        Ok(_) => Ok(redirect(&format!("{PATH}plan-types/?saved=yes"))),
        Err(error) => {
            let (errors, refused) = error.in_form()?;
            let flags: Vec<String> = errors
                .iter()
                .filter(|(field, _)| field.ends_with("required"))
                .flat_map(|(_, texts)| texts.to_vec())
                .collect();
            let refused = refused.or_else(|| (!flags.is_empty()).then(|| flags.join(" ")));
            Ok(page(visitor, known, fields, &errors, refused.as_deref()))
        }
    }
}

fn page(
    visitor: &Visitor,
    known: Option<&PlanType>,
    fields: &Fields,
    errors: &FieldErrors,
    refused: Option<&str>,
) -> HttpResponse {
    let title = known.map_or("New plan type", |plan_type| plan_type.label.as_str());
    let content = html! {
        div { (crumbs(&above("plan-types/", "Plan types"))) div.title { h1 { (title) } } }
        (layout::refusal(refused))
        form.card method="post" {
            (token(visitor))
            (field("label", "Name", errors, &input(fields, "label", MAX_LABEL)))
            (field("description", "Description", errors, &input(fields, "description", 1_000)))
            (flag(fields, "is_paid_subscription", "Its plans are paid for"))
            (flag(fields, "ns_id_required", "Its products need a NetSuite id"))
            (flag(fields, "sf_id_required", "Its plans need a Salesforce id"))
            (flag(fields, "internal_use_only", "Its plans are for internal use only"))
            (field("reason", "Reason", errors, &input(fields, "reason", MAX_REASON)))
            div.title { button.first { "Save" } a.button href={ (PATH) "plan-types/" } { "Back" } span.quiet { "Your name is recorded with it." } }
        }
    };
    layout::page(visitor, Section::Records, title, &content)
}
