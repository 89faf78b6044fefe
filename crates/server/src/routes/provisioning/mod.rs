//! What provisioning admins do, below `/api/v1/provisioning-admins/`.

pub mod agreements;
pub mod plans;
pub mod renewals;
pub mod transfers;
