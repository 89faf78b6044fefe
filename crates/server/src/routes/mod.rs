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
pub mod provisioning;
pub mod retire_user;
pub mod revert;
pub mod staff_lookup;
pub mod subscriptions;
pub mod utilization;

use actix_web::web;

use self::endpoint::{Endpoint, Endpoints};
use crate::access::{
    Admin, AdminOrLearner, Caller, HistoryReader, Listing, OfAgreement, OfPlan, Provisioner, ProvisionerOrStaff,
    RetirementWorker, Staff,
};
use crate::{monitor, openapi};

/// Adds every endpoint. Paths end with a slash: requests without it are given one before they get here.
pub fn configure(service: &mut web::ServiceConfig) {
    service
        .configure(monitor::configure)
        .service(web::resource("/csrf/api/v1/token/").route(web::get().to(csrf_token::csrf_token)))
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
        .service(Endpoint::<Listing<AdminOrLearner>>::new("/license-subsidy/").get(license_subsidy::subsidy))
        .service(
            Endpoint::<Listing<Admin>>::new("/bulk-license-enrollment/")
                .get(bulk_enrollment::status)
                .post(bulk_enrollment::request),
        )
        .service(Endpoint::<Listing<Admin>>::new("/bulk-license-enrollment/results/").get(bulk_enrollment::results))
        .service(Endpoint::<Listing<AdminOrLearner>>::new("/customer-agreement/").get(customer_agreements::list))
        .service(
            Endpoint::<OfAgreement<AdminOrLearner>>::new("/customer-agreement/{customer_agreement_uuid}/")
                .get(customer_agreements::retrieve),
        )
        // What people get, and how they are reminded, looked up and forgotten.
        .service(
            Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/licenses/remind/")
                .post(license_reminder::remind),
        )
        .service(
            Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/licenses/remind-all/")
                .post(license_reminder::remind_all),
        )
        .service(
            Endpoint::<OfAgreement<AdminOrLearner>>::new("/customer-agreement/{customer_agreement_uuid}/auto-apply/")
                .post(auto_apply::auto_apply),
        )
        .service(Endpoint::<Staff>::new("/staff_lookup_licenses/").post(staff_lookup::look_up))
        .service(Endpoint::<Staff>::new("/admin-license-view/").get(admin_license_view::list))
        .service(Endpoint::<RetirementWorker>::new("/retire_user/").post(retire_user::retire))
        // The same under the names of the service's overview.
        .service(Endpoint::<Listing<AdminOrLearner>>::new("/customer-agreements/").get(customer_agreements::list))
        .service(
            Endpoint::<OfAgreement<AdminOrLearner>>::new("/customer-agreements/{customer_agreement_uuid}/")
                .get(customer_agreements::retrieve),
        )
        .service(
            Endpoint::<OfAgreement<AdminOrLearner>>::new("/customer-agreements/{customer_agreement_uuid}/auto-apply/")
                .post(auto_apply::auto_apply),
        )
        .service(Endpoint::<Listing<Admin>>::new("/licenses/").get(licenses_of_many_plans::list))
        .service(Endpoint::<Listing<Admin>>::new("/licenses/assign/").post(licenses_of_many_plans::assign))
        .service(Endpoint::<Listing<Admin>>::new("/licenses/revoke/").post(licenses_of_many_plans::revoke))
        .service(Endpoint::<Listing<Admin>>::new("/licenses/{license_uuid}/").get(licenses_of_many_plans::retrieve))
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
        .service(Endpoint::<HistoryReader>::new("/licenses/{license_uuid}/history/").get(history::of_license))
        .service(Endpoint::<HistoryReader>::new("/subscriptions/{subscription_uuid}/history/").get(history::of_plan))
        .service(
            Endpoint::<HistoryReader>::new("/customer-agreement/{customer_agreement_uuid}/history/")
                .get(history::of_agreement),
        )
        .service(
            Endpoint::<HistoryReader>::new("/customer-agreements/{customer_agreement_uuid}/history/")
                .get(history::of_agreement),
        )
        .service(
            Endpoint::<OfPlan<Admin>>::new("/subscriptions/{subscription_uuid}/utilization/")
                .get(utilization::utilization),
        )
        .service(Endpoint::<ProvisionerOrStaff>::new("/subscriptions/{subscription_uuid}/revert/").post(revert::revert))
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/licenses/{license_uuid}/")
                .get(provisioning::licenses::retrieve)
                .patch(provisioning::licenses::update),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/products/")
                .get(provisioning::products::list)
                .post(provisioning::products::create),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/products/{product_id}/")
                .get(provisioning::products::retrieve)
                .patch(provisioning::products::update),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/products/{product_id}/history/")
                .get(provisioning::products::product_history),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/plan-types/")
                .get(provisioning::products::list_plan_types)
                .post(provisioning::products::create_plan_type),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/plan-types/{plan_type_id}/")
                .get(provisioning::products::retrieve_plan_type)
                .patch(provisioning::products::update_plan_type),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/role-assignments/")
                .get(provisioning::role_assignments::list)
                .post(provisioning::role_assignments::create),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/role-assignments/{role_assignment_id}/")
                .delete(provisioning::role_assignments::delete),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/notifications/")
                .get(provisioning::records::notifications),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/license-events/")
                .get(provisioning::records::license_events),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/scheduled-operations/")
                .get(provisioning::scheduled_operations::list),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/subscriptions/{subscription_uuid}/freeze/")
                .post(provisioning::plan_upkeep::freeze),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/subscriptions/{subscription_uuid}/provision/")
                .post(provisioning::plan_upkeep::provision),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new(
                "/provisioning-admins/subscriptions/{subscription_uuid}/delete-revoked/",
            )
            .post(provisioning::plan_upkeep::delete_revoked),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new(
                "/provisioning-admins/customer-agreement/{customer_agreement_uuid}/settings/",
            )
            .get(provisioning::agreement_settings::retrieve)
            .patch(provisioning::agreement_settings::update),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new(
                "/provisioning-admins/customer-agreement/{customer_agreement_uuid}/sync/",
            )
            .post(provisioning::agreement_settings::sync),
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
            Endpoint::<ProvisionerOrStaff>::new(
                "/provisioning-admins/subscription-plan-renewals/{renewal_id}/history/",
            )
            .get(provisioning::renewals::renewal_history),
        )
        .service(
            Endpoint::<Provisioner>::new("/provisioning-admins/subscription-plan-renewals/{renewal_id}/process/")
                .post(provisioning::renewals::process),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/license-transfer-jobs/")
                .get(provisioning::transfers::list)
                .post(provisioning::transfers::create),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/license-transfer-jobs/{job_id}/")
                .get(provisioning::transfers::retrieve),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/license-transfer-jobs/{job_id}/process/")
                .post(provisioning::transfers::process),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/webhooks/")
                .get(provisioning::webhooks::list)
                .post(provisioning::webhooks::create),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/webhooks/{webhook_uuid}/")
                .get(provisioning::webhooks::retrieve)
                .patch(provisioning::webhooks::update)
                .delete(provisioning::webhooks::delete),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/webhooks/{webhook_uuid}/deliveries/")
                .get(provisioning::webhook_deliveries::list),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new(
                "/provisioning-admins/webhooks/{webhook_uuid}/deliveries/{delivery_uuid}/replay/",
            )
            .post(provisioning::webhook_deliveries::replay),
        )
        .service(
            Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/webhooks/{webhook_uuid}/replay/")
                .post(provisioning::webhook_deliveries::replay_many),
        )
}
