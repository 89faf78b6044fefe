//! What provisioning admins do, below `/api/v1/provisioning-admins/`.

pub mod agreement_settings;
pub mod agreements;
pub mod licenses;
pub mod plan_upkeep;
pub mod plans;
pub mod products;
pub mod records;
pub mod renewals;
pub mod role_assignments;
pub mod scheduled_operations;
pub mod transfers;
pub mod webhook_deliveries;
pub mod webhooks;

use super::endpoint::{Endpoint, Endpoints};
use crate::auth::permissions::{Provisioner, ProvisionerOrStaff};

/// Adds what provisioning admins do; most of it support staff may do, too.
pub(super) fn endpoints(api: Endpoints) -> Endpoints {
    webhook_endpoints(staff_records(renewals_and_transfers(what_is_sold(agreements_and_plans(api)))))
}

/// Agreements, plans and their licenses.
fn agreements_and_plans(api: Endpoints) -> Endpoints {
    api.service(
        Endpoint::<Provisioner>::new("/provisioning-admins/customer-agreement/")
            .get(agreements::list)
            .post(agreements::create),
    )
    .service(
        Endpoint::<Provisioner>::new("/provisioning-admins/customer-agreement/{customer_agreement_uuid}/")
            .get(agreements::retrieve)
            .patch(agreements::update),
    )
    .service(Endpoint::<Provisioner>::new("/provisioning-admins/subscriptions/").get(plans::list).post(plans::create))
    .service(
        Endpoint::<Provisioner>::new("/provisioning-admins/subscriptions/{subscription_uuid}/")
            .get(plans::retrieve)
            .patch(plans::update),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/licenses/{license_uuid}/")
            .get(licenses::retrieve)
            .patch(licenses::update),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/subscriptions/{subscription_uuid}/freeze/")
            .post(plan_upkeep::freeze),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/subscriptions/{subscription_uuid}/provision/")
            .post(plan_upkeep::provision),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/subscriptions/{subscription_uuid}/delete-revoked/")
            .post(plan_upkeep::delete_revoked),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new(
            "/provisioning-admins/customer-agreement/{customer_agreement_uuid}/settings/",
        )
        .get(agreement_settings::retrieve)
        .patch(agreement_settings::update),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/customer-agreement/{customer_agreement_uuid}/sync/")
            .post(agreement_settings::sync),
    )
}

/// What is sold.
fn what_is_sold(api: Endpoints) -> Endpoints {
    api.service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/products/")
            .get(products::list)
            .post(products::create),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/products/{product_id}/")
            .get(products::retrieve)
            .patch(products::update),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/products/{product_id}/history/")
            .get(products::product_history),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/plan-types/")
            .get(products::list_plan_types)
            .post(products::create_plan_type),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/plan-types/{plan_type_id}/")
            .get(products::retrieve_plan_type)
            .patch(products::update_plan_type),
    )
}

/// How licenses get into other plans.
fn renewals_and_transfers(api: Endpoints) -> Endpoints {
    api.service(
        Endpoint::<Provisioner>::new("/provisioning-admins/subscription-plan-renewals/")
            .get(renewals::list)
            .post(renewals::create),
    )
    .service(
        Endpoint::<Provisioner>::new("/provisioning-admins/subscription-plan-renewals/{renewal_id}/")
            .get(renewals::retrieve)
            .patch(renewals::update)
            .delete(renewals::delete),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/subscription-plan-renewals/{renewal_id}/history/")
            .get(renewals::renewal_history),
    )
    .service(
        Endpoint::<Provisioner>::new("/provisioning-admins/subscription-plan-renewals/{renewal_id}/process/")
            .post(renewals::process),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/license-transfer-jobs/")
            .get(transfers::list)
            .post(transfers::create),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/license-transfer-jobs/{job_id}/")
            .get(transfers::retrieve),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/license-transfer-jobs/{job_id}/process/")
            .post(transfers::process),
    )
}

/// Who may do what, and what the service did.
fn staff_records(api: Endpoints) -> Endpoints {
    api.service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/role-assignments/")
            .get(role_assignments::list)
            .post(role_assignments::create),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/role-assignments/{role_assignment_id}/")
            .delete(role_assignments::delete),
    )
    .service(Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/notifications/").get(records::notifications))
    .service(Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/license-events/").get(records::license_events))
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/scheduled-operations/")
            .get(scheduled_operations::list),
    )
}

/// Whom the service tells, and what it told them.
fn webhook_endpoints(api: Endpoints) -> Endpoints {
    api.service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/webhooks/")
            .get(webhooks::list)
            .post(webhooks::create),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/webhooks/{webhook_uuid}/")
            .get(webhooks::retrieve)
            .patch(webhooks::update)
            .delete(webhooks::delete),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/webhooks/{webhook_uuid}/deliveries/")
            .get(webhook_deliveries::list),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new(
            "/provisioning-admins/webhooks/{webhook_uuid}/deliveries/{delivery_uuid}/replay/",
        )
        .post(webhook_deliveries::replay),
    )
    .service(
        Endpoint::<ProvisionerOrStaff>::new("/provisioning-admins/webhooks/{webhook_uuid}/replay/")
            .post(webhook_deliveries::replay_many),
    )
}
