//! The endpoints: which path leads to which handler. A handler's file tells what it does and what it can answer.

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

use self::endpoint::{Endpoint, Endpoints};
use crate::auth::permissions::{
    Admin, AdminOrLearner, Caller, HistoryReader, Listing, OfAgreement, OfPlan, ProvisionerOrStaff, RetirementWorker,
    Staff,
};
use crate::{openapi, support_page};

/// Adds every endpoint. Paths end with a slash: requests without it are given one before they get here.
pub fn configure(service: &mut web::ServiceConfig) {
    service
        .configure(monitoring::configure)
        .service(web::resource("/csrf/api/v1/token/").route(web::get().to(csrf_token::csrf_token)))
        .service(web::resource("/api/schema/").route(web::get().to(openapi::document)))
        .service(web::resource("/api-docs/").route(web::get().to(openapi::page::index)))
        .service(web::resource("/api-docs/{file}/").route(web::get().to(openapi::page::file)))
        .configure(support_page::configure)
        .service(endpoints());
}

/// The endpoints of the API proper.
pub fn endpoints() -> Endpoints {
    let api = Endpoints::below("/api/v1");
    let api = people(licenses_across_plans(agreements(learners(plans(api)))));
    provisioning::endpoints(api)
}

/// Plans and their licenses.
fn plans(api: Endpoints) -> Endpoints {
    api.service(Endpoint::<Listing<Admin>>::new("/subscriptions/").get(subscriptions::list))
        .service(Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/").get(subscriptions::retrieve))
        .service(Endpoint::<Listing<Admin>>::new("/subscriptions/{subscription_uuid}/licenses/").get(licenses::list))
        .service(
            Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/licenses/overview/")
                .get(licenses::overview),
        )
        .service(Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/licenses/csv/").get(licenses::csv))
        .service(
            Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/licenses/assign/")
                .post(license_assignment::assign),
        )
        .service(
            Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/licenses/bulk-revoke/")
                .post(license_revocation::revoke),
        )
        .service(
            Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/licenses/revoke-all/")
                .post(license_revocation::revoke_all),
        )
        .service(
            Endpoint::<Listing<AdminOrLearner>>::new("/subscriptions/{subscription_uuid}/license/").get(licenses::own),
        )
        .service(
            Endpoint::<Listing<AdminOrLearner>>::new("/learner-subscriptions/").get(subscriptions::list_for_learner),
        )
        .service(
            Endpoint::<OfPlan<AdminOrLearner>>::new("/learner-subscriptions/{subscription_uuid}/")
                .get(subscriptions::retrieve_for_learner),
        )
        .service(
            Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/licenses/remind/")
                .post(license_reminder::remind),
        )
        .service(
            Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/licenses/remind-all/")
                .post(license_reminder::remind_all),
        )
        .service(
            Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/licenses/{license_uuid}/")
                .get(licenses::retrieve),
        )
        .service(Endpoint::<HistoryReader>::new("/subscriptions/{subscription_uuid}/history/").get(history::of_plan))
        .service(
            Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/utilization/")
                .get(utilization::utilization),
        )
        .service(Endpoint::<ProvisionerOrStaff>::new("/subscriptions/{subscription_uuid}/revert/").post(revert::revert))
}

/// What learners have and do, and enrollments.
fn learners(api: Endpoints) -> Endpoints {
    api.service(Endpoint::<Listing<AdminOrLearner>>::new("/learner-licenses/").get(learner_licenses::list))
        .service(Endpoint::<Caller>::new("/license-activation/").post(license_activation::activate))
        .service(Endpoint::<Listing<AdminOrLearner>>::new("/license-subsidy/").get(license_subsidy::subsidy))
        .service(
            Endpoint::<Listing<Admin>>::new("/bulk-license-enrollment/")
                .get(bulk_enrollment::status)
                .post(bulk_enrollment::request),
        )
        .service(Endpoint::<Listing<Admin>>::new("/bulk-license-enrollment/results/").get(bulk_enrollment::results))
}

/// Agreements, under the name clients use and that of the service's overview.
fn agreements(api: Endpoints) -> Endpoints {
    api.service(Endpoint::<Listing<AdminOrLearner>>::new("/customer-agreement/").get(customer_agreements::list))
        .service(
            Endpoint::<OfAgreement<AdminOrLearner>>::new("/customer-agreement/{customer_agreement_uuid}/")
                .get(customer_agreements::retrieve),
        )
        .service(
            Endpoint::<OfAgreement<AdminOrLearner>>::new("/customer-agreement/{customer_agreement_uuid}/auto-apply/")
                .post(auto_apply::auto_apply),
        )
        .service(Endpoint::<Listing<AdminOrLearner>>::new("/customer-agreements/").get(customer_agreements::list))
        .service(
            Endpoint::<OfAgreement<AdminOrLearner>>::new("/customer-agreements/{customer_agreement_uuid}/")
                .get(customer_agreements::retrieve),
        )
        .service(
            Endpoint::<OfAgreement<AdminOrLearner>>::new("/customer-agreements/{customer_agreement_uuid}/auto-apply/")
                .post(auto_apply::auto_apply),
        )
        .service(
            Endpoint::<HistoryReader>::new("/customer-agreement/{customer_agreement_uuid}/history/")
                .get(history::of_agreement),
        )
        .service(
            Endpoint::<HistoryReader>::new("/customer-agreements/{customer_agreement_uuid}/history/")
                .get(history::of_agreement),
        )
}

/// Licenses across plans.
fn licenses_across_plans(api: Endpoints) -> Endpoints {
    api.service(Endpoint::<Listing<Admin>>::new("/licenses/").get(licenses_of_many_plans::list))
        .service(Endpoint::<Listing<Admin>>::new("/licenses/assign/").post(licenses_of_many_plans::assign))
        .service(Endpoint::<Listing<Admin>>::new("/licenses/revoke/").post(licenses_of_many_plans::revoke))
        .service(Endpoint::<Listing<Admin>>::new("/licenses/{license_uuid}/").get(licenses_of_many_plans::retrieve))
        .service(Endpoint::<HistoryReader>::new("/licenses/{license_uuid}/history/").get(history::of_license))
}

/// People who are looked up and forgotten.
fn people(api: Endpoints) -> Endpoints {
    api.service(Endpoint::<Staff>::new("/staff_lookup_licenses/").post(staff_lookup::look_up))
        .service(Endpoint::<Staff>::new("/admin-license-view/").get(admin_license_view::list))
        .service(Endpoint::<RetirementWorker>::new("/retire_user/").post(retire_user::retire))
}
