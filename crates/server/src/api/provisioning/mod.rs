//! The endpoints for provisioning admins and support staff, below `/api/v1/provisioning-admins/`.

pub mod agreement_settings;
pub mod agreements;
mod catalogs;
pub mod deletion;
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
