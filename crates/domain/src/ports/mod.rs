//! What the domain needs from outside, as traits: storage, the time, new ids.
//!
//! A port's documentation states what every adapter MUST do; the storage ports' obligations are held by the contract suite
//! in `crates/adapters/tests/contract`, which every storage adapter passes.

mod clock;
mod ids;
mod licenses;
mod renewals;
mod repositories;
mod store;
mod transfers;

pub use clock::{Clock, FixedClock};
pub use ids::{IdSource, SequentialIds};
pub use licenses::{LicenseField, LicenseFilter, LicenseOrder, LicenseRepository, Person};
pub use renewals::{RenewalFilter, RenewalRepository};
pub use repositories::{
    AgreementFilter, AgreementRepository, CustomerScope, JobRepository, OutboxRepository, PlanFilter, PlanRepository,
    ProductRepository, RoleAssignment, User, UserRepository, Window,
};
pub use store::{Store, StoreExt, UnitOfWork, Work};
pub use transfers::{TransferFilter, TransferRepository};
