//! Which of a plan's licenses an admin means.

use crate::model::email::Email;
use crate::ports::LicenseFilter;

/// The licenses of a plan that an admin wants something done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LicenseSelection {
    /// Those of these learners.
    Emails(Vec<Email>),
    /// Those in somebody's hands that match.
    Matching(LicenseFilter),
}
