//! Search everything.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::console::{Found, SearchTerm};
use license_manager_domain::permissions::Action;
use maud::html;

use super::lists;
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section};
use crate::session::Visitor;

/// The most results of each kind.
const SHOWN: i64 = 20;

/// `GET /console/search/?q=`.
pub(crate) async fn search(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let typed = Fields::of_query(&request).text("q").unwrap_or_default();
    let scope = visitor.scope(Action::Browse)?;
    let term = SearchTerm::read(&typed);
    let found = match term.clone() {
        Some(term) => visitor.list(move |source| source.store.search(&scope, &term, SHOWN)).await?,
        None => Found::default(),
    };
    let Found { agreements, plans, licenses } = &found;
    let address = typed.contains('@').then(|| typed.to_lowercase());
    let content = html! {
        div.title { h1 { "Search" } }
        @if term.is_none() {
            p.note { "Type at least three letters or digits: an email address, an LMS user id, the beginning of an id or key, a title, \
                      a customer's name or slug, or a Salesforce id." }
        } @else if agreements.is_empty() && plans.is_empty() && licenses.is_empty() {
            p.note { "Nothing matches “" (typed) "”. Addresses and ids are found by their beginning, Salesforce ids when they are complete." }
        }
        @if let (Some(address), false) = (&address, licenses.is_empty()) {
            p { "Everything about " (lists::person_link(address)) }
        }
        @if !licenses.is_empty() { section { h2 { "Licenses" } (lists::licenses(licenses)) } }
        @if !plans.is_empty() { section { h2 { "Plans" } (lists::plans(plans)) } }
        @if !agreements.is_empty() { section { h2 { "Customers" } (lists::agreements(agreements)) } }
        @if [licenses.len(), plans.len(), agreements.len()].contains(&(SHOWN as usize)) {
            p.quiet { "Only the first " (SHOWN) " of a kind are shown. Type more to find others." }
        }
    };
    Ok(layout::page_with(&visitor, Section::None, "Search", &typed, &content))
}
