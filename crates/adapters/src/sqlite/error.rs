//! What diesel and SQLite report, in the domain's words.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use license_manager_domain::{Conflict, Error};

/// The domain's error for what a statement came back with. SQLite's messages name tables and columns, never values.
pub(super) fn storage_error(error: DieselError) -> Error {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, information) => {
            conflict(information.message()).map_or_else(|| Error::internal(information.message()), Error::Conflict)
        }
        DieselError::DatabaseError(_, information) if is_passing(information.message()) => {
            unavailable(information.message())
        }
        other => Error::internal(other),
    }
}

/// Checks how many rows a statement has written.
pub(super) fn check_written(written: usize, number: usize, what: &str) -> Result<(), Error> {
    if written == number {
        return Ok(());
    }
    Err(Error::internal(format!("{written} of {number} {what} were there to be written")))
}

/// The database cannot be used now. The cause goes to the log; callers learn only that later may be better.
pub(super) fn unavailable(cause: impl std::fmt::Display) -> Error {
    tracing::error!(%cause, "the SQLite database is not available");
    Error::Unavailable
}

/// SQLite names the columns of the rule that was broken, whatever the rule's own name.
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

/// SQLITE_BUSY, _LOCKED, _CANTOPEN, _IOERR and _FULL, which diesel tells apart by their texts alone: another process holds the
/// file too long, or the disk fails or is full.
fn is_passing(message: &str) -> bool {
    [
        "database is locked",
        "database table is locked",
        "unable to open database file",
        "disk I/O error",
        "database or disk is full",
    ]
    .contains(&message)
}
