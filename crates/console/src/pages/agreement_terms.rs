//! A new agreement, and what provisioners edit of an agreement: name, slug, catalog, notices, universal link.

use actix_web::{HttpResponse, web};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::StoreExt;
use license_manager_domain::{
    AgreementChanges, AgreementId, CatalogId, CustomerAgreement, CustomerId, Entity, Error, FieldErrors, NewAgreement,
};
use maud::{Markup, html};
use uuid::Uuid;

use super::license_edit::{MAX_REASON, field, flag, input, reason_errors};
use super::lists::customer_name;
use super::sign_in::redirect;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::session::Visitor;

/// The longest slug and name, in characters.
const MAX_SLUG: usize = 128;
const MAX_NAME: usize = 255;

fn permit(visitor: &Visitor) -> Result<(), PageError> {
    if visitor.rights.may(Action::Provision) { Ok(()) } else { Err(PageError::Forbidden) }
}

/// `GET /console/customers/new/`.
pub(crate) async fn new(visitor: Visitor) -> Result<HttpResponse, PageError> {
    permit(&visitor)?;
    Ok(page(&visitor, None, &Fields::default(), &FieldErrors::default(), None))
}

/// `POST /console/customers/new/`.
pub(crate) async fn create(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    permit(&visitor)?;
    let mut errors = FieldErrors::default();
    let customer = fields.text("enterprise_customer_uuid").and_then(|text| Uuid::parse_str(&text).ok()).map(CustomerId);
    if customer.is_none() {
        errors.add("enterprise_customer_uuid", "A customer is named by its UUID in the LMS.");
    }
    let changes = read(&fields, &mut errors);
    let Some(customer) = customer.filter(|_| errors.iter().next().is_none()) else {
        return Ok(page(&visitor, None, &fields, &errors, None));
    };
    // Asked before the transaction.
    let new = visitor.console.manager.name_customer(NewAgreement { customer, changes }).await;
    let actor = visitor.actor(None);
    let created =
        visitor.provision(move |manager| Ok(manager.create_agreement(&actor, new.clone())?.details.agreement.id));
    answered(&visitor, None, &fields, created.await)
}

/// `GET /console/customers/{agreement}/terms/`.
pub(crate) async fn form(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    permit(&visitor)?;
    let agreement = find(&visitor, &path).await?;
    Ok(page(&visitor, Some(&agreement), &fields_of(&agreement), &FieldErrors::default(), None))
}

/// `POST /console/customers/{agreement}/terms/`.
pub(crate) async fn save(
    Submitted { visitor, fields }: Submitted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    permit(&visitor)?;
    let agreement = find(&visitor, &path).await?;
    if fields.text("version").as_deref() != Some(&version(&agreement)) {
        let meanwhile =
            "Somebody else has changed the agreement meanwhile. Nothing was saved: go back and edit it again.";
        return Ok(page(&visitor, Some(&agreement), &fields, &FieldErrors::default(), Some(meanwhile)));
    }
    let mut errors = reason_errors(&fields);
    let changes = read(&fields, &mut errors);
    if errors.iter().next().is_some() {
        return Ok(page(&visitor, Some(&agreement), &fields, &errors, None));
    }
    let (actor, id) = (visitor.actor(fields.text("reason").as_deref()), agreement.id);
    let saved =
        visitor.provision(move |manager| manager.update_agreement(&actor, id, changes.clone()).map(|_| id)).await;
    answered(&visitor, Some(&agreement), &fields, saved)
}

/// Leads to the agreement, or shows the form again with what was refused.
fn answered(
    visitor: &Visitor,
    agreement: Option<&CustomerAgreement>,
    fields: &Fields,
    saved: Result<AgreementId, PageError>,
) -> Result<HttpResponse, PageError> {
    let again = |errors: &FieldErrors, refused: Option<&str>| Ok(page(visitor, agreement, fields, errors, refused));
    match saved {
        Ok(id) => Ok(redirect(&format!("/console/customers/{id}/?done=saved"))),
        Err(error) => {
            let (errors, refused) = error.in_form()?;
            again(&errors, refused.as_deref())
        }
    }
}

/// The agreement in a path.
pub(super) async fn find(visitor: &Visitor, path: &str) -> Result<CustomerAgreement, PageError> {
    let id = AgreementId(Uuid::parse_str(path).map_err(|_| PageError::NotFound)?);
    let found = visitor.read(move |console| console.manager.store().read(|unit| unit.agreements().find(id))).await?;
    Ok(found.ok_or(Error::NotFound(Entity::Agreement))?)
}

/// What tells one version of an agreement from another.
pub(super) fn version(agreement: &CustomerAgreement) -> String {
    agreement.modified.timestamp_micros().to_string()
}

fn fields_of(agreement: &CustomerAgreement) -> Fields {
    let flag = |flag: bool| if flag { "yes" } else { "" }.to_owned();
    Fields::of([
        ("enterprise_customer_slug", agreement.customer_slug.clone().unwrap_or_default()),
        ("enterprise_customer_name", agreement.customer_name.clone().unwrap_or_default()),
        (
            "default_enterprise_catalog_uuid",
            agreement.default_catalog.map_or(String::new(), |catalog| catalog.to_string()),
        ),
        ("hides_expiration", flag(agreement.disable_expiration_notifications)),
        ("universal_link", flag(agreement.enable_auto_applied_subscriptions_with_universal_link)),
    ])
}

/// The changes that the fields ask for.
fn read(fields: &Fields, errors: &mut FieldErrors) -> AgreementChanges {
    let catalog = fields.text("default_enterprise_catalog_uuid").map(|text| Uuid::parse_str(&text));
    if let Some(Err(_)) = catalog {
        errors.add("default_enterprise_catalog_uuid", "A catalog is named by its UUID.");
    }
    AgreementChanges {
        customer: None,
        customer_slug: fields.text("enterprise_customer_slug").into(),
        customer_name: fields.text("enterprise_customer_name").into(),
        default_catalog: catalog.and_then(Result::ok).map(CatalogId).into(),
        disable_expiration_notifications: Some(fields.has("hides_expiration")),
        enable_auto_applied_subscriptions_with_universal_link: Some(fields.has("universal_link")),
    }
}

fn page(
    visitor: &Visitor,
    agreement: Option<&CustomerAgreement>,
    fields: &Fields,
    errors: &FieldErrors,
    refused: Option<&str>,
) -> HttpResponse {
    let customers = ("/console/customers/".to_owned(), "Customers".to_owned());
    let (title, back, above) = match agreement {
        None => ("New agreement", customers.0.clone(), vec![customers]),
        Some(agreement) => {
            let address = format!("/console/customers/{}/", agreement.id);
            let name = agreement.customer_name.as_deref().or(agreement.customer_slug.as_deref());
            ("Edit the agreement", address.clone(), vec![customers, (address, customer_name(name).to_owned())])
        }
    };
    let content = html! {
        div {
            (crumbs(&above))
            div.title { h1 { (title) } }
        }
        (layout::refusal(refused))
        form.card method="post" {
            (token(visitor))
            @if let Some(agreement) = agreement {
                input type="hidden" name="version" value=(fields.text("version").unwrap_or_else(|| version(agreement)));
            } @else {
                (text(fields, errors, "enterprise_customer_uuid", "Customer, by its UUID in the LMS; it never changes", 36))
            }
            (text(fields, errors, "enterprise_customer_name", &labelled(agreement, visitor, "Name"), MAX_NAME))
            (text(fields, errors, "enterprise_customer_slug", &labelled(agreement, visitor, "Slug in addresses"), MAX_SLUG))
            (text(fields, errors, "default_enterprise_catalog_uuid", "Catalog of its plans, by its UUID", 36))
            (flag(fields, "hides_expiration", "The portals hide notices about expiring plans"))
            (flag(fields, "universal_link", "The universal link gives licenses"))
            @if agreement.is_some() {
                (text(fields, errors, "reason", "Reason, for the history", MAX_REASON))
            }
            div.title {
                button.first { @if agreement.is_some() { "Save" } @else { "Make the agreement" } }
                a.button href=(back) { "Back" }
            }
        }
    };
    layout::page(visitor, Section::Customers, title, &content)
}

/// A label that tells where an empty name comes from.
fn labelled(agreement: Option<&CustomerAgreement>, visitor: &Visitor, label: &str) -> String {
    match agreement {
        None if visitor.console.manager.knows_customers() => format!("{label}; empty for that of the LMS"),
        _ => label.to_owned(),
    }
}

fn text(fields: &Fields, errors: &FieldErrors, name: &str, label: &str, length: usize) -> Markup {
    field(name, label, errors, &input(fields, name, length))
}
