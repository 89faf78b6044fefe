//! Many values in one parameter. SQLite has no arrays, but reads JSON as a table. So neither the text nor the number of
//! statements depends on the number of values.

use diesel::QueryableByName;
use diesel::sql_types::Text;
use license_manager_domain::Error;
use serde::Serialize;

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
