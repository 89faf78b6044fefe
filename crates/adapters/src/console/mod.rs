//! The console's ports. Their statements are the same in both databases, but for the fragments in [`Dialect`].

mod deliveries;
mod lists;
mod operations;
mod queries;
mod records;
mod rows;
mod sessions;

use license_manager_domain::Error;
use license_manager_domain::ports::CustomerScope;
use uuid::Uuid;

/// Fragments of SQL that differ.
pub(crate) struct Dialect {
    /// The ids of a parameter with a JSON list, as a subquery; `{}` is the parameter.
    ids: &'static str,
    /// The texts of a parameter with a JSON list, likewise.
    texts: &'static str,
    /// The numbers of a parameter with a JSON list, likewise.
    numbers: &'static str,
    /// Whether the plan of a row of `seat_count` is one of those that a subquery finds; `{}` is the subquery. The view has
    /// two parts, into which Postgres takes an array, but no subquery.
    counts_of: &'static str,
    /// The id of the bulk enrollment that a message is about.
    enrollment: &'static str,
    /// What has texts compared character by character, as in the indexes on the beginnings of texts.
    binary: &'static str,
}

const POSTGRES: Dialect = Dialect {
    ids: "(SELECT value::uuid FROM json_array_elements_text({}::json) AS value)",
    texts: "(SELECT value FROM json_array_elements_text({}::json) AS value)",
    numbers: "(SELECT value::bigint FROM json_array_elements_text({}::json) AS value)",
    counts_of: "subscription_plan_uuid = ANY (ARRAY({}))",
    enrollment: "(payload::json ->> 'job_uuid')::uuid",
    binary: " COLLATE \"C\"",
};

const SQLITE: Dialect = Dialect {
    ids: "(SELECT value FROM json_each({}))",
    texts: "(SELECT value FROM json_each({}))",
    numbers: "(SELECT value FROM json_each({}))",
    counts_of: "subscription_plan_uuid IN ({})",
    enrollment: "json_extract(payload, '$.job_uuid')",
    binary: "",
};

/// Implements a port for both stores.
macro_rules! for_both_stores {
    (impl $port:ident for Store $methods:tt) => {
        #[cfg(feature = "postgres")]
        impl $port for $crate::postgres::PostgresStore $methods

        #[cfg(feature = "sqlite")]
        impl $port for $crate::sqlite::SqliteStore $methods
    };
}
use for_both_stores;

#[cfg(feature = "postgres")]
impl crate::postgres::PostgresStore {
    const DIALECT: Dialect = POSTGRES;
}

#[cfg(feature = "sqlite")]
impl crate::sqlite::SqliteStore {
    const DIALECT: Dialect = SQLITE;
}

impl Dialect {
    /// Whether the column is one of the ids of the parameter.
    fn is_one_of(&self, column: &str, parameter: &str) -> String {
        format!("{column} IN {}", self.ids.replace("{}", parameter))
    }

    /// Whether the column is one of the numbers of the parameter.
    fn is_one_of_numbers(&self, column: &str, parameter: &str) -> String {
        format!("{column} IN {}", self.numbers.replace("{}", parameter))
    }

    /// The texts of the parameter.
    fn texts(&self, parameter: &str) -> String {
        self.texts.replace("{}", parameter)
    }

    /// Adds up the counts of the plans that a subquery finds, with the name `subscription_plan_uuid` for the plan.
    fn counts_of(&self, plans: &str) -> String {
        format!(
            "SELECT subscription_plan_uuid, sum(unassigned) AS unassigned, sum(assigned) AS assigned,
                    sum(activated) AS activated, sum(revoked) AS revoked
             FROM seat_count WHERE {} GROUP BY subscription_plan_uuid",
            self.counts_of.replace("{}", plans)
        )
    }

    /// Whether the customer's agreement `agreement` is within the scope, whose customers are the parameter.
    fn in_scope(&self, scope: &CustomerScope, parameter: &str) -> String {
        match scope {
            CustomerScope::All => format!("{parameter} IS NOT NULL"),
            CustomerScope::Only(_) => self.is_one_of("agreement.enterprise_customer_uuid", parameter),
        }
    }
}

/// Sorts after everything that begins with the same characters.
const LAST: char = char::MAX;

/// The condition of a filter that is given. Otherwise, one that is true: its parameters are null, and stand there because
/// a statement must have each of its parameters.
///
/// A condition such as `$1 IS NULL OR column = $1` would keep SQLite from using an index.
fn if_given(is_given: bool, parameters: &[&str], condition: &str) -> String {
    match is_given {
        true => condition.to_owned(),
        false => parameters.iter().map(|parameter| format!("{parameter} IS NULL")).collect::<Vec<_>>().join(" AND "),
    }
}

/// The customers of a scope as a JSON list; an empty one for all.
fn customers(scope: &CustomerScope) -> Result<String, Error> {
    let ids: Vec<Uuid> = match scope {
        CustomerScope::All => Vec::new(),
        CustomerScope::Only(customers) => customers.iter().map(|customer| customer.0).collect(),
    };
    serde_json::to_string(&ids).map_err(Error::internal)
}

/// Whether the name or slug of `agreement` matches one of the patterns: one in lowercase, and one as typed.
fn named(lowered: &str, typed: &str) -> String {
    let matches = |column: &str| contains(column, lowered, typed);
    format!("({} OR {})", matches("agreement.enterprise_customer_name"), matches("agreement.enterprise_customer_slug"))
}

/// Whether the column matches one of the patterns: one in lowercase, and one as typed.
fn contains(column: &str, lowered: &str, typed: &str) -> String {
    format!("(lower({column}) LIKE {lowered} ESCAPE '\\' OR {column} LIKE {typed} ESCAPE '\\')")
}

/// A text as a pattern for `LIKE … ESCAPE '\'` that matches what contains it.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
