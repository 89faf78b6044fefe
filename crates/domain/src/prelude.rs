//! What most programs need: `use license_manager_domain::prelude::*;`
//!
//! None of the names is one of a database or JSON library (`Error`, `Value`, `Row`, `Connection`, …), so a glob import
//! beside theirs is not ambiguous. [`crate::Error`] is imported by its name.

pub use crate::history::Actor;
pub use crate::model::{
    ActivationKey, AgreementId, CatalogId, ChangeReason, CustomerAgreement, CustomerId, Edit, Email, License,
    LicenseCounts, LicenseId, LicenseStatus, LmsUserId, PlanDetails, PlanId, SubscriptionPlan,
};
pub use crate::outbox::{AssignmentMail, ReminderMail};
pub use crate::ports::{
    Blocking, Clock, IdSource, LicenseFilter, LimitOffset, Person, RandomIds, Store, StoreExt, SystemClock, UnitOfWork,
};
pub use crate::use_cases::{
    AgreementChanges, Assignees, Assignments, LicenseManager, LicenseSelection, NewAgreement, NewPlan, PlanChanges,
    Revocations, Settings,
};
