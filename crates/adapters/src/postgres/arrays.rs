//! Arrays as parameters of statements over any number of rows.

use super::unit::PostgresUnit;

/// A column of the rows, as an array.
pub(super) fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

impl PostgresUnit<'_> {
    /// What locks the rows of a query.
    pub(crate) const FOR_UPDATE: &'static str = " FOR UPDATE";

    /// The rows of a list that is a parameter, with the column `value`.
    pub(crate) fn each(parameter: &str) -> String {
        format!("unnest({parameter}) AS input (value)")
    }

    /// The condition that what stands before it is in a list that is a parameter.
    pub(crate) fn among(parameter: &str) -> String {
        format!("= ANY ({parameter})")
    }
}
