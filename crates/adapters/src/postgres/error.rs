//! Converts errors of diesel and Postgres to domain errors, and decides what the store does about them.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};
use license_manager_domain::{Conflict, Error, PlanId};

/// Why a statement or a transaction failed, and what the store can do about it.
#[derive(Debug)]
pub(super) struct Failure {
    /// The error for the caller if nothing helps.
    pub error: Error,
    /// What may help.
    pub remedy: Remedy,
}

/// What the store can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing.
    None,
    /// Running the work again: it conflicted with another transaction.
    Repeat,
    /// Running the work again with this many licenses of the plan reserved for it.
    Reserve(PlanId, i64),
    /// Another connection for the next caller.
    Reconnect,
}

impl Failure {
    /// A failure without a remedy.
    pub(super) fn permanent(error: Error) -> Self {
        Self { error, remedy: Remedy::None }
    }

    /// There is no connection.
    pub(super) fn without_connection(error: Error) -> Self {
        Self { error, remedy: Remedy::Reconnect }
    }
}

impl From<DieselError> for Failure {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(kind, information) => of_database(kind, information.as_ref()),
            DieselError::RollbackErrorOnCommit { commit_error, .. } => Self::from(*commit_error),
            DieselError::BrokenTransactionManager => Self { error: Error::Unavailable, remedy: Remedy::Reconnect },
            other => Self::permanent(Error::internal(other)),
        }
    }
}

fn of_database(kind: DatabaseErrorKind, information: &dyn DatabaseErrorInformation) -> Failure {
    match kind {
        DatabaseErrorKind::UniqueViolation => match information.constraint_name().and_then(conflict) {
            // A use case looks for live licenses before it assigns, and for renewals before it adds one. So another
            // transaction was faster, and the use case decides again when it sees the result.
            Some(conflict @ (Conflict::LiveLicense(_) | Conflict::RenewalOfPlan | Conflict::RenewalByPlan)) => {
                Failure { error: conflict.into(), remedy: Remedy::Repeat }
            }
            Some(conflict) => Failure::permanent(conflict.into()),
            None => unexpected(information),
        },
        // A use case looks for the rows that it refers to. So another transaction has deleted one.
        DatabaseErrorKind::ForeignKeyViolation => Failure { remedy: Remedy::Repeat, ..unexpected(information) },
        DatabaseErrorKind::SerializationFailure if is_shutdown(information) => {
            Failure { error: Error::Unavailable, remedy: Remedy::Reconnect }
        }
        DatabaseErrorKind::SerializationFailure => Failure { error: Error::Unavailable, remedy: Remedy::Repeat },
        // A server that only reads is a standby. A new connection finds the primary.
        DatabaseErrorKind::ReadOnlyTransaction => {
            tracing::warn!(
                "this Postgres only reads: it is a standby, or was demoted. The database's URL needs the host of the \
                 primary, or all hosts and target_session_attrs=read-write"
            );
            Failure { error: Error::Unavailable, remedy: Remedy::Reconnect }
        }
        DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
            Failure { error: Error::Unavailable, remedy: Remedy::Reconnect }
        }
        _ => match information.message() {
            DEADLOCK | CONFLICT_ON_STANDBY => Failure { error: Error::Unavailable, remedy: Remedy::Repeat },
            message if message.starts_with(CANCELED) => Failure::permanent(Error::Unavailable),
            _ if is_shutdown(information) => Failure { error: Error::Unavailable, remedy: Remedy::Reconnect },
            // A pooler that was not noticed when the program started.
            message if message.starts_with("prepared statement ") => Failure::permanent(Error::internal(format!(
                "{}: behind a pooler such as PgBouncer, database.prepared_statements must be false",
                message.lines().next().unwrap_or_default()
            ))),
            _ => unexpected(information),
        },
    }
}

// Diesel does not give the error codes of these (40P01; 57014; 57P01 to 57P05). Connections set English messages.
pub(crate) const DEADLOCK: &str = "deadlock detected";
const CONFLICT_ON_STANDBY: &str = "canceling statement due to conflict with recovery";
const CANCELED: &str = "canceling statement due to ";
const SHUTDOWN: [&str; 2] = ["terminating connection due to ", "the database system is "];
// PgBouncer's, when it has no connection to Postgres.
const POOLER: [&str; 5] = [
    "server conn crashed",
    "server login has been failing",
    "server login failed",
    "query_wait_timeout",
    "pgbouncer cannot connect to server",
];

/// Whether the message says that the connection ends, or that the database cannot be reached.
fn is_shutdown(information: &dyn DatabaseErrorInformation) -> bool {
    SHUTDOWN.iter().chain(&POOLER).any(|prefix| information.message().starts_with(prefix))
}

/// The rule of a constraint in `migrations/postgres`.
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

/// The first line of the message: the details quote values, which may be personal data.
fn unexpected(information: &dyn DatabaseErrorInformation) -> Failure {
    Failure::permanent(Error::internal(information.message().lines().next().unwrap_or_default()))
}
