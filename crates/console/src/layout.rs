//! The frame around every page.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use license_manager_domain::permissions::{Action, Rights};
use maud::{DOCTYPE, Markup, html};

use crate::assets;
use crate::form::FORM_TOKEN;
use crate::session::Visitor;

/// Nothing is loaded from another host, nothing inline runs, and no other page may frame these.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The part of the console that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Home,
    Customers,
    Plans,
    Renewals,
    Transfers,
    Operations,
    Records,
    Sessions,
    None,
}

impl Section {
    /// Whether somebody with these rights may see it.
    fn is_for(self, rights: &Rights) -> bool {
        match self {
            Self::Renewals | Self::Transfers | Self::Records => rights.may(Action::Browse),
            Self::Operations => rights.may(Action::Operate),
            _ => rights.scope(Action::Browse).is_some(),
        }
    }
}

/// The menu: the section, its address, and its name.
const MENU: [(Section, &str, &str); 8] = [
    (Section::Home, "/console/", "Home"),
    (Section::Customers, "/console/customers/", "Customers"),
    (Section::Plans, "/console/plans/", "Plans"),
    (Section::Renewals, "/console/renewals/", "Renewals"),
    (Section::Transfers, "/console/transfers/", "Transfers"),
    (Section::Records, "/console/records/", "Records"),
    (Section::Operations, "/console/operations/", "Operations"),
    (Section::Sessions, "/console/sessions/", "Sessions"),
];

/// A page for somebody who is signed in.
pub(crate) fn page(visitor: &Visitor, section: Section, title: &str, content: &Markup) -> HttpResponse {
    page_with(visitor, section, title, "", content)
}

/// The same, with the text that was searched for.
pub(crate) fn page_with(
    visitor: &Visitor,
    section: Section,
    title: &str,
    searched: &str,
    content: &Markup,
) -> HttpResponse {
    let body = html! {
        a.skip href="#main" { "Skip to the content" }
        div.frame {
            header.top {
                a.brand href="/console/" { "License manager" }
                form.search role="search" action="/console/search/" {
                    input #search type="search" name="q" value=(searched) maxlength="254" autocomplete="off"
                        aria-label="Search everything" placeholder="Search an email, a plan, a customer, an id";
                    kbd aria-hidden="true" { "/" }
                }
                div.who {
                    span { (visitor.session.username) " · " (visitor.title()) }
                    form method="post" action="/console/sign-out/" {
                        (token(visitor))
                        button.link { "Sign out" }
                    }
                }
            }
            nav.main aria-label="Main" {
                @for (entry, address, name) in MENU {
                    @if entry.is_for(&visitor.rights) {
                        a href=(address) aria-current=[(entry == section).then_some("page")] { (name) }
                    }
                }
            }
            main #main tabindex="-1" { (content) }
        }
    };
    document(StatusCode::OK, title, &body)
}

/// A page without the frame.
pub(crate) fn alone(status: StatusCode, title: &str, content: &Markup) -> HttpResponse {
    document(status, title, &html! { main.alone { div.card { (content) } } })
}

/// A page that leads the browser on by itself.
pub(crate) fn leading_to(address: &str, content: &Markup) -> HttpResponse {
    let body = html! { main.alone { div.card { (content) } } };
    respond(
        StatusCode::OK,
        &document_with("Sign in", &html! { meta http-equiv="refresh" content=(format!("0; url={address}")); }, &body),
    )
}

fn document(status: StatusCode, title: &str, body: &Markup) -> HttpResponse {
    respond(status, &document_with(title, &html! {}, body))
}

fn document_with(title: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – License manager" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href=(assets::stylesheet());
                script src=(assets::script()) defer {}
                (head)
            }
            body { (body) }
        }
    }
}

fn respond(status: StatusCode, document: &Markup) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "same-origin"))
        .body(document.0.clone())
}

/// The hidden field that shows that a form is of this session.
pub(crate) fn token(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name=(FORM_TOKEN) value=(visitor.id.form_token()); }
}

/// Why nothing was done, if something was refused.
pub(crate) fn refusal(why: Option<&str>) -> Markup {
    html! { @if let Some(why) = why { p.note.bad role="alert" { (why) } } }
}

/// Where a page is: links to what is above it.
pub(crate) fn crumbs(above: &[(String, String)]) -> Markup {
    html! {
        nav.crumbs aria-label="Above" {
            @for (index, (address, name)) in above.iter().enumerate() {
                @if index > 0 { " / " }
                a href=(address) { (name) }
            }
        }
    }
}
