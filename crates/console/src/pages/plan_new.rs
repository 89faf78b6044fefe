//! A new plan of an agreement.

use actix_web::{HttpRequest, HttpResponse};
use chrono::{Duration, NaiveTime, SubsecRound};
use license_manager_domain::console::{AgreementFilters, AgreementOrder, AgreementRow, Part, Sorting};
use license_manager_domain::model::{ChangeReason, Product};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::{CustomerScope, StoreExt};
use license_manager_domain::{
    AgreementId, CatalogId, CustomerAgreement, Entity, Error, FieldErrors, NewPlan, PlanId, SubscriptionPlan,
};
use maud::{Markup, html};
use uuid::Uuid;

use super::lists::{customer_name, search_input};
use super::plan_form::{Purpose, fields_of, markup, read, taken_title};
use super::sign_in::redirect;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::session::Visitor;

/// The most customers that can be chosen from.
const CHOICES: i64 = 20;

/// The usual length of a plan.
const YEAR: Duration = Duration::days(365);

/// `GET /console/plans/new/`: the form, or the choice of a customer.
pub(crate) async fn form(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let query = Fields::of_query(&request);
    if !visitor.rights.may(Action::Provision) {
        return Err(PageError::Forbidden);
    }
    let Some(agreement) = query.text("agreement") else { return choice(&visitor, &query).await };
    let of = find(&visitor, &agreement).await?;
    let fields = fields_of(&of.base).and("reason", ChangeReason::New.as_str().to_owned());
    let fields = match of.agreement.default_catalog {
        Some(_) => fields,
        None => fields.without("enterprise_catalog_uuid"),
    };
    Ok(page(&visitor, &of, &fields, &FieldErrors::default(), None))
}

/// `POST /console/plans/new/`.
pub(crate) async fn create(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    if !visitor.rights.may(Action::Provision) {
        return Err(PageError::Forbidden);
    }
    let of = find(&visitor, &fields.text("agreement").unwrap_or_default()).await?;
    let again = |errors: &FieldErrors, refused: Option<&str>| Ok(page(&visitor, &of, &fields, errors, refused));
    let (reason, mut changes) = match read(Purpose::Make, &of.base, &of.products, &fields) {
        Ok(read) => read,
        Err(errors) => return again(&errors, taken_title(&visitor, &of.base, &fields).await?.as_deref()),
    };
    let new = NewPlan {
        agreement: of.agreement.id,
        title: changes.title.take().unwrap_or_default(),
        start_date: changes.start_date.take().unwrap_or(of.base.start_date),
        expiration_date: changes.expiration_date.take().unwrap_or(of.base.expiration_date),
        changes,
    };
    let actor = visitor.actor(None);
    let created =
        visitor.provision(move |manager| Ok(manager.create_plan(&actor, reason, new.clone())?.details.plan.id));
    match created.await {
        Ok(id) => Ok(redirect(&format!("/console/plans/{id}/?done=created"))),
        Err(error) => {
            let (errors, refused) = error.in_form()?;
            let refused = if refused.is_some() { refused } else { taken_title(&visitor, &of.base, &fields).await? };
            again(&errors, refused.as_deref())
        }
    }
}

/// The agreement of a new plan.
struct Of {
    agreement: CustomerAgreement,
    products: Vec<Product>,
    /// A plan as the form begins with it.
    base: SubscriptionPlan,
}

async fn find(visitor: &Visitor, agreement: &str) -> Result<Of, PageError> {
    let id = AgreementId(Uuid::parse_str(agreement).map_err(|_| PageError::NotFound)?);
    let found = visitor.read(move |console| {
        let (agreement, products) =
            console.manager.store().read(|unit| Ok((unit.agreements().find(id)?, unit.products().list()?)))?;
        let agreement = agreement.ok_or(Error::NotFound(Entity::Agreement))?;
        let now = console.manager.now().trunc_subsecs(0);
        let start = now.with_time(NaiveTime::MIN).single().unwrap_or(now);
        let catalog = agreement.default_catalog.unwrap_or(CatalogId(Uuid::nil()));
        let base = SubscriptionPlan::new(PlanId(Uuid::nil()), id, catalog, "", start..start + YEAR, now);
        Ok(Of { agreement, products, base })
    });
    found.await
}

fn page(visitor: &Visitor, of: &Of, fields: &Fields, errors: &FieldErrors, refused: Option<&str>) -> HttpResponse {
    let Of { agreement, products, .. } = of;
    let address = format!("/console/customers/{}/", agreement.id);
    let name = customer_name(agreement.customer_name.as_deref().or(agreement.customer_slug.as_deref())).to_owned();
    let content = html! {
        div {
            (crumbs(&[("/console/customers/".to_owned(), "Customers".to_owned()), (address.clone(), name)]))
            div.title { h1 { "New plan" } }
        }
        (layout::refusal(refused))
        form.card method="post" action="/console/plans/new/" {
            (token(visitor))
            input type="hidden" name="agreement" value=(agreement.id);
            (markup(fields, errors, products))
            div.title { button.first { "Make the plan" } a.button href=(address) { "Back" } }
        }
    };
    layout::page(visitor, Section::Plans, "New plan", &content)
}

/// The customers whose name contains what was typed.
async fn choice(visitor: &Visitor, query: &Fields) -> Result<HttpResponse, PageError> {
    let filters = AgreementFilters { name: query.text("name"), ..AgreementFilters::of(CustomerScope::All) };
    let sorting = Sorting::ascending(AgreementOrder::Name);
    let found =
        visitor.read(move |console| console.store.agreement_rows(&filters, sorting, Part::first(CHOICES))).await?;
    let content = html! {
        div {
            (crumbs(&[("/console/plans/".to_owned(), "Plans".to_owned())]))
            div.title { h1 { "New plan: for which customer?" } }
        }
        form.filters {
            (search_input(query, "name", "Name or slug"))
            button { "Search" }
        }
        (customers(&found.rows))
        @if found.total > CHOICES { p.quiet { "Only the first " (CHOICES) " are shown: search for the name." } }
    };
    Ok(layout::page(visitor, Section::Plans, "New plan", &content))
}

fn customers(rows: &[AgreementRow]) -> Markup {
    html! {
        @if rows.is_empty() {
            p.note {
                "No customer matches. A plan belongs to the agreement of a customer: "
                a href="/console/customers/new/" { "make the agreement first" }
            }
        } @else {
            div.card.wide { table {
                thead { tr { th { "Customer" } th { "Slug" } th.number { "Plans" } } }
                tbody { @for row in rows { tr {
                    td.long { a href={ "/console/plans/new/?agreement=" (row.id) } {
                        (customer_name(row.name.as_deref().or(row.slug.as_deref())))
                    } }
                    td { (row.slug.as_deref().unwrap_or("–")) }
                    td.number { (row.plans) }
                } } }
            } }
        }
    }
}
