//! The pages, one file for each subject.

pub(crate) mod add_license;
pub(crate) mod agreement_edit;
pub(crate) mod agreement_terms;
pub(crate) mod assign;
pub(crate) mod back_channel;
pub(crate) mod chart;
pub(crate) mod confirm;
pub(crate) mod csv;
pub(crate) mod customer_sync;
pub(crate) mod customers;
pub(crate) mod deletion;
pub(crate) mod history;
pub(crate) mod home;
pub(crate) mod license;
pub(crate) mod license_edit;
pub(crate) mod lists;
pub(crate) mod operations;
pub(crate) mod paging;
pub(crate) mod person;
pub(crate) mod plan;
pub(crate) mod plan_actions;
pub(crate) mod plan_as_of;
pub(crate) mod plan_edit;
pub(crate) mod plan_form;
pub(crate) mod plan_new;
pub(crate) mod plans;
pub(crate) mod records;
pub(crate) mod renewals;
pub(crate) mod restore;
pub(crate) mod retire;
pub(crate) mod revert;
pub(crate) mod search;
pub(crate) mod seats;
pub(crate) mod sessions;
pub(crate) mod sign_in;
pub(crate) mod transfers;

use actix_web::{HttpResponse, Scope, web};

use crate::error::PageError;

/// Adds the pages below `/console`.
pub(crate) fn configure(service: &mut web::ServiceConfig) {
    service
        .route("/", web::get().to(home::home))
        .route("/sign-in/", web::get().to(sign_in::page))
        .route("/sign-in/", web::post().to(sign_in::begin))
        .route("/sign-in/demo/", web::post().to(sign_in::demo))
        .route("/sign-in/callback/", web::get().to(sign_in::callback))
        .route("/back-channel-logout/", web::post().to(back_channel::log_out))
        .route("/sign-out/", web::post().to(sign_in::sign_out))
        .route("/sessions/", web::get().to(sessions::list))
        .route("/sessions/end/", web::post().to(sessions::end))
        .route("/search/", web::get().to(search::search))
        .route("/people/", web::get().to(person::person))
        .route("/people/retire/", web::get().to(retire::form))
        .route("/people/retire/", web::post().to(retire::retire))
        .route("/licenses/{license}/", web::get().to(license::license))
        .route("/licenses/{license}/edit/", web::get().to(license_edit::form))
        .route("/licenses/{license}/edit/", web::post().to(license_edit::save))
        .route("/customers/", web::get().to(customers::list))
        .route("/customers/new/", web::get().to(agreement_terms::new))
        .route("/customers/new/", web::post().to(agreement_terms::create))
        .route("/customers/act/", web::post().to(customer_sync::act))
        .route("/customers/{agreement}/", web::get().to(customers::agreement))
        .route("/customers/{agreement}/terms/", web::get().to(agreement_terms::form))
        .route("/customers/{agreement}/terms/", web::post().to(agreement_terms::save))
        .route("/customers/{agreement}/restore/", web::get().to(restore::agreement))
        .route("/customers/{agreement}/restore/", web::post().to(restore::restore_agreement))
        .route("/customers/{agreement}/delete/", web::get().to(deletion::agreement))
        .route("/customers/{agreement}/delete/", web::post().to(deletion::delete_agreement))
        .route("/customers/{agreement}/edit/", web::get().to(agreement_edit::form))
        .route("/customers/{agreement}/edit/", web::post().to(agreement_edit::save))
        .route("/plans/", web::get().to(plans::list))
        .route("/plans/new/", web::get().to(plan_new::form))
        .route("/plans/new/", web::post().to(plan_new::create))
        .route("/plans/act/", web::post().to(plan_actions::act))
        .route("/plans/{plan}/", web::get().to(plan::licenses))
        .route("/plans/{plan}/as-of/", web::get().to(plan_as_of::page))
        .route("/plans/{plan}/restore/", web::get().to(restore::plan))
        .route("/plans/{plan}/restore/", web::post().to(restore::restore_plan))
        .route("/plans/{plan}/delete/", web::get().to(deletion::plan))
        .route("/plans/{plan}/delete/", web::post().to(deletion::delete_plan))
        .route("/plans/{plan}/assign/", web::get().to(assign::form))
        .route("/plans/{plan}/assign/", web::post().to(assign::assign))
        .route("/plans/{plan}/act/", web::post().to(seats::act))
        .route("/plans/{plan}/edit/", web::get().to(plan_edit::form))
        .route("/plans/{plan}/edit/", web::post().to(plan_edit::save))
        .route("/plans/{plan}/add/", web::get().to(add_license::form))
        .route("/plans/{plan}/add/", web::post().to(add_license::add))
        .route("/plans/{plan}/revert/", web::get().to(revert::form))
        .route("/plans/{plan}/revert/", web::post().to(revert::revert))
        .route("/plans/{plan}/csv/", web::get().to(csv::csv))
        .route("/plans/{plan}/utilization/", web::get().to(plan::utilization))
        .route("/plans/{plan}/history/", web::get().to(plan::history))
        .route("/jobs/act/", web::post().to(operations::job_actions::act))
        .route("/renewals/", web::get().to(renewals::list::list))
        .route("/renewals/new/", web::get().to(renewals::form::new))
        .route("/renewals/new/", web::post().to(renewals::form::create))
        .route("/renewals/act/", web::post().to(renewals::process::act))
        .route("/renewals/{renewal}/", web::get().to(renewals::show::show))
        .route("/renewals/{renewal}/edit/", web::get().to(renewals::form::edit))
        .route("/renewals/{renewal}/edit/", web::post().to(renewals::form::save))
        .route("/renewals/{renewal}/cancel/", web::get().to(renewals::show::cancel))
        .route("/renewals/{renewal}/cancel/", web::post().to(renewals::show::cancel_it))
        .service(section("/transfers").configure(transfers::configure))
        .service(section("/operations").configure(operations::configure))
        .service(section("/records").configure(records::configure));
}

/// A part of the console. Scopes do not inherit what answers other paths.
fn section(path: &str) -> Scope {
    web::scope(path).default_service(web::to(nothing))
}

/// `GET /`: to the console, for who knows the service by its name alone.
pub(crate) async fn start() -> HttpResponse {
    sign_in::redirect(crate::PATH)
}

/// Paths that are no page.
pub(crate) async fn nothing() -> Result<HttpResponse, PageError> {
    Err(PageError::NotFound)
}
