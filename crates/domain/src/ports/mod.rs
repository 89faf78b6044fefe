//! What the domain needs from outside, as traits: storage, the time, new ids,
//! neighbouring services.
//!
//! A port's documentation states what every adapter MUST do; the storage ports' obligations are held by the contract suite
//! in `crates/adapters/tests/contract`, which every storage adapter passes.

mod clock;
mod enrollment_jobs;
mod ids;
mod licenses;
mod neighbours;
mod repositories;
mod store;

pub use clock::{Clock, FixedClock};
pub use enrollment_jobs::EnrollmentJobRepository;
pub use ids::{IdSource, SequentialIds};
pub use licenses::{LicenseField, LicenseFilter, LicenseOrder, LicenseRepository, Person};
pub use neighbours::{ContentCatalog, EnterpriseCustomer, EnterpriseDirectory, NotConfigured};
pub use repositories::{
    AgreementFilter, AgreementRepository, CustomerScope, JobRepository, OutboxRepository, PlanFilter, PlanRepository,
    ProductRepository, RenewalRepository, RoleAssignment, User, UserRepository, Window,
};
pub use store::{Store, StoreExt, UnitOfWork, Work};
