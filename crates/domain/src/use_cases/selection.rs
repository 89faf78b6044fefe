//! Selections of a plan's licenses.

use crate::model::email::Email;
use crate::ports::LicenseFilter;

/// The licenses of a plan that an admin selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LicenseSelection {
    /// The live licenses of these addresses, in any of their stored forms.
    Emails(Vec<Email>),
    /// The live licenses that match.
    Matching(LicenseFilter),
}
