//! Converts errors of diesel and SQLite to domain errors.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use license_manager_domain::{Conflict, Error};

/// The domain error for the error of a statement. SQLite's messages name tables and columns, never values.
pub(super) fn storage_error(error: DieselError) -> Error {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, information) => {
            conflict(information.message()).map_or_else(|| Error::internal(information.message()), Error::Conflict)
        }
        DieselError::DatabaseError(_, information) if is_temporary(information.message()) => {
            unavailable(information.message())
        }
        other => Error::internal(other),
    }
}

/// The database cannot be used now. Logs the cause, which the caller does not get.
pub(super) fn unavailable(cause: impl std::fmt::Display) -> Error {
    tracing::error!(%cause, "the SQLite database is not available");
    Error::Unavailable
}

/// The rule of a unique index. SQLite's message names the columns of the index, not the index.
fn conflict(message: &str) -> Option<Conflict> {
    match message.strip_prefix("UNIQUE constraint failed: ")? {
        "customer_agreement.enterprise_customer_uuid" => Some(Conflict::AgreementOfCustomer),
        "customer_agreement.enterprise_customer_slug" => Some(Conflict::AgreementSlug),
        "subscription_plan.customer_agreement_uuid, subscription_plan.title" => Some(Conflict::PlanTitle),
        "product.netsuite_id" => Some(Conflict::ProductNetsuiteId),
        "license.subscription_plan_uuid, license.user_email" => Some(Conflict::LiveLicense(Vec::new())),
        "subscription_plan_renewal.prior_subscription_plan_uuid" => Some(Conflict::RenewalOfPlan),
        "subscription_plan_renewal.renewed_subscription_plan_uuid" => Some(Conflict::RenewalByPlan),
        _ => None,
    }
}

/// Whether the error is SQLITE_BUSY, _LOCKED, _CANTOPEN, _IOERR or _FULL: another process holds the file too long, or
/// the disk fails or is full. Diesel gives the message only.
fn is_temporary(message: &str) -> bool {
    [
        "database is locked",
        "database table is locked",
        "unable to open database file",
        "disk I/O error",
        "database or disk is full",
    ]
    .contains(&message)
}
