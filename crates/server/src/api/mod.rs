//! The endpoints, one file for each group. The attributes of a handler name its path and its responses.

pub mod admin_license_view;
pub mod auto_apply;
pub mod bulk_enrollment;
pub mod csrf_token;
pub mod customer_agreements;
pub mod endpoint;
pub mod health;
pub mod history;
pub mod learner_licenses;
pub mod license_activation;
pub mod license_assignment;
mod license_cursor;
pub mod license_reminder;
pub mod license_revocation;
pub mod license_selection;
pub mod license_subsidy;
pub mod licenses;
pub mod licenses_of_many_plans;
pub mod metrics;
pub mod monitoring;
pub mod provisioning;
pub mod retire_user;
pub mod revert;
pub mod staff_lookup;
pub mod subscriptions;
pub mod utilization;
pub mod views;

use actix_web::web;

use self::endpoint::handlers;
use crate::openapi;

/// Adds every endpoint. Paths end with a slash, which middleware adds to requests without it.
pub fn configure(service: &mut web::ServiceConfig) {
    service
        .configure(monitoring::configure)
        .service(web::resource("/csrf/api/v1/token/").route(web::get().to(csrf_token::csrf_token)))
        .service(web::resource("/api/schema/").route(web::get().to(openapi::document)))
        .service(web::resource("/api-docs/").route(web::get().to(openapi::page::index)))
        .service(web::resource("/api-docs/{file}/").route(web::get().to(openapi::page::file)))
        .service(endpoints());
}

handlers![
    subscriptions::list,
    subscriptions::retrieve,
    licenses::list,
    licenses::overview,
    licenses::csv,
    license_assignment::assign,
    license_revocation::revoke,
    license_revocation::revoke_all,
    licenses::own,
    licenses::own_license,
    subscriptions::list_for_learner,
    subscriptions::retrieve_for_learner,
    license_reminder::remind,
    license_reminder::remind_all,
    licenses::retrieve,
    history::of_plan,
    utilization::utilization,
    revert::revert,
    learner_licenses::list,
    license_activation::activate,
    license_subsidy::subsidy,
    bulk_enrollment::status,
    bulk_enrollment::request,
    bulk_enrollment::results,
    customer_agreements::list,
    customer_agreements::retrieve,
    auto_apply::auto_apply,
    history::of_agreement,
    licenses_of_many_plans::list,
    licenses_of_many_plans::assign,
    licenses_of_many_plans::revoke,
    licenses_of_many_plans::retrieve,
    history::of_license,
    staff_lookup::look_up,
    admin_license_view::list,
    retire_user::retire,
    provisioning::agreements::list,
    provisioning::agreements::create,
    provisioning::agreements::retrieve,
    provisioning::agreements::update,
    provisioning::agreements::delete,
    provisioning::plans::list,
    provisioning::plans::create,
    provisioning::plans::retrieve,
    provisioning::plans::update,
    provisioning::plans::delete,
    provisioning::licenses::create,
    provisioning::licenses::retrieve,
    provisioning::licenses::update,
    provisioning::plan_upkeep::freeze,
    provisioning::plan_upkeep::provision,
    provisioning::plan_upkeep::delete_revoked,
    provisioning::agreement_settings::retrieve,
    provisioning::agreement_settings::update,
    provisioning::agreement_settings::sync,
    provisioning::products::list,
    provisioning::products::create,
    provisioning::products::retrieve,
    provisioning::products::update,
    provisioning::products::product_history,
    provisioning::products::list_plan_types,
    provisioning::products::create_plan_type,
    provisioning::products::retrieve_plan_type,
    provisioning::products::update_plan_type,
    provisioning::renewals::list,
    provisioning::renewals::create,
    provisioning::renewals::retrieve,
    provisioning::renewals::update,
    provisioning::renewals::delete,
    provisioning::renewals::renewal_history,
    provisioning::renewals::process,
    provisioning::transfers::list,
    provisioning::transfers::create,
    provisioning::transfers::retrieve,
    provisioning::transfers::update,
    provisioning::transfers::delete,
    provisioning::transfers::transfer_job_history,
    provisioning::transfers::process,
    provisioning::role_assignments::list,
    provisioning::role_assignments::create,
    provisioning::role_assignments::delete,
    provisioning::records::notifications,
    provisioning::records::delete_notifications,
    provisioning::records::delete_notification,
    provisioning::records::notification_history,
    provisioning::records::license_events,
    provisioning::records::delete_license_events,
    provisioning::records::delete_license_event,
    provisioning::records::license_event_history,
    provisioning::scheduled_operations::list,
    provisioning::webhooks::list,
    provisioning::webhooks::create,
    provisioning::webhooks::retrieve,
    provisioning::webhooks::update,
    provisioning::webhooks::delete,
    provisioning::webhooks::ping,
    provisioning::webhook_deliveries::list,
    provisioning::webhook_deliveries::replay,
    provisioning::webhook_deliveries::replay_many,
];
