//! The endpoints: which path leads to which handler. A handler's file tells what it does and what it can answer.

mod customer_agreements;
mod endpoint;
mod health;
mod learner_licenses;
mod license_activation;
mod license_assignment;
mod license_revocation;
mod licenses;
mod provisioning;
mod subscriptions;

use actix_web::web;

use self::endpoint::Endpoint;
use crate::access::{Admin, AdminOrLearner, Caller, Listing, OfAgreement, OfPlan, Provisioner};

/// Adds every endpoint. Paths end with a slash: requests without it are given one before they get here.
pub fn configure(service: &mut web::ServiceConfig) {
    service.service(web::resource("/health/").route(web::get().to(health::health))).service(
        web::scope("/api/v1")
            .service(Endpoint::<Listing<Admin>>::new("/subscriptions/").get(subscriptions::list))
            .service(
                Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/")
                    .get(subscriptions::retrieve::<Admin>),
            )
            .service(
                Endpoint::<Listing<Admin>>::new("/subscriptions/{subscription_uuid}/licenses/").get(licenses::list),
            )
            .service(
                Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/licenses/overview/")
                    .get(licenses::overview),
            )
            .service(
                Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/licenses/csv/").get(licenses::csv),
            )
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
                Endpoint::<Listing<AdminOrLearner>>::new("/subscriptions/{subscription_uuid}/license/")
                    .get(licenses::own),
            )
            .service(
                Endpoint::<Listing<AdminOrLearner>>::new("/learner-subscriptions/")
                    .get(subscriptions::list_for_learner),
            )
            .service(
                Endpoint::<OfPlan<AdminOrLearner>>::new("/learner-subscriptions/{subscription_uuid}/")
                    .get(subscriptions::retrieve::<AdminOrLearner>),
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
            .service(
                Endpoint::<Provisioner>::new("/provisioning-admins/subscription-plan-renewals/")
                    .get(provisioning::renewals::list)
                    .post(provisioning::renewals::create),
            )
            .service(
                Endpoint::<Provisioner>::new("/provisioning-admins/subscription-plan-renewals/{renewal_id}/")
                    .get(provisioning::renewals::retrieve)
                    .patch(provisioning::renewals::update)
                    .delete(provisioning::renewals::delete),
            )
            .service(
                Endpoint::<Provisioner>::new("/provisioning-admins/subscription-plan-renewals/{renewal_id}/process/")
                    .post(provisioning::renewals::process),
            )
            .service(
                Endpoint::<Provisioner>::new("/provisioning-admins/license-transfer-jobs/")
                    .get(provisioning::transfers::list)
                    .post(provisioning::transfers::create),
            )
            .service(
                Endpoint::<Provisioner>::new("/provisioning-admins/license-transfer-jobs/{job_id}/")
                    .get(provisioning::transfers::retrieve),
            )
            .service(
                Endpoint::<Provisioner>::new("/provisioning-admins/license-transfer-jobs/{job_id}/process/")
                    .post(provisioning::transfers::process),
            ),
    );
}
