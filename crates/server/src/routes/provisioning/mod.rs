//! What provisioning admins do, below `/api/v1/provisioning-admins/`.

pub mod agreements;
pub mod licenses;
pub mod plans;
pub mod products;
pub mod records;
pub mod role_assignments;
