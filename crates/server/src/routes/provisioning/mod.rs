//! What provisioning admins do, below `/api/v1/provisioning-admins/`.

pub mod agreement_settings;
pub mod agreements;
pub mod plan_upkeep;
pub mod plans;
