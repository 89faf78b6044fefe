//! The pages, one file for each subject.

pub(crate) mod add_license;
pub(crate) mod agreement_edit;
pub(crate) mod assign;
pub(crate) mod chart;
pub(crate) mod csv;
pub(crate) mod customers;
pub(crate) mod history;
pub(crate) mod home;
pub(crate) mod license;
pub(crate) mod license_edit;
pub(crate) mod lists;
pub(crate) mod person;
pub(crate) mod plan;
pub(crate) mod plan_edit;
pub(crate) mod plans;
pub(crate) mod search;
pub(crate) mod seats;
pub(crate) mod sessions;
pub(crate) mod sign_in;

use actix_web::web;

/// Adds the pages below `/console`.
pub(crate) fn configure(service: &mut web::ServiceConfig) {
    service
        .route("/", web::get().to(home::home))
        .route("/sign-in/", web::get().to(sign_in::page))
        .route("/sign-in/", web::post().to(sign_in::begin))
        .route("/sign-in/demo/", web::post().to(sign_in::demo))
        .route("/sign-in/callback/", web::get().to(sign_in::callback))
        .route("/sign-out/", web::post().to(sign_in::sign_out))
        .route("/sessions/", web::get().to(sessions::list))
        .route("/sessions/end/", web::post().to(sessions::end))
        .route("/search/", web::get().to(search::search))
        .route("/people/", web::get().to(person::person))
        .route("/licenses/{license}/", web::get().to(license::license))
        .route("/licenses/{license}/edit/", web::get().to(license_edit::form))
        .route("/licenses/{license}/edit/", web::post().to(license_edit::save))
        .route("/customers/", web::get().to(customers::list))
        .route("/customers/{agreement}/", web::get().to(customers::agreement))
        .route("/customers/{agreement}/edit/", web::get().to(agreement_edit::form))
        .route("/customers/{agreement}/edit/", web::post().to(agreement_edit::save))
        .route("/plans/", web::get().to(plans::list))
        .route("/plans/{plan}/", web::get().to(plan::licenses))
        .route("/plans/{plan}/assign/", web::get().to(assign::form))
        .route("/plans/{plan}/assign/", web::post().to(assign::assign))
        .route("/plans/{plan}/act/", web::post().to(seats::act))
        .route("/plans/{plan}/edit/", web::get().to(plan_edit::form))
        .route("/plans/{plan}/edit/", web::post().to(plan_edit::save))
        .route("/plans/{plan}/add/", web::get().to(add_license::form))
        .route("/plans/{plan}/add/", web::post().to(add_license::add))
        .route("/plans/{plan}/csv/", web::get().to(csv::csv))
        .route("/plans/{plan}/utilization/", web::get().to(plan::utilization))
        .route("/plans/{plan}/history/", web::get().to(plan::history));
}
