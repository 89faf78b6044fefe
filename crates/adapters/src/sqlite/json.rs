//! Many values in one parameter. SQLite has no arrays, but reads JSON as a table. So neither the text nor the number of
//! statements depends on the number of values.
//!
//! `json_each` reads single values. `jsonb_each` reads rows of several values: `json_each` would write a row as text, and
//! parse it again, for each of its values.

use diesel::QueryableByName;
use diesel::sql_types::Text;
use license_manager_domain::Error;
use serde::Serialize;

use super::unit::SqliteUnit;

/// Values as JSON: a parameter of a statement.
pub(super) fn json(values: impl Serialize) -> Result<String, Error> {
    serde_json::to_string(&values).map_err(Error::internal)
}

/// Keys that the database returns as a JSON array, for the next statements.
#[derive(QueryableByName)]
pub(super) struct Keys {
    #[diesel(sql_type = Text)]
    pub(super) keys: String,
}

impl SqliteUnit<'_> {
    /// Only one unit of work writes at a time, so no row needs a lock.
    pub(crate) const FOR_UPDATE: &'static str = "";

    /// The rows of a list that is a parameter, with the column `value`.
    pub(crate) fn each(parameter: &str) -> String {
        format!("json_each({parameter}) AS input")
    }

    /// The condition that what stands before it is in a list that is a parameter.
    pub(crate) fn among(parameter: &str) -> String {
        format!("IN (SELECT value FROM json_each({parameter}))")
    }
}
