//! Records: products, plan types, roles, users, opportunities, notifications and license events.

mod deletion;
pub(crate) mod marks;
pub(crate) mod plan_types;
pub(crate) mod products;
pub(crate) mod roles;
pub(crate) mod sent;
pub(crate) mod sources;
pub(crate) mod users;

use actix_web::web;
use license_manager_domain::permissions::Action;
use maud::{Markup, html};

use crate::error::PageError;
use crate::session::Visitor;

/// The address of these pages.
pub(crate) const PATH: &str = "/console/records/";

/// Adds the pages below `/console/records`.
pub(crate) fn configure(service: &mut web::ServiceConfig) {
    service
        .route("/", web::get().to(products::list))
        .route("/products/new/", web::get().to(products::new))
        .route("/products/new/", web::post().to(products::create))
        .route("/products/{product}/", web::get().to(products::form))
        .route("/products/{product}/", web::post().to(products::save))
        .route("/plan-types/", web::get().to(plan_types::list))
        .route("/plan-types/new/", web::get().to(plan_types::new))
        .route("/plan-types/new/", web::post().to(plan_types::create))
        .route("/plan-types/{plan_type}/", web::get().to(plan_types::form))
        .route("/plan-types/{plan_type}/", web::post().to(plan_types::save))
        .route("/roles/", web::get().to(roles::list))
        .route("/roles/give/", web::post().to(roles::give))
        .route("/roles/take/", web::post().to(roles::take))
        .route("/users/", web::get().to(users::list))
        .route("/users/one/", web::get().to(users::user))
        .route("/opportunities/", web::get().to(sources::list))
        .route("/notifications/", web::get().to(sent::list))
        .route("/notifications/delete/", web::post().to(sent::delete))
        .route("/license-events/", web::get().to(marks::list))
        .route("/license-events/delete/", web::post().to(marks::delete));
}

/// Refuses everybody who does not do manual work.
pub(crate) fn require(visitor: &Visitor) -> Result<(), PageError> {
    visitor.require_everywhere(Action::Support)
}

/// Refuses everybody who does not read all of it.
pub(crate) fn require_reading(visitor: &Visitor) -> Result<(), PageError> {
    visitor.require_everywhere(Action::Browse)
}

/// The title and the tabs of these pages.
pub(crate) fn head(current: &str) -> Markup {
    let tabs = [
        ("", "Products"),
        ("plan-types/", "Plan types"),
        ("roles/", "Roles"),
        ("users/", "Users"),
        ("opportunities/", "Opportunities"),
        ("notifications/", "Notifications"),
        ("license-events/", "License events"),
    ];
    html! {
        div.title { h1 { "Records" } }
        nav.tabs aria-label="Records" {
            @for (tab, name) in tabs {
                a href={ (PATH) (tab) } aria-current=[(tab == current).then_some("page")] { (name) }
            }
        }
    }
}

/// The way to a page below one of the tabs.
pub(crate) fn above(tab: &str, name: &str) -> Vec<(String, String)> {
    vec![(PATH.to_owned(), "Records".to_owned()), (format!("{PATH}{tab}"), name.to_owned())]
}
