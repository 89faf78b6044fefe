//! Users, and what one of them changed.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::console::{ChangeRow, ConsoleSession, UserFilters, UserRow, VERSIONS_LOOKED_AT};
use license_manager_domain::model::StaffAction;
use license_manager_domain::permissions::Action;
use license_manager_domain::ports::{LimitOffset, StaffActionFilter, StoreExt, User};
use license_manager_domain::{Error, LmsUserId};
use maud::{Markup, html};

use super::roles::{user_address, words};
use super::{PATH, above, head, require_reading};
use crate::dates::{day, moment};
use crate::error::PageError;
use crate::form::Fields;
use crate::layout::{self, Section, crumbs, token};
use crate::pages::lists::{self, Sorted, choice, number, person_link};
use crate::pages::operations::actions;
use crate::pages::operations::messages::total;
use crate::pages::paging::{page_number, pages, slice};
use crate::session::Visitor;

/// The most changes of a user that are shown.
const CHANGES: i64 = 100;

/// `GET /console/records/users/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require_reading(&visitor)?;
    let query = Fields::of_query(&request);
    let page = page_number(&query);
    let filters = UserFilters {
        name: query.text("name"),
        is_superuser: query.yes_or_no("superuser"),
        is_staff: query.yes_or_no("staff"),
        has_role: query.yes_or_no("role"),
    };
    let sorted = Sorted { fields: &query, usual: "name" };
    let slice = slice(page, sorted);
    let found = visitor.list(move |source| source.store.user_rows(&filters, slice)).await?;
    let path = format!("{PATH}users/");
    let content = html! {
        (head("users/"))
        form.filters {
            input type="search" name="name" aria-label="Beginning of the name or address" placeholder="Name or address begins with" value=(query.text("name").unwrap_or_default());
            (choice(&query, "staff", "Staff", &[("", "Staff or not"), ("yes", "Staff"), ("no", "Not staff")]))
            (choice(&query, "superuser", "Superuser", &[("", "Superuser or not"), ("yes", "Superusers"), ("no", "No superusers")]))
            (choice(&query, "role", "Role", &[("", "With a role here or not"), ("yes", "With a role here"), ("no", "Without a role here")]))
            (lists::hidden(&query, &["order"]))
            button { "Show" }
            span.quiet { (total(found.total)) }
        }
        @if found.rows.is_empty() {
            p.note { "No user matches. Users appear here once they have called this service or signed in. " a href=(path) { "Show all" } }
        } @else {
            (table(&found.rows, sorted))
            (pages(&path, &query, page, found.total))
        }
        p.quiet { "A superuser is made with the command “license-manager superuser NAME”." }
    };
    Ok(layout::page(&visitor, Section::Records, "Users", &content))
}

fn table(users: &[UserRow], sorted: Sorted<'_>) -> Markup {
    html! {
        div.card.wide { table {
            thead { tr { (sorted.heading("name", "User")) th { "Address" } th { "What they are" } th.number { "Roles here" } th { "First seen" } th { "Last change" } } }
            tbody { @for user in users { tr {
                td.long { a href=(user_address(&user.username)) { (user.username) } }
                td { @if let Some(email) = &user.email { (person_link(email)) } @else { "–" } }
                td {
                    @if user.is_superuser { span.chip { "Superuser" } " " }
                    @if user.is_staff { span.chip { "Staff" } }
                }
                td.number { (number(user.roles)) }
                td { (day(user.created)) }
                td { (day(user.modified)) }
            } } }
        } }
    }
}

/// What is known of a user.
struct Shown {
    user: Option<User>,
    changes: Vec<ChangeRow>,
    actions: Vec<StaffAction>,
    sessions: Vec<ConsoleSession>,
}

/// `GET /console/records/users/one/?name=`.
pub(crate) async fn user(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require_reading(&visitor)?;
    let query = Fields::of_query(&request);
    let name = query.text("name").ok_or(PageError::NotFound)?;
    let (username, operates) = (name.clone(), visitor.rights.may(Action::Operate));
    let shown = visitor
        .read(move |console| {
            let part = |_| Ok::<_, Error>(LimitOffset { offset: 0, limit: CHANGES });
            let filter = StaffActionFilter { by: Some(username.clone()), kind: None };
            Ok(Shown {
                user: console.manager.store().read(|unit| unit.users().find(&username))?,
                changes: console.store.changes_of_user(&username, CHANGES)?,
                actions: console.manager.staff_actions(&filter, part)?.items,
                sessions: match operates {
                    true => console.store.sessions(Some(&username), console.manager.now(), CHANGES)?,
                    false => Vec::new(),
                },
            })
        })
        .await?;
    let Shown { user, changes, actions, sessions } = &shown;
    if user.is_none() && changes.is_empty() && actions.is_empty() {
        return Err(PageError::NotFound);
    }
    let content = html! {
        div {
            (crumbs(&above("users/", "Users")))
            div.title {
                h1 { (name) }
                @if let Some(user) = user {
                    @if user.is_superuser { span.chip { "Superuser" } }
                    @if user.is_staff { span.chip { "Staff" } }
                } @else { span.chip { "Not known any more" } }
            }
        }
        @if let Some(user) = user { (facts(user)) }
        @if !sessions.is_empty() { (signed_in(&visitor, sessions)) }
        @if !actions.is_empty() { section { h2 { "What they did to the service" } (actions::table(actions)) } }
        section {
            h2 { "What they changed" }
            @if changes.is_empty() {
                p.note { "Nothing. Of licenses, only the latest " (number(VERSIONS_LOOKED_AT)) " changes were looked at." }
            } @else {
                (changes_table(changes))
                p.quiet {
                    "Of licenses, only the latest " (number(VERSIONS_LOOKED_AT)) " changes of everybody were looked at."
                    @if changes.len() as i64 == CHANGES { " Only the last " (CHANGES) " entries are shown." }
                }
            }
        }
    };
    Ok(layout::page(&visitor, Section::Records, &name, &content))
}

fn facts(user: &User) -> Markup {
    html! {
        section.card { dl {
            dt { "Address" } dd { @if let Some(email) = &user.email { (person_link(email)) } @else { "–" } }
            dt { "Roles here" } dd {
                @if user.roles.is_empty() { span.quiet { "none; the LMS may give them some" } }
                @for role in &user.roles {
                    span.chip { (words(&role.role)) @if role.customer.is_some() { " of one customer" } } " "
                }
                " " a href={ (PATH) "roles/?username=" (form_urlencoded::byte_serialize(user.username.as_bytes()).collect::<String>()) } { "Roles" }
            }
        } }
    }
}

fn signed_in(visitor: &Visitor, sessions: &[ConsoleSession]) -> Markup {
    html! {
        section.card {
            h2 { "Signed in" }
            @for session in sessions {
                form.filters method="post" action="/console/sessions/end/" {
                    (token(visitor))
                    input type="hidden" name="session" value=(session.uuid);
                    input type="hidden" name="user" value=(session.username);
                    span { (session.user_agent) ", last used " (moment(session.last_used)) " UTC" }
                    @if session.uuid != visitor.session.uuid { button.grave { "End" } } @else { span.chip { "This one" } }
                }
            }
        }
    }
}

fn changes_table(changes: &[ChangeRow]) -> Markup {
    html! {
        div.card.wide tabindex="0" role="region" aria-label="Changes" { table {
            thead { tr { th { "When" } th { "What" } th.number { "Number" } th { "One of them" } th { "Reason" } } }
            tbody { @for change in changes { tr {
                td { (moment(change.at)) }
                td {
                    @match change.kind.as_str() { "+" => "added ", "-" => "deleted ", _ => "changed " }
                    (change.table.replace('_', " "))
                }
                td.number { (number(change.number)) }
                td.mono { (link(change)) }
                td.long { (change.reason.as_deref().unwrap_or("–")) }
            } } }
        } }
    }
}

fn link(change: &ChangeRow) -> Markup {
    let key = &change.key;
    let address = match change.table.as_str() {
        _ if change.kind == "-" => None,
        "license" | "license_source" => Some(format!("/console/licenses/{key}/")),
        "subscription_plan" => Some(format!("/console/plans/{key}/")),
        "customer_agreement" | "expiration_message" => Some(format!("/console/customers/{key}/")),
        "license_transfer_job" => Some(format!("/console/transfers/{key}/")),
        "product" => Some(format!("{PATH}products/{key}/")),
        _ => None,
    };
    html! { @if let Some(address) = address { a href=(address) { (key) } } @else { (key) } }
}

/// The LMS user id in a field.
pub(crate) fn lms_user_id(fields: &Fields, name: &str) -> Option<LmsUserId> {
    fields.text(name).and_then(|text| text.parse().ok()).and_then(LmsUserId::known)
}
