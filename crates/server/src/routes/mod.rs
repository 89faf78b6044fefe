//! The endpoints: which path leads to which handler. A handler's file tells what it does and what it can answer.

pub mod customer_agreements;
pub mod endpoint;
pub mod health;
pub mod learner_licenses;
pub mod license_activation;
pub mod license_assignment;
pub mod license_revocation;
pub mod licenses;
pub mod provisioning;
pub mod subscriptions;

use actix_web::web;

use self::endpoint::{Endpoint, Endpoints};
use crate::access::{Admin, AdminOrLearner, Caller, Listing, OfAgreement, OfPlan, Provisioner};
use crate::openapi;

/// Adds every endpoint. Paths end with a slash: requests without it are given one before they get here.
pub fn configure(service: &mut web::ServiceConfig) {
    service
        .service(web::resource("/health/").route(web::get().to(health::health)))
        .service(web::resource("/api/schema/").route(web::get().to(openapi::document)))
        .service(web::resource("/api-docs/").route(web::get().to(openapi::page::index)))
        .service(web::resource("/api-docs/{file}/").route(web::get().to(openapi::page::file)))
        .service(endpoints());
}

/// The endpoints of the API proper.
pub fn endpoints() -> Endpoints {
    Endpoints::below("/api/v1")
        .service(Endpoint::<Listing<Admin>>::new("/subscriptions/").get(subscriptions::list))
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
        .service(Endpoint::<Listing<AdminOrLearner>>::new("/learner-licenses/").get(learner_licenses::list))
        .service(Endpoint::<Caller>::new("/license-activation/").post(license_activation::activate))
        .service(Endpoint::<Listing<AdminOrLearner>>::new("/customer-agreement/").get(customer_agreements::list))
        .service(
            Endpoint::<OfAgreement<AdminOrLearner>>::new("/customer-agreement/{customer_agreement_uuid}/")
                .get(customer_agreements::retrieve),
        )
        .service(
            Endpoint::<Provisioner>::new("/provisioning-admins/customer-agreement/")
                .get(provisioning::agreements::list)
                .post(provisioning::agreements::create),
        )
        .service(
            Endpoint::<Provisioner>::new("/provisioning-admins/customer-agreement/{customer_agreement_uuid}/")
                .get(provisioning::agreements::retrieve)
                .patch(provisioning::agreements::update),
        )
        .service(
            Endpoint::<Provisioner>::new("/provisioning-admins/subscriptions/")
                .get(provisioning::plans::list)
                .post(provisioning::plans::create),
        )
        .service(
            Endpoint::<Provisioner>::new("/provisioning-admins/subscriptions/{subscription_uuid}/")
                .get(provisioning::plans::retrieve)
                .patch(provisioning::plans::update),
        )
}
