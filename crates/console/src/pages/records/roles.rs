//! Roles of users in the database.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::model::{CustomerId, RoleAssignmentId};
use license_manager_domain::permissions::{Action, Role};
use license_manager_domain::ports::{AssignedRole, LimitOffset, RoleAssignment, RoleAssignmentFilter, StoreExt};
use license_manager_domain::{Entity, Error, FieldErrors};
use maud::{Markup, html};
use uuid::Uuid;

use super::{PATH, above, head, require, require_reading};
use crate::dates::day;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, token};
use crate::pages::confirm::{Preview, Why, confirmed, preview};
use crate::pages::license_edit::{MAX_REASON, field, input, reason_errors};
use crate::pages::lists::{ROWS, choice, number, search_input};
use crate::pages::paging::{id, page_number, pages};
use crate::pages::sign_in::redirect;
use crate::session::Visitor;

/// The longest user name, in characters.
const MAX_USERNAME: usize = 255;

/// A role in words.
pub(crate) fn words(role: &str) -> &'static str {
    match role {
        "enterprise_subscriptions_admin" => "customer admin",
        "enterprise_subscriptions_learner" => "learner",
        "license_manager_viewer" => "viewer",
        "license_manager_operator" => "operator",
        _ => "of another version",
    }
}

/// The address of a user's page.
pub(crate) fn user_address(username: &str) -> String {
    let name: String = form_urlencoded::byte_serialize(username.as_bytes()).collect();
    format!("{PATH}users/one/?name={name}")
}

/// `GET /console/records/roles/`.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    require_reading(&visitor)?;
    let query = Fields::of_query(&request);
    shown(&visitor, &query, &Fields::default(), &FieldErrors::default(), None).await
}

async fn shown(
    visitor: &Visitor,
    query: &Fields,
    form: &Fields,
    errors: &FieldErrors,
    refused: Option<&str>,
) -> Result<HttpResponse, PageError> {
    let page = page_number(query);
    let filter = RoleAssignmentFilter {
        username: query.text("username"),
        role: query.text("role"),
        customer: id(query, "customer").map(CustomerId),
    };
    let part = move |_| Ok::<_, Error>(LimitOffset { offset: (page - 1) * ROWS, limit: ROWS });
    let found = visitor.read(move |console| console.manager.role_assignments(&filter, part)).await?;
    let mut roles: Vec<(&str, &str)> = RoleAssignment::ROLES.into_iter().map(|role| (role, words(role))).collect();
    roles.insert(0, ("", "Every role"));
    let path = format!("{PATH}roles/");
    let content = html! {
        @match query.text("done").as_deref() {
            Some("given") => p.note.good role="status" { "The user has the role, from their next request on." },
            Some("taken") => p.note.good role="status" { "The role was taken, from their next request on." },
            _ => {},
        }
        (head("roles/"))
        form.filters {
            (search_input(query, "username", "User name"))
            (choice(query, "role", "Role", &roles))
            input type="search" name="customer" aria-label="Customer" placeholder="Id of a customer" value=(query.text("customer").unwrap_or_default());
            button { "Show" }
            span.quiet { (number(found.total)) }
        }
        @if found.items.is_empty() {
            p.note {
                @if query.has("username") || query.has("role") || query.has("customer") { "No role matches. " a href=(path) { "Show all" } }
                @else { "Nobody has a role here. People also have roles in the LMS, which are not listed." }
            }
        } @else {
            (table(visitor, &found.items))
            (pages(&path, query, page, found.total))
        }
        @if visitor.rights.may(Action::Support) { (give_form(visitor, form, errors, refused)) }
    };
    Ok(layout::page(visitor, Section::Records, "Roles", &content))
}

/// Whether the visitor may give or take the role: nobody makes an operator who is none.
fn may_change(visitor: &Visitor, role: &str) -> bool {
    let needed = if Role::in_database(role) == Some(Role::Operator) { Action::Operate } else { Action::Support };
    visitor.rights.may(needed)
}

fn table(visitor: &Visitor, roles: &[AssignedRole]) -> Markup {
    html! {
        div.card.wide { table {
            thead { tr { th { "User" } th { "Role" } th { "Customer" } th { "Since" } th { span.hidden { "Take" } } } }
            tbody { @for assigned in roles { tr {
                td.long { a href=(user_address(&assigned.username)) { (assigned.username) } }
                td { (words(&assigned.role.role)) }
                td.mono { @if let Some(customer) = assigned.role.customer { (customer) } @else { "all" } }
                td { (day(assigned.created)) }
                td { @if may_change(visitor, &assigned.role.role) {
                    form method="post" action={ (PATH) "roles/take/" } {
                        (token(visitor))
                        input type="hidden" name="id" value=(assigned.id);
                        button.grave aria-label={ "Take the role " (words(&assigned.role.role)) " from " (assigned.username) } { "Take" }
                    }
                } }
            } } }
        } }
    }
}

fn give_form(visitor: &Visitor, fields: &Fields, errors: &FieldErrors, refused: Option<&str>) -> Markup {
    let chosen = fields.text("role").unwrap_or_default();
    html! {
        section.card {
            h2 { "Give somebody a role" }
            (layout::refusal(refused))
            form method="post" action={ (PATH) "roles/give/" } {
                (token(visitor))
                (field("username", "User name, as the LMS has it", errors, &input(fields, "username", MAX_USERNAME)))
                (field("role", "Role", errors, &html! {
                    select #role name="role" {
                        option value="" { "Choose a role" }
                        @for role in RoleAssignment::ROLES.into_iter().filter(|role| may_change(visitor, role)) {
                            option value=(role) selected[role == chosen] { (words(role)) }
                        }
                    }
                }))
                (field("enterprise_customer_uuid", "Id of the customer; empty for all customers", errors, &input(fields, "enterprise_customer_uuid", 36)))
                (field("reason", "Reason", errors, &input(fields, "reason", MAX_REASON)))
                button.first { "Give the role" }
            }
        }
    }
}

/// `POST /console/records/roles/give/`.
pub(crate) async fn give(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let mut errors = reason_errors(&fields);
    let username = fields.text("username").unwrap_or_default();
    if username.is_empty() || username.chars().count() > MAX_USERNAME {
        errors.add("username", "Say who gets the role.");
    }
    let role = fields.text("role").unwrap_or_default();
    if role.is_empty() {
        errors.add("role", "Choose the role.");
    }
    let customer = fields.text("enterprise_customer_uuid").map(|text| Uuid::parse_str(&text).map(CustomerId));
    let customer = customer.transpose().unwrap_or_else(|_| {
        errors.add("enterprise_customer_uuid", "This is not the id of a customer. Copy it from the customer's page.");
        None
    });
    if !may_change(&visitor, &role) {
        return Err(PageError::Forbidden);
    }
    if errors.iter().next().is_some() {
        return shown(&visitor, &Fields::default(), &fields, &errors, None).await;
    }
    let (actor, role) = (visitor.actor(fields.text("reason").as_deref()), RoleAssignment { role, customer });
    let name = username.clone();
    match visitor.write(move |console| console.manager.give_role(&actor, &name, &role).map(drop)).await {
        Ok(()) => {
            let name: String = form_urlencoded::byte_serialize(username.as_bytes()).collect();
            Ok(redirect(&format!("{PATH}roles/?username={name}&done=given")))
        }
        Err(error) => {
            let (errors, refused) = error.in_form()?;
            shown(&visitor, &Fields::default(), &fields, &errors, refused.as_deref()).await
        }
    }
}

/// `POST /console/records/roles/take/`: shows what will happen, or does it once that was confirmed.
pub(crate) async fn take(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    require(&visitor)?;
    let id = fields.text("id").and_then(|text| text.parse().ok()).map(RoleAssignmentId).ok_or(PageError::NotFound)?;
    let assigned = visitor
        .read(move |console| {
            let found = console.manager.store().read(|unit| unit.role_assignments().find(id))?;
            found.ok_or(Error::NotFound(Entity::RoleAssignment))
        })
        .await?;
    if !may_change(&visitor, &assigned.role.role) {
        return Err(PageError::Forbidden);
    }
    let Err(errors) = confirmed(&fields, Why::Required) else {
        let actor = visitor.actor(fields.text("reason").as_deref());
        visitor.write(move |console| console.manager.take_role(&actor, id)).await?;
        return Ok(redirect(&format!("{PATH}roles/?done=taken")));
    };
    let told = html! {
        p.note { b { (assigned.username) } " loses the role of " b { (words(&assigned.role.role)) }
            @match assigned.role.customer { Some(customer) => { " for the customer " span.mono { (customer) } } None => " for all customers" }
            ", from their next request on. Roles that the LMS gives them stay." }
    };
    Ok(preview(
        &visitor,
        &fields,
        &errors,
        &Preview {
            section: Section::Records,
            above: &above("roles/", "Roles"),
            title: "Take the role",
            told,
            action: &format!("{PATH}roles/take/"),
            back: &format!("{PATH}roles/"),
            button: Some("Take it".to_owned()),
            why: Why::Required,
            refused: None,
        },
    ))
}
