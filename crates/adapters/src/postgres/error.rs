//! What Postgres says, told in the domain's words.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};
use license_manager_domain::{Conflict, Error, PlanId};

/// Why a statement or a transaction failed, and what the store can do about it.
#[derive(Debug)]
pub(super) struct Failure {
    /// What the caller is told where nothing helps.
    pub error: Error,
    /// What may help.
    pub remedy: Remedy,
}

/// What the store can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing.
    None,
    /// Running the work again: another transaction came between.
    Repeat,
    /// Running the work again with this many licenses of the plan reserved for it.
    Reserve(PlanId, i64),
    /// Another connection, for the next caller.
    Reconnect,
}

impl Failure {
    /// One that nothing helps against.
    pub(super) fn lasting(error: Error) -> Self {
        Self { error, remedy: Remedy::None }
    }
}

impl From<DieselError> for Failure {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(kind, information) => of_database(kind, information.as_ref()),
            DieselError::RollbackErrorOnCommit { commit_error, .. } => Self::from(*commit_error),
            DieselError::BrokenTransactionManager => Self { error: Error::Unavailable, remedy: Remedy::Reconnect },
            other => Self::lasting(Error::internal(other)),
        }
    }
}

fn of_database(kind: DatabaseErrorKind, information: &dyn DatabaseErrorInformation) -> Failure {
    match kind {
        DatabaseErrorKind::UniqueViolation => match information.constraint_name().and_then(conflict) {
            // Work looks for live licenses before it hands any out, and for renewals before it adds one; so another transaction
            // was faster, and the work decides anew once it sees what that one did.
            Some(conflict @ (Conflict::LiveLicense(_) | Conflict::RenewalOfPlan | Conflict::RenewalByPlan)) => {
                Failure { error: conflict.into(), remedy: Remedy::Repeat }
            }
            Some(conflict) => Failure::lasting(conflict.into()),
            None => unforeseen(information),
        },
        // Work looks for what it refers to; so another transaction deleted it in between.
        DatabaseErrorKind::ForeignKeyViolation => Failure { remedy: Remedy::Repeat, ..unforeseen(information) },
        DatabaseErrorKind::SerializationFailure => Failure { error: Error::Unavailable, remedy: Remedy::Repeat },
        // A server that only reads is a standby: the one that writes is to be found through a new connection.
        DatabaseErrorKind::ReadOnlyTransaction
        | DatabaseErrorKind::ClosedConnection
        | DatabaseErrorKind::UnableToSendCommand => Failure { error: Error::Unavailable, remedy: Remedy::Reconnect },
        _ => match information.message() {
            DEADLOCK => Failure { error: Error::Unavailable, remedy: Remedy::Repeat },
            message if message.starts_with(CANCELED) => Failure::lasting(Error::Unavailable),
            message if SHUTDOWN.iter().any(|beginning| message.starts_with(beginning)) => {
                Failure { error: Error::Unavailable, remedy: Remedy::Reconnect }
            }
            _ => unforeseen(information),
        },
    }
}

// diesel keeps the error codes of these (40P01; 57014; 57P01 to 57P05) to itself. Connections ask the server for English.
const DEADLOCK: &str = "deadlock detected";
const CANCELED: &str = "canceling statement due to ";
const SHUTDOWN: [&str; 2] = ["terminating connection due to ", "the database system is "];

/// The rule that a constraint of `migrations/postgres` holds.
fn conflict(constraint: &str) -> Option<Conflict> {
    match constraint {
        "customer_agreement_customer" => Some(Conflict::AgreementOfCustomer),
        "customer_agreement_slug" => Some(Conflict::AgreementSlug),
        "subscription_plan_title" => Some(Conflict::PlanTitle),
        "product_netsuite_id" => Some(Conflict::ProductNetsuiteId),
        "license_one_live_per_email" => Some(Conflict::LiveLicense(Vec::new())),
        "renewal_prior_plan" => Some(Conflict::RenewalOfPlan),
        "renewal_renewed_plan" => Some(Conflict::RenewalByPlan),
        _ => None,
    }
}

/// The first line alone: Postgres puts the values of a row, which may be personal data, into the details.
fn unforeseen(information: &dyn DatabaseErrorInformation) -> Failure {
    Failure::lasting(Error::internal(information.message().lines().next().unwrap_or_default()))
}
