//! The sessions of the visitor, and of everybody for operators.

use actix_web::HttpResponse;
use license_manager_domain::console::ConsoleSession;
use license_manager_domain::permissions::Action;
use maud::html;
use uuid::Uuid;

use super::sign_in::redirect;
use crate::dates::moment;
use crate::error::PageError;
use crate::form::Submitted;
use crate::layout::{self, Section, token};
use crate::session::Visitor;

/// The most sessions that are shown.
const SHOWN: i64 = 200;

/// Whose sessions the visitor may see and end; `None` for everybody's.
fn owner(visitor: &Visitor) -> Option<String> {
    (!visitor.rights.may(Action::Operate)).then(|| visitor.session.username.clone())
}

/// `GET /console/sessions/`.
pub(crate) async fn list(visitor: Visitor) -> Result<HttpResponse, PageError> {
    let owner = owner(&visitor);
    let everybody = owner.is_none();
    let sessions: Vec<ConsoleSession> =
        visitor.read(move |console| console.store.sessions(owner.as_deref(), console.manager.now(), SHOWN)).await?;
    let content = html! {
        div.title { h1 { "Sessions" } }
        p.quiet {
            @if everybody { "Everybody who is signed in, last used first." } @else { "Where you are signed in, last used first." }
            " A session ends after 8 hours without use, and after 7 days. Times are UTC."
        }
        section.card.wide tabindex="0" aria-label="Sessions" {
            table {
                thead { tr {
                    th { "User" } th { "Browser" } th { "Signed in" } th { "Last used" } th { span.hidden { "End" } }
                } }
                tbody {
                    @for session in &sessions {
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
                                        (token(&visitor))
                                        input type="hidden" name="session" value=(session.uuid);
                                        button.grave { "End" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(layout::page(&visitor, Section::Sessions, "Sessions", &content))
}

/// `POST /console/sessions/end/`.
pub(crate) async fn end(Submitted { visitor, fields }: Submitted) -> Result<HttpResponse, PageError> {
    let session = fields.text("session").and_then(|text| Uuid::parse_str(&text).ok()).ok_or(PageError::NotFound)?;
    let owner = owner(&visitor);
    // A session that has ended meanwhile is what was asked for.
    visitor.write(move |console| console.store.end_session_of(session, owner.as_deref())).await?;
    Ok(redirect("/console/sessions/"))
}
