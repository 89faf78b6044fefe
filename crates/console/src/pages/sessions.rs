//! The sessions of the visitor, and of everybody for operators.

use actix_web::{HttpRequest, HttpResponse};
use license_manager_domain::console::ConsoleSession;
use license_manager_domain::model::{StaffAction, StaffActionKind};
use license_manager_domain::permissions::Action;
use maud::{Markup, html};
use uuid::Uuid;

use super::lists::counted;
use super::records::roles::user_address;
use super::sign_in::redirect;
use crate::Console;
use crate::dates::moment;
use crate::error::PageError;
use crate::form::{Fields, Submitted};
use crate::layout::{self, Section, token};
use crate::session::Visitor;

/// The most sessions that are shown.
const SHOWN: i64 = 200;

/// `GET /console/sessions/`: the visitor's own, and for operators those of everybody or of the user in the query.
pub(crate) async fn list(visitor: Visitor, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let query = Fields::of_query(&request);
    let operates = visitor.rights.may(Action::Operate);
    let user = query.text("user").filter(|_| operates);
    let owner = if operates { user.clone() } else { Some(visitor.session.username.clone()) };
    let sessions: Vec<ConsoleSession> =
        visitor.read(move |console| console.store.sessions(owner.as_deref(), console.manager.now(), SHOWN)).await?;
    let others = sessions.iter().filter(|session| session.uuid != visitor.session.uuid).count();
    let content = html! {
        @if let Some(ended) = query.text("ended").and_then(|text| text.parse().ok()) {
            p.note.good role="status" { (counted(ended, "session was", "sessions were")) " ended." }
        }
        div.title { h1 { "Sessions" } }
        p.quiet {
            @if operates { "Everybody who is signed in, last used first." } @else { "Where you are signed in, last used first." }
            " A session ends after 8 hours without use, and after 7 days. Times are UTC."
        }
        @if operates {
            form.filters {
                input type="search" name="user" aria-label="User name" placeholder="User name" value=(user.as_deref().unwrap_or_default());
                button { "Show" }
                span.quiet { (counted(sessions.len() as i64, "session", "sessions")) }
            }
        }
        @if sessions.is_empty() {
            p.note { "This user is not signed in. Names are compared exactly. " a href="/console/sessions/" { "Show everybody" } }
        } @else {
            (table(&visitor, &sessions, user.as_deref()))
        }
        @if others > 0 && (user.is_some() || !operates) {
            form.filters method="post" action="/console/sessions/end/" {
                (token(&visitor))
                input type="hidden" name="all" value="yes";
                @if let Some(user) = &user { input type="hidden" name="listed" value=(user); }
                button.grave { "End " (counted(others as i64, "session", "sessions")) }
                span.quiet { "All of these but this one." }
            }
        }
        @if sessions.len() as i64 == SHOWN { p.quiet { "Only the " (SHOWN) " that were used last are shown. Search for a user to see theirs." } }
    };
    Ok(layout::page(&visitor, Section::Sessions, "Sessions", &content))
}

/// The sessions; `user` is whose they are, if only those are listed.
fn table(visitor: &Visitor, sessions: &[ConsoleSession], user: Option<&str>) -> Markup {
    html! {
        section.card.wide tabindex="0" aria-label="Sessions" {
            table {
                thead { tr {
                    th { "User" } th { "Browser" } th { "Signed in" } th { "Last used" } th { span.hidden { "End" } }
                } }
                tbody {
                    @for session in sessions {
                        tr {
                            td { (session.username) }
                            td.long { (session.user_agent) }
                            td { (moment(session.created)) }
                            td { (moment(session.last_used)) }
                            td {
                                @if session.uuid == visitor.session.uuid {
                                    span.chip { "This one" }
                                } @else {
                                    form method="post" action="/console/sessions/end/" {
                                        (token(visitor))
                                        input type="hidden" name="session" value=(session.uuid);
                                        @if let Some(user) = user { input type="hidden" name="listed" value=(user); }
                                        button.grave aria-label={ "End the session of " (session.username) ", last used " (session.last_used.format("%b %-d, %H:%M")) " UTC" } { "End" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `POST /console/sessions/end/`: ends a session of the visitor, or of somebody else, or all that are listed but this
/// one. What happens to somebody else is recorded. A session that has ended meanwhile is what was asked for.
pub(crate) async fn end(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    let (own, operates) = (visitor.session.username.clone(), visitor.rights.may(Action::Operate));
    let ended = match fields.has("all") {
        true => {
            let user = fields.text("listed").filter(|_| operates).unwrap_or_else(|| own.clone());
            let this = visitor.session.uuid;
            visitor
                .write(move |console| {
                    let record = (user != own).then(|| record(console, own, user.clone()));
                    console.store.end_other_sessions(&user, this, record.as_ref())
                })
                .await?
        }
        false => {
            let session = fields.text("session").and_then(|text| Uuid::parse_str(&text).ok());
            let session = session.ok_or(PageError::NotFound)?;
            let ended = visitor.write(move |console| {
                let found = console.store.named_session(session)?;
                match found.map(|session| session.username) {
                    Some(user) if user == own => console.store.end_session_of(session, &own),
                    Some(user) if operates => console.store.end_session_of_other(session, &record(console, own, user)),
                    _ => Ok(false),
                }
            });
            usize::from(ended.await?)
        }
    };
    match fields.text("user") {
        Some(user) => Ok(redirect(&user_address(&user))),
        None => {
            let listed = fields.text("listed").map(|user| ("user", user));
            let query = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(listed)
                .append_pair("ended", &ended.to_string())
                .finish();
            Ok(redirect(&format!("/console/sessions/?{query}")))
        }
    }
}

/// What is recorded of an operator who ends somebody's session.
fn record(console: &Console, by: String, user: String) -> StaffAction {
    StaffAction {
        id: console.ids.next(),
        at: console.manager.now(),
        by: Some(by),
        reason: None,
        kind: StaffActionKind::SessionEnded,
        subject: None,
        user: Some(user),
        number: 1,
    }
}
