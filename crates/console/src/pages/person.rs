//! Everything about one address or LMS user, across customers.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::permissions::Action;
use license_manager_domain::{Email, LicenseId, LicenseStatus, LmsUserId};
use maud::html;

use super::operations::messages::waiting;
use super::{lists, retire};
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section};
use crate::session::Visitor;

/// The most licenses that are shown.
const SHOWN: i64 = 200;

/// The most messages that are shown.
const MESSAGES: i64 = 100;

/// `GET /console/people/?email=` or `?lms_user_id=`.
pub(crate) async fn person(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let query = Fields::of_query(&request);
    let email = query.text("email").and_then(|text| Email::to_look_up(&text).ok());
    let lms_user_id = query.text("lms_user_id").and_then(|text| text.parse().ok()).and_then(LmsUserId::known);
    if email.is_none() && lms_user_id.is_none() {
        return Err(PageError::NotFound);
    }
    let scope = visitor.scope(Action::Browse)?;
    let emails: Vec<Email> = email.clone().into_iter().collect();
    let operates = visitor.rights.may(Action::Operate);
    let (licenses, messages) = visitor
        .list(move |source| {
            let licenses = source.store.licenses_of_person(&scope, &emails, lms_user_id, SHOWN)?;
            // A license that only named them once is about somebody else now.
            let own = licenses.iter().filter(|row| retire::names(row, &emails, lms_user_id)).map(|row| row.id);
            let own: Vec<LicenseId> = own.filter(|_| operates).collect();
            let messages = source.store.messages_of_licenses(&own, MESSAGES)?;
            Ok((licenses, messages))
        })
        .await?;
    let name = match (&email, lms_user_id) {
        (Some(email), _) => email.as_str().to_owned(),
        (None, id) => format!("LMS user {}", id.map_or(0, |id| id.0)),
    };
    // Other accounts and addresses that these licenses name.
    let mut accounts: Vec<i64> = licenses.iter().filter_map(|row| row.lms_user_id).collect();
    accounts.sort_unstable();
    accounts.dedup();
    let mut addresses: Vec<&str> = licenses.iter().filter_map(|row| row.email.as_deref()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let retirement = match (lms_user_id.map(|id| id.0).or(accounts.first().copied()), &email) {
        (None, Some(email)) => retire::by_address(email.as_str()),
        (id, _) => format!("{}?lms_user_id={}", retire::PATH, id.map_or(String::new(), |id| id.to_string())),
    };
    let live = licenses.iter().filter(|row| LicenseStatus::LIVE.contains(&row.status)).count();
    let content = html! {
        div.title {
            h1 { (name) }
            @if visitor.rights.may(Action::Retire) {
                div.actions {
                    a.button.grave href=(retirement) { "Retire this person" }
                }
            }
        }
        @if licenses.is_empty() {
            p.note { "No license names this person, now or before. Check the spelling, or search for a part of the address." }
        } @else {
            section.card { dl {
                dt { "Live licenses" } dd { (live) }
                dt { "Addresses" } dd { @for address in &addresses { (lists::person_link(address)) " " } }
                dt { "LMS user ids" } dd {
                    @if accounts.is_empty() { span.quiet { "none known" } }
                    @for id in &accounts { a href={ "/console/people/?lms_user_id=" (id) } { (id) } " " }
                }
            } }
            (waiting(&visitor, &messages))
            @if messages.len() as i64 == MESSAGES { p.quiet { "Only the first " (MESSAGES) " messages are shown." } }
            section {
                h2 { "Licenses that they have or had" }
                (lists::licenses(&licenses))
            }
            @if licenses.len() as i64 == SHOWN { p.quiet { "Only the first " (SHOWN) " are shown." } }
        }
    };
    Ok(layout::page(&visitor, Section::None, &name, &content))
}
