//! Products.

use actix_web::{HttpRequest, HttpResponse, web};
use license_manager_domain::history::EntityRef;
use license_manager_domain::model::{PlanType, PlanTypeId, Product, ProductId};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::LimitOffset;
use license_manager_domain::use_cases::{HistoricChange, ProductChanges};
use license_manager_domain::{Error, FieldErrors};
use maud::{Markup, html};

use super::{PATH, above, head, require, require_reading};
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::pages::history::timeline;
use crate::pages::license_edit::{MAX_REASON, field, input, reason_errors};
use crate::pages::lists::{self, Sorted, choice};
use crate::pages::sign_in::redirect;
use crate::session::Visitor;

/// The longest name, in characters.
const MAX_NAME: usize = 128;

/// The most versions that are shown.
const VERSIONS: i64 = 50;

/// `GET /console/records/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require_reading(&visitor)?;
    let query = Fields::of_query(&request);
    let (mut products, plan_types) =
        visitor.read(|console| Ok((console.manager.products()?, console.manager.plan_types()?))).await?;
    if let Some(plan_type) = query.text("plan_type").and_then(|text| text.parse().ok()).map(PlanTypeId) {
        products.retain(|product| product.plan_type.id == plan_type);
    }
    if let Some(name) = query.text("name").map(|name| name.to_lowercase()) {
        products.retain(|product| product.name.to_lowercase().contains(&name));
    }
    let sorted = Sorted { fields: &query, usual: "name" };
    let (by, descending) = sorted.by();
    match by.as_str() {
        "type" => products.sort_by_key(|product| product.plan_type.label.to_lowercase()),
        _ => products.sort_by_key(|product| product.name.to_lowercase()),
    }
    if descending {
        products.reverse();
    }
    let ids: Vec<String> = plan_types.iter().map(|plan_type| plan_type.id.to_string()).collect();
    let mut choices: Vec<(&str, &str)> =
        ids.iter().zip(&plan_types).map(|(id, plan_type)| (id.as_str(), plan_type.label.as_str())).collect();
    choices.insert(0, ("", "Every plan type"));
    let content = html! {
        @if query.has("saved") { p.note.good role="status" { "The product was saved." } }
        (head(""))
        form.filters {
            (lists::search_input(&query, "name", "Name"))
            (choice(&query, "plan_type", "Plan type", &choices))
            (lists::hidden(&query, &["order"]))
            button { "Show" }
            span.quiet { (products.len()) }
            @if visitor.rights.may(Action::Support) { a.button.first href={ (PATH) "products/new/" } { "New product" } }
        }
        @if products.is_empty() {
            p.note { "No product matches. " a href=(PATH) { "Show all" } }
        } @else {
            div.card.wide { table {
                thead { tr { (sorted.heading("name", "Product")) (sorted.heading("type", "Plan type")) th { "NetSuite id" } th { "Salesforce id" } th { "Description" } } }
                tbody { @for product in &products { tr {
                    td.long { a href={ (PATH) "products/" (product.id) "/" } { (product.name) } }
                    td { (product.plan_type.label) }
                    td.mono { @if let Some(id) = product.netsuite_id { (id) } @else { "–" } }
                    td.mono { (product.salesforce_product_id.as_deref().unwrap_or("–")) }
                    td.long { (product.description) }
                } } }
            } }
        }
    };
    Ok(layout::page(&visitor, Section::Records, "Products", &content))
}

/// What the form of a product shows.
struct Shown {
    product: Option<Product>,
    plan_types: Vec<PlanType>,
    history: Vec<HistoricChange>,
}

async fn find(visitor: &Visitor, path: Option<&str>) -> Result<Shown, PageError> {
    let id = path.map(|text| text.parse().map(ProductId).map_err(|_| PageError::NotFound)).transpose()?;
    visitor
        .read(move |console| {
            let part = |_| Ok::<_, Error>(LimitOffset { offset: 0, limit: VERSIONS });
            let history = match id.map(|id| console.manager.history(EntityRef::Product(id), part)).transpose() {
                // Products of the first day have no history.
                Err(Error::NotFound(_)) => None,
                other => other?,
            };
            Ok(Shown {
                product: id.map(|id| console.manager.product(id)).transpose()?,
                plan_types: console.manager.plan_types()?,
                history: history.map(|page| page.items).unwrap_or_default(),
            })
        })
        .await
}

/// `GET /console/records/products/new/`.
pub(crate) async fn new(visitor: Visitor) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let shown = find(&visitor, None).await?;
    Ok(page(&visitor, &shown, &Fields::default(), &FieldErrors::default(), None))
}

/// `GET /console/records/products/{product}/`.
pub(crate) async fn form(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    require_reading(&visitor)?;
    let shown = find(&visitor, Some(&path)).await?;
    let fields = shown.product.as_ref().map_or_else(Fields::default, |product| {
        Fields::of([
            ("name", product.name.clone()),
            ("description", product.description.clone()),
            ("plan_type", product.plan_type.id.to_string()),
            ("netsuite_id", product.netsuite_id.map_or(String::new(), |id| id.to_string())),
            ("salesforce_product_id", product.salesforce_product_id.clone().unwrap_or_default()),
        ])
    });
    Ok(page(&visitor, &shown, &fields, &FieldErrors::default(), None))
}

/// `POST /console/records/products/new/`.
pub(crate) async fn create(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    let shown = find(&visitor, None).await?;
    save_to(&visitor, &shown, &fields).await
}

/// `POST /console/records/products/{product}/`.
pub(crate) async fn save(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let shown = find(&visitor, Some(&path)).await?;
    save_to(&visitor, &shown, &fields).await
}

async fn save_to(visitor: &Visitor, shown: &Shown, fields: &Fields) -> Result<HttpResponse, PageError> {
    require(visitor)?;
    let changes = match read(fields) {
        Ok(changes) => changes,
        Err(errors) => return Ok(page(visitor, shown, fields, &errors, None)),
    };
    let (actor, id) =
        (visitor.actor(fields.text("reason").as_deref()), shown.product.as_ref().map(|product| product.id));
    let saved = visitor.write(move |console| match id {
        Some(id) => console.manager.update_product(&actor, id, &changes),
        None => {
            let plan_type = changes.plan_type.unwrap_or(PlanTypeId(0));
            console.manager.create_product(&actor, plan_type, &changes)
        }
    });
    match saved.await {
        Ok(_) => Ok(redirect(&format!("{PATH}?saved=yes"))),
        Err(error) => {
            let (errors, refused) = error.in_form()?;
            Ok(page(visitor, shown, fields, &errors, refused.as_deref()))
        }
    }
}

fn read(fields: &Fields) -> Result<ProductChanges, FieldErrors> {
    let mut errors = reason_errors(fields);
    let name = fields.text("name").unwrap_or_default();
    if name.is_empty() || name.chars().count() > MAX_NAME {
        errors.add("name", format!("Give it a name of at most {MAX_NAME} characters."));
    }
    let plan_type = fields.text("plan_type").and_then(|text| text.parse().ok()).map(PlanTypeId);
    if plan_type.is_none() {
        errors.add("plan_type", "Choose the plan type.");
    }
    let netsuite_id = fields.text("netsuite_id").map(|text| text.parse::<i32>()).transpose().unwrap_or_else(|_| {
        errors.add("netsuite_id", "A NetSuite id is a whole number.");
        None
    });
    if errors.iter().next().is_some() {
        return Err(errors);
    }
    Ok(ProductChanges {
        name: Some(name),
        description: Some(fields.text("description").unwrap_or_default()),
        netsuite_id: netsuite_id.into(),
        salesforce_product_id: fields.text("salesforce_product_id").into(),
        plan_type,
    })
}

fn page(
    visitor: &Visitor,
    shown: &Shown,
    fields: &Fields,
    errors: &FieldErrors,
    refused: Option<&str>,
) -> HttpResponse {
    let title = shown.product.as_ref().map_or("New product", |product| product.name.as_str());
    let content = html! {
        div { (crumbs(&above("", "Products"))) div.title { h1 { (title) } } }
        (layout::refusal(refused))
        @if visitor.rights.may(Action::Support) {
            form.card method="post" {
                (token(visitor))
                (field("name", "Name", errors, &input(fields, "name", MAX_NAME)))
                (field("description", "Description", errors, &input(fields, "description", 1_000)))
                (field("plan_type", "Plan type", errors, &plan_type_choice(fields, &shown.plan_types)))
                (field("netsuite_id", "NetSuite id; empty for none", errors, &input(fields, "netsuite_id", 11)))
                (field("salesforce_product_id", "Salesforce product id: 18 letters and digits, or empty", errors, &input(fields, "salesforce_product_id", 18)))
                (field("reason", "Reason, for the history", errors, &input(fields, "reason", MAX_REASON)))
                div.title { button.first { "Save" } a.button href=(PATH) { "Back" } }
            }
        }
        @if !shown.history.is_empty() {
            section.card { h2 { "History" } (timeline(&shown.history, |_| None)) }
        }
    };
    layout::page(visitor, Section::Records, title, &content)
}

fn plan_type_choice(fields: &Fields, plan_types: &[PlanType]) -> Markup {
    let chosen = fields.text("plan_type").unwrap_or_default();
    html! {
        select #plan_type name="plan_type" {
            option value="" { "Choose a plan type" }
            @for plan_type in plan_types {
                option value=(plan_type.id) selected[plan_type.id.to_string() == chosen] { (plan_type.label) }
            }
        }
    }
}
