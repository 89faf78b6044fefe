//! Taking the names and slugs of customers over from the LMS, with a look at what will change.

use actix_web::HttpResponse;
use futures_util::{StreamExt as _, stream};
use license_manager_domain::console::{AgreementFilters, AgreementOrder, AgreementRow, Part, Sorting};
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::{CustomerScope, EnterpriseCustomer};
use license_manager_domain::{AgreementId, Error};
use maud::{Markup, html};
use uuid::Uuid;

use super::customers::{FILTERS, filters};
use super::lists::{self, counted, customer_name, number};
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, crumbs, token};
use crate::session::Visitor;

/// The most customers of one action: the LMS is asked for each.
const MOST: i64 = 100;

/// How many customers the LMS is asked for at once.
const AT_ONCE: usize = 8;

/// A customer with what the LMS says.
type Told<'a> = (&'a AgreementRow, Result<EnterpriseCustomer, Error>);

/// `POST /console/customers/act/`: shows what would change, or changes it once that was confirmed.
pub(crate) async fn act(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    if !visitor.rights.may(Action::Support) || !visitor.console.manager.knows_customers() {
        return Err(PageError::Forbidden);
    }
    let selection = match fields.has("all") {
        true => filters(CustomerScope::All, &fields),
        false => {
            let ids = fields.all("agreement").filter_map(|id| Uuid::parse_str(id).ok()).map(AgreementId).collect();
            AgreementFilters { ids: Some(ids), ..AgreementFilters::of(CustomerScope::All) }
        }
    };
    let sorting = Sorting::ascending(AgreementOrder::Name);
    let customers =
        visitor.read(move |console| console.store.agreement_rows(&selection, sorting, Part::first(MOST))).await?;
    if customers.total > MOST {
        return Ok(too_many(&visitor, &fields, customers.total));
    }
    let manager = &visitor.console.manager;
    let told: Vec<Told<'_>> = stream::iter(&customers.rows)
        .map(|row| async move { (row, manager.look_customer_up(row.customer).await) })
        .buffered(AT_ONCE)
        .collect()
        .await;
    if fields.has("confirmed") {
        perform(&visitor, &fields, &told).await
    } else {
        Ok(preview(&visitor, &fields, &told))
    }
}

/// Whether the LMS has another name or slug.
fn differs(row: &AgreementRow, known: &EnterpriseCustomer) -> bool {
    (row.name.as_deref(), row.slug.as_deref()) != (Some(&known.name), Some(&known.slug))
}

/// The list with its filters.
fn list(fields: &Fields) -> String {
    lists::with_filters("/console/customers/", fields, &FILTERS, &[])
}

/// Where the form came from.
fn back(fields: &Fields, told: &[Told<'_>]) -> String {
    match told {
        [(row, _)] if !fields.has("all") => format!("/console/customers/{}/", row.id),
        _ => list(fields),
    }
}

fn head(fields: &Fields, title: &str) -> Markup {
    html! {
        div {
            (crumbs(&[(list(fields), "Customers".to_owned())]))
            div.title { h1 { (title) } }
        }
    }
}

fn too_many(visitor: &Visitor, fields: &Fields, total: i64) -> HttpResponse {
    let back = back(fields, &[]);
    let content = html! {
        (head(fields, "Take names and slugs from the LMS"))
        p.note.bad role="alert" {
            "These are " (number(total)) " customers. One action is for at most " (number(MOST))
            ": go back, and narrow the filter."
        }
        p { a.button href=(back) { "Back" } }
    };
    layout::page(visitor, Section::Customers, "Take names and slugs from the LMS", &content)
}

fn preview(visitor: &Visitor, fields: &Fields, told: &[Told<'_>]) -> HttpResponse {
    let title = "Take names and slugs from the LMS: look before it happens";
    let changing = told.iter().filter(|(row, known)| known.as_ref().is_ok_and(|known| differs(row, known))).count();
    let back = back(fields, told);
    let content = html! {
        (head(fields, title))
        @if told.is_empty() {
            p.note { "No customer is selected. Go back, and select customers or all that match the filter." }
        } @else if changing == 0 {
            p.note { "Nothing would change." }
        } @else {
            p.note.good { b { (counted(changing as i64, "customer changes", "customers change")) "." } }
        }
        @if !told.is_empty() {
            div.card.wide { table {
                thead { tr { th { "Customer" } th { "Slug" } th { "What will happen" } } }
                tbody { @for (row, known) in told { tr {
                    (name(row))
                    td.long { @match known {
                        Ok(known) if differs(row, known) => { "Becomes " b { (known.name) } ", with the slug " b { (known.slug) } "." }
                        Ok(_) => { "Nothing: the LMS says the same." }
                        Err(problem) => { span.wrong { "Nothing. " } (problem) " It stays as it is; try again later." }
                    } }
                } } }
            } }
        }
        form method="post" action="/console/customers/act/" {
            (token(visitor))
            input type="hidden" name="act" value="sync";
            (lists::hidden(fields, &FILTERS)) (lists::hidden(fields, &["all"]))
            @for agreement in fields.all("agreement") { input type="hidden" name="agreement" value=(agreement); }
            div.title {
                @if changing > 0 {
                    button.first name="confirmed" value="yes" {
                        "Change " (counted(changing as i64, "customer", "customers"))
                    }
                }
                a.button href=(back) { "Back" }
                span.quiet { "Your name goes into the history." }
            }
        }
    };
    layout::page(visitor, Section::Customers, title, &content)
}

/// The cells that name a customer as it is now.
fn name(row: &AgreementRow) -> Markup {
    html! {
        td.long { a href={ "/console/customers/" (row.id) "/" } { (customer_name(row.name.as_deref().or(row.slug.as_deref()))) } }
        td { (row.slug.as_deref().unwrap_or("–")) }
    }
}

/// Takes over what differs, of all these customers in one transaction: the number of statements does not depend on
/// their number. One that is refused stops no other.
async fn perform(visitor: &Visitor, fields: &Fields, told: &[Told<'_>]) -> Result<HttpResponse, PageError> {
    let actor = visitor.actor(Some("name and slug from the LMS"));
    let differing = |(row, known): &&Told<'_>| known.as_ref().is_ok_and(|known| differs(row, known));
    let changed: Vec<EnterpriseCustomer> =
        told.iter().filter(differing).filter_map(|(_, known)| known.as_ref().ok().cloned()).collect();
    let mut done = visitor.write(move |console| console.manager.adopt_customers(&actor, &changed)).await?.into_iter();
    let mut results: Vec<(&AgreementRow, Result<(), String>)> = Vec::new();
    for (row, known) in told {
        match known {
            Ok(known) if differs(row, known) => {
                let outcome = done.next().unwrap_or(Ok(false));
                results.push((*row, outcome.map(drop).map_err(|error| error.to_string())));
            }
            Ok(_) => {}
            Err(problem) => results.push((*row, Err(problem.to_string()))),
        }
    }
    let back = back(fields, told);
    let title = "Names and slugs from the LMS";
    let good = results.iter().filter(|(_, done)| done.is_ok()).count();
    let content = html! {
        (head(fields, title))
        p.note.good[good > 0].bad[good == 0] role="status" { (counted(good as i64, "customer was", "customers were")) " changed." }
        @if !results.is_empty() {
            div.card.wide { table {
                thead { tr { th { "Customer" } th { "Former slug" } th { "What happened" } } }
                tbody { @for (row, done) in &results { tr {
                    (name(row))
                    td.long { @match done { Ok(()) => { "Changed." } Err(why) => { span.wrong { "Refused. " } (why) } } }
                } } }
            } }
        }
        p { a.button href=(back) { "Back" } }
    };
    Ok(layout::page(visitor, Section::Customers, title, &content))
}
