//! How a value looks on either side, by the types that columns are declared with.

/// A way from SQLite to Postgres. `{}` stands for the column.
#[derive(Debug)]
pub(super) struct Form {
    /// The type in SQLite.
    sqlite: &'static str,
    /// The type in Postgres, as `format_type` names it.
    postgres: &'static str,
    /// What SQLite puts into the JSON of a row.
    pub read: &'static str,
    /// As what Postgres takes it out again.
    pub carried: &'static str,
    /// What Postgres makes of that.
    pub written: &'static str,
}

/// All that the migrations use. What is the same on both sides is carried as it is.
const FORMS: [Form; 11] = [
    same("INTEGER", "bigint"),
    same("INTEGER", "integer"),
    same("INTEGER", "smallint"),
    same("TEXT", "text"),
    same("TEXT", "character(1)"),
    same("TEXT", "uuid"),
    Form { sqlite: "INTEGER", postgres: "boolean", read: "{}", carried: "integer", written: "{} <> 0" },
    // Microseconds since 1970. Days and the rest apart: one number of microseconds would lose its last ones where Postgres multiplies
    // an interval.
    Form {
        sqlite: "INTEGER",
        postgres: "timestamp with time zone",
        read: "{}",
        carried: "bigint",
        written: "(timestamp '1970-01-01' + interval '1 day' * ({} / 86400000000) \
                  + interval '1 microsecond' * ({} % 86400000000)) AT TIME ZONE 'UTC'",
    },
    // Days since 1970.
    Form { sqlite: "INTEGER", postgres: "date", read: "{}", carried: "integer", written: "date '1970-01-01' + {}" },
    // JSON holds no bytes. SQLite's hex() makes an empty text of NULL.
    Form {
        sqlite: "BLOB",
        postgres: "bytea",
        read: "CASE WHEN {} IS NOT NULL THEN hex({}) END",
        carried: "text",
        written: "decode({}, 'hex')",
    },
    // A JSON list of texts. An array of no row is empty, where it is to be NULL.
    Form {
        sqlite: "TEXT",
        postgres: "text[]",
        read: "{}",
        carried: "text",
        written: "CASE WHEN {} IS NOT NULL THEN ARRAY (SELECT json_array_elements_text({}::json)) END",
    },
];

const fn same(sqlite: &'static str, postgres: &'static str) -> Form {
    Form { sqlite, postgres, read: "{}", carried: postgres, written: "{}" }
}

/// The way from a type of SQLite to one of Postgres, where there is one.
pub(super) fn between(sqlite: &str, postgres: &str) -> Option<&'static Form> {
    FORMS.iter().find(|form| form.sqlite == sqlite && form.postgres == postgres)
}
