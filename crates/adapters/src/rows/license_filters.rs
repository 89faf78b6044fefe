//! Statements about licenses that match a filter, in plain SQL for both databases.

use chrono::{DateTime, Utc};
use diesel::backend::Backend;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use license_manager_domain::ports::LicenseFilter;
use license_manager_domain::{Email, LicenseId, LicenseStatus, PlanId};
use uuid::Uuid;

/// The fewest characters of a word that the search index can find.
const INDEXED_WORD: usize = 3;

/// How many words of a form the search index is asked for. The others are compared with what it finds.
const ASKED_WORDS: usize = 8;

/// The most words of a form that SQLite compares one by one.
const FEW_WORDS: usize = 8;

/// A parameter of a statement.
#[derive(Debug)]
pub(crate) enum Bind {
    Id(Uuid),
    Ids(Vec<Uuid>),
    Text(String),
    Moment(DateTime<Utc>),
    Number(i64),
}

/// A statement with its parameters, each of which stands in it once.
#[derive(Debug)]
pub(crate) struct Statement {
    pub dialect: Dialect,
    pub text: String,
    pub binds: Vec<Bind>,
}

/// The database that a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
}

/// A unit of work that runs statements which are put together.
pub(crate) trait Composed {
    type Backend: Backend;

    const DIALECT: Dialect;

    /// The statement with its parameters, ready to run.
    fn bound(statement: Statement) -> BoxedSqlQuery<'static, Self::Backend, SqlQuery>;
}

/// The plans whose licenses are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plans {
    All,
    These(Vec<Uuid>),
}

impl Plans {
    /// One plan.
    pub fn one(plan: PlanId) -> Self {
        Self::These(vec![plan.0])
    }

    /// Whether the number of plans is neither one nor that of all.
    pub fn are_several(&self) -> bool {
        matches!(self, Self::These(plans) if plans.len() != 1)
    }
}

impl Statement {
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, text: String::new(), binds: Vec::new() }
    }

    pub fn sql(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub fn bind(&mut self, bind: Bind) -> &mut Self {
        self.binds.push(bind);
        let place = format!("${}", self.binds.len());
        self.sql(&place)
    }

    /// Selects the members of an array.
    pub fn members(&mut self, ids: Vec<Uuid>) -> &mut Self {
        let function = match self.dialect {
            Dialect::Postgres => "SELECT unnest(",
            Dialect::Sqlite => "SELECT value FROM json_each(",
        };
        self.sql(function).bind(Bind::Ids(ids)).sql(")")
    }

    /// The condition that a row is of the plans.
    pub fn of_plans(&mut self, plans: &Plans) -> &mut Self {
        match plans {
            Plans::All => self.sql("1 = 1"),
            Plans::These(plans) if plans.len() == 1 => self.sql("subscription_plan_uuid = ").bind(Bind::Id(plans[0])),
            Plans::These(plans) => self.sql("subscription_plan_uuid IN (").members(plans.clone()).sql(")"),
        }
    }

    /// Adds the rows that add up to the counts of the plans. They are a view, into which Postgres takes an array, but no
    /// subquery.
    pub fn of_seat_counts(&mut self, plans: &Plans) -> &mut Self {
        self.sql(" FROM seat_count WHERE ").of_plans_by_array(plans)
    }

    /// As [`Self::of_plans`], with an array on Postgres.
    fn of_plans_by_array(&mut self, plans: &Plans) -> &mut Self {
        match (self.dialect, plans) {
            (Dialect::Postgres, Plans::These(plans)) if plans.len() != 1 => {
                self.sql("subscription_plan_uuid = ANY (").bind(Bind::Ids(plans.clone())).sql(")")
            }
            _ => self.of_plans(plans),
        }
    }

    /// Adds the licenses of the plans that match, with the beginning of the condition.
    pub fn of_matching(&mut self, plans: &Plans, filter: &LicenseFilter) -> &mut Self {
        let searched = match (self.dialect, filter.email_words.as_slice()) {
            (Dialect::Postgres, _) | (_, []) => None,
            (Dialect::Sqlite, words) => search_expression(&Email::search_words(words)),
        };
        let Some(searched) = searched else {
            // Of the plans in an array, Postgres knows how many licenses they have. So it can choose between their licenses
            // and the search index.
            return self.sql(" FROM license WHERE ").of_plans_by_array(plans).and_matching(filter);
        };
        // Without statistics, SQLite cannot know that the addresses found are fewer than a plan's licenses.
        self.sql(" FROM license INDEXED BY license_by_email WHERE ").of_plans(plans).and_matching(filter).sql(
            " AND user_email IN (
                SELECT email FROM license_address
                WHERE id IN (SELECT rowid FROM license_search WHERE license_search MATCH ",
        );
        self.bind(Bind::Text(searched)).sql("))")
    }

    /// Adds the conditions of a filter.
    fn and_matching(&mut self, filter: &LicenseFilter) -> &mut Self {
        if let Some(statuses) = &filter.statuses {
            self.and_in_state(statuses);
        }
        if filter.hide_retired {
            self.sql(" AND (status <> 'revoked' OR user_email IS NOT NULL)");
        }
        self.and_of_time(filter).and_with_words(&filter.email_words)
    }

    /// Adds the condition that a license is in one of the states. They are literals: a partial index is used only if
    /// the statement has its condition.
    pub fn and_in_state(&mut self, statuses: &[LicenseStatus]) -> &mut Self {
        if statuses.is_empty() {
            return self.sql(" AND 1 = 0");
        }
        let names: Vec<String> = statuses.iter().map(|status| format!("'{}'", status.as_str())).collect();
        self.sql(&format!(" AND status IN ({})", names.join(", ")))
    }

    /// Adds the conditions of a filter on times.
    pub fn and_of_time(&mut self, filter: &LicenseFilter) -> &mut Self {
        if let Some(moment) = filter.assigned_until {
            self.sql(" AND assigned_date <= ").bind(Bind::Moment(moment));
        }
        if let Some(moment) = filter.modified_since {
            self.sql(" AND modified >= ").bind(Bind::Moment(moment));
        }
        self
    }

    /// Adds the condition that an id comes after another.
    pub fn and_after(&mut self, after: Option<LicenseId>) -> &mut Self {
        match after {
            Some(after) => self.sql(" AND uuid > ").bind(Bind::Id(after.0)),
            None => self,
        }
    }

    /// Adds the condition that an address contains all words of one form.
    fn and_with_words(&mut self, words: &[String]) -> &mut Self {
        if words.is_empty() {
            return self;
        }
        let forms = Email::search_words(words);
        self.sql(" AND user_email IS NOT NULL AND (");
        for (number, form) in forms.iter().enumerate() {
            self.sql(if number == 0 { "(" } else { " OR (" }).with_all_words(form).sql(")");
        }
        self.sql(")")
    }

    /// Adds the condition that an address contains all these words.
    fn with_all_words(&mut self, words: &[String]) -> &mut Self {
        // Postgres refuses a NUL, and no address has one.
        if words.iter().any(|word| word.contains('\0')) {
            return self.sql("1 = 0");
        }
        match self.dialect {
            Dialect::Postgres => {
                for (number, word) in words.iter().enumerate() {
                    self.sql(if number == 0 { "user_email LIKE " } else { " AND user_email LIKE " });
                    self.bind(Bind::Text(containing(word)));
                }
                self
            }
            // Unlike LIKE, instr() has no wildcards.
            Dialect::Sqlite if words.len() <= FEW_WORDS => {
                for (number, word) in words.iter().enumerate() {
                    self.sql(if number == 0 { "instr(user_email, " } else { " AND instr(user_email, " });
                    self.bind(Bind::Text(word.clone())).sql(") > 0");
                }
                self
            }
            // SQLite refuses a thousand conditions. It reads the list of words again for each address.
            Dialect::Sqlite => {
                let words = serde_json::json!(words).to_string();
                self.sql("NOT EXISTS (SELECT 1 FROM json_each(").bind(Bind::Text(words));
                self.sql(") AS word WHERE instr(user_email, word.value) = 0)")
            }
        }
    }
}

/// The LIKE pattern for addresses that contain the word.
fn containing(word: &str) -> String {
    let mut pattern = String::from("%");
    for character in word.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern + "%"
}

/// What SQLite's search index is asked for, to find all addresses that may match and few others. `None` if some form
/// has no word that the index can find.
fn search_expression(forms: &[Vec<String>]) -> Option<String> {
    // A NUL would end the expression.
    let indexed = |word: &&String| word.chars().count() >= INDEXED_WORD && !word.contains('\0');
    let quoted = |word: &String| format!("\"{}\"", word.replace('"', "\"\""));
    let all_of = |form: &Vec<String>| {
        let words: Vec<String> = form.iter().filter(indexed).take(ASKED_WORDS).map(quoted).collect();
        (!words.is_empty()).then(|| format!("({})", words.join(" AND ")))
    };
    let forms: Option<Vec<String>> = forms.iter().map(all_of).collect();
    forms.filter(|forms| !forms.is_empty()).map(|forms| forms.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::{containing, search_expression};

    #[test]
    fn a_word_stands_for_itself_alone() {
        assert_eq!(containing(r"50%_a\b"), r"%50\%\_a\\b%");
    }

    #[test]
    fn the_index_is_asked_for_long_words_of_every_form() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let expression = search_expression(&[words(&["am", "a\"b@", "lee"]), words(&["xn--lee"])]);
        assert_eq!(expression.as_deref(), Some("(\"a\"\"b@\" AND \"lee\") OR (\"xn--lee\")"));
        assert_eq!(search_expression(&[words(&["lee"]), words(&["am"])]), None);
        assert_eq!(search_expression(&[words(&["a\0bc"])]), None);
    }
}
