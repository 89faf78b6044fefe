//! The use cases, as methods of [`LicenseManager`].
//!
//! [`LicenseManager`] lists them by subject. Each works in one transaction of the [`crate::ports::Store`]: it writes rows, their history and the outbox together
//! or not at all.

pub(crate) mod accounts;
pub(crate) mod activation;
pub(crate) mod agreement_settings;
pub(crate) mod agreements;
pub(crate) mod assignment;
pub(crate) mod auto_apply;
pub(crate) mod catalogs;
pub(crate) mod deletion;
pub(crate) mod enrollment;
pub(crate) mod following;
pub(crate) mod history;
pub(crate) mod idempotency;
pub(crate) mod jobs;
pub(crate) mod learners;
pub(crate) mod license_edit;
pub(crate) mod listing;
pub(crate) mod lookup;
pub(crate) mod manager;
pub(crate) mod page;
pub(crate) mod plan_upkeep;
pub(crate) mod plans;
pub(crate) mod products;
pub(crate) mod reminder;
pub(crate) mod renewal_outlook;
pub(crate) mod renewals;
pub(crate) mod restoration;
pub(crate) mod retirement;
pub(crate) mod revert;
pub(crate) mod revocation;
pub(crate) mod selection;
pub(crate) mod staff_actions;
pub(crate) mod staff_records;
pub(crate) mod subsidy;
pub(crate) mod transfers;
pub(crate) mod utilization;
pub(crate) mod webhooks;

pub use agreement_settings::{AgreementSettings, AgreementSettingsChanges};
pub use agreements::{AgreementChanges, AgreementDetails, AgreementOverview, NewAgreement};
pub use assignment::{Assignees, Assignments};
pub use auto_apply::AutoApplied;
pub use history::HistoricChange;
pub use idempotency::{Begun, Claim};
pub use jobs::JOB_LEASE;
pub use learners::{LearnerLicense, LearnerLicenseFilter, LearnerView};
pub use license_edit::{LicenseEdit, LicenseRecord};
pub use lookup::{PersonalLicense, PersonalLicenses};
pub use manager::{LicenseManager, Settings};
pub use page::Page;
pub use plan_upkeep::PlanUpkeep;
pub use plans::{NewPlan, PlanChanges, PlanOverview};
pub use products::{PlanTypeChanges, ProductChanges};
pub use renewal_outlook::{RenewalOutlook, RenewalPreview};
pub use renewals::{ProcessedRenewal, RenewalChanges, RenewalOutcome, RenewedBy};
pub use restoration::EarlierVersion;
pub use retirement::Retirement;
pub use revert::{LeftAlone, RevertRequest, Reverted};
pub use revocation::{Revocations, Revoked};
pub use selection::LicenseSelection;
pub use transfers::TransferChanges;
pub use webhooks::WebhookChanges;
