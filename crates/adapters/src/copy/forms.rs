//! How the values of each column type are copied.

/// How values of one pair of column types are copied. `{}` stands for the column or value.
#[derive(Debug)]
pub(crate) struct Form {
    /// The type in SQLite.
    sqlite: &'static str,
    /// The type in Postgres, as `format_type` names it.
    postgres: &'static str,
    /// The SQLite expression for the JSON value.
    pub read: &'static str,
    /// The Postgres type the JSON value is read as.
    pub carried: &'static str,
    /// The Postgres expression for the stored value.
    pub written: &'static str,
}

/// All pairs that the migrations use. Values of equal types are copied unchanged.
const FORMS: [Form; 11] = [
    same("INTEGER", "bigint"),
    same("INTEGER", "integer"),
    same("INTEGER", "smallint"),
    same("TEXT", "text"),
    same("TEXT", "character(1)"),
    same("TEXT", "uuid"),
    Form { sqlite: "INTEGER", postgres: "boolean", read: "{}", carried: "integer", written: "{} <> 0" },
    // Microseconds since 1970. Days and the remainder are separate: Postgres multiplies intervals as floating-point
    // numbers and would lose the last microseconds.
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
    // JSON cannot hold bytes. SQLite's hex() turns NULL into an empty text.
    Form {
        sqlite: "BLOB",
        postgres: "bytea",
        read: "CASE WHEN {} IS NOT NULL THEN hex({}) END",
        carried: "text",
        written: "decode({}, 'hex')",
    },
    // A JSON list of texts. Without the CASE, NULL would become an empty array.
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

/// How to copy from a SQLite type to a Postgres type, if it is known.
pub(super) fn between(sqlite: &str, postgres: &str) -> Option<&'static Form> {
    FORMS.iter().find(|form| form.sqlite == sqlite && form.postgres == postgres)
}

/// The form of a Postgres type, if it is known.
pub(crate) fn of_postgres(postgres: &str) -> Option<&'static Form> {
    FORMS.iter().find(|form| form.postgres == postgres)
}
