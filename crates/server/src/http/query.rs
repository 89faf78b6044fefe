//! A URL's query. Clients repeat keys, for example when they follow a page's `next`. The last value counts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use chrono::{DateTime, Utc};
use license_manager_domain::CustomerId;
use uuid::Uuid;

use super::error::ApiError;
use super::fields::FieldErrors;
use super::kinds::Choices;
use super::response::ApiResult;
use super::time;

/// The keys of a query with their values, decoded; of a repeated key the last value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// The query of a request.
    pub fn of(request: &HttpRequest) -> Self {
        Self::parse(request.query_string())
    }

    /// Reads the text after the `?`. Invalid UTF-8 becomes replacement characters, and so do null characters, which databases cannot compare
    /// with.
    pub fn parse(raw: &str) -> Self {
        let readable = |text: Cow<'_, str>| text.replace('\0', "\u{FFFD}");
        Self(form_urlencoded::parse(raw.as_bytes()).map(|(key, value)| (readable(key), readable(value))).collect())
    }

    /// The value of `name`, which may be empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of `name`, unless it is empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|text| !text.is_empty())
    }

    /// The UUID that is `name`; `None` if it is missing or empty.
    ///
    /// # Errors
    /// 400 if it is not a UUID.
    pub fn uuid(&self, name: &str) -> ApiResult<Option<Uuid>> {
        let parsed = self.text(name).map(Uuid::parse_str).transpose();
        parsed.map_err(|_| ApiError::detail(StatusCode::BAD_REQUEST, format!("{name} is not a UUID.")))
    }

    /// The customer, which must be given as `enterprise_customer_uuid`.
    ///
    /// # Errors
    /// 400 if it is missing or not a UUID.
    pub fn customer(&self) -> ApiResult<CustomerId> {
        let message = "Name the customer: enterprise_customer_uuid is missing.";
        let customer = self.uuid("enterprise_customer_uuid")?.map(CustomerId);
        customer.ok_or_else(|| ApiError::text(StatusCode::BAD_REQUEST, message))
    }

    /// The choice of `C` that `name` names; `None` if it is missing or empty.
    ///
    /// # Errors
    /// 400 if it is not one of the names of `C`.
    pub fn choice<C: Choices>(&self, name: &str) -> ApiResult<Option<C::Value>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        C::from_name(text).map(Some).ok_or_else(|| {
            let message = format!("{name} is one of: {}.", C::names().join(", "));
            ApiError::detail(StatusCode::BAD_REQUEST, message)
        })
    }

    /// `true` for 1 or true, `false` for 0 or false, in any case. `None` for anything else.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)?.to_ascii_lowercase().as_str() {
            "1" | "true" => Some(true),
            "0" | "false" => Some(false),
            _ => None,
        }
    }

    /// How a CSV file begins: with a byte order mark if `bom` is true. Excel reads UTF-8 only with one.
    pub fn csv_start(&self) -> &'static str {
        if self.flag("bom") == Some(true) { "\u{FEFF}" } else { "" }
    }

    /// The moment that is `name`; `None` if it is missing or empty.
    ///
    /// # Errors
    /// 400 if it is not a moment.
    pub fn moment(&self, name: &str) -> ApiResult<Option<DateTime<Utc>>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        time::parse(text.trim()).map(Some).ok_or_else(|| {
            let message = "This must be a date and time, such as 2030-01-31T12:00:00Z, or a date, such as 2030-01-31.";
            FieldErrors::field(name, message).into()
        })
    }

    /// The values of `name`, written as a comma list; without the empty ones.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.get(name).unwrap_or_default().split(',').map(str::trim).filter(|value| !value.is_empty()).collect()
    }

    /// The words of `name`, separated by white space or commas. A word that begins with a quote runs to the same quote, which is not
    /// part of it. Elsewhere, and without a second one, a quote is a letter.
    pub fn words(&self, name: &str) -> Vec<String> {
        let separates = |letter: char| letter.is_whitespace() || letter == ',';
        let mut rest = self.get(name).unwrap_or_default().trim_start_matches(separates);
        let mut words = Vec::new();
        while let Some(first) = rest.chars().next() {
            let quoted = matches!(first, '"' | '\'').then(|| rest[1..].split_once(first)).flatten();
            let (word, after) = quoted.or_else(|| rest.split_once(separates)).unwrap_or((rest, ""));
            words.push(word.to_owned());
            rest = after.trim_start_matches(separates);
        }
        words.retain(|word| !word.is_empty());
        words
    }

    /// The query as text, with its keys sorted, and `name` set to `value` or removed.
    pub(super) fn with(&self, name: &str, value: Option<&str>) -> String {
        let mut all: BTreeMap<&str, &str> = self.0.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        match value {
            Some(value) => all.insert(name, value),
            None => all.remove(name),
        };
        form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn the_last_of_a_repeated_key_counts() {
        let query = Query::parse("page=1&page_size=3&page=2&empty=&bare");
        assert_eq!(query.get("page"), Some("2"));
        assert_eq!((query.get("empty"), query.get("bare"), query.get("missing")), (Some(""), Some(""), None));
    }

    #[test]
    fn any_text_is_a_query() {
        let query = Query::parse("&&=&user_email=a%2Bb%40example.com&q=a+b&bad=%ff%zz");
        assert_eq!(query.get("user_email"), Some("a+b@example.com"));
        assert_eq!(query.get("q"), Some("a b"));
        assert_eq!(query.get("bad"), Some("\u{fffd}%zz"));
        assert_eq!(Query::parse(""), Query::default());
    }

    #[test]
    fn a_flag_is_one_of_eight_spellings_or_missing() {
        let query = Query::parse("a=1&b=TRUE&c=0&d=False&e=yes&f=");
        let flags: Vec<_> = ["a", "b", "c", "d", "e", "f", "g"].map(|name| query.flag(name)).to_vec();
        assert_eq!(flags, [Some(true), Some(true), Some(false), Some(false), None, None, None]);
    }

    #[test]
    fn words_are_split_at_white_space_and_commas_but_not_within_quotes() {
        for (text, expected) in [
            ("", vec![]),
            (" amy\t,bob,, eve ", vec!["amy", "bob", "eve"]),
            ("\"amy bob\" 'eve, dan'", vec!["amy bob", "eve, dan"]),
            ("'it is \"it\"'", vec!["it is \"it\""]),
            ("o'hara o'neil", vec!["o'hara", "o'neil"]),
            ("\"amy bob", vec!["\"amy", "bob"]),
            ("'amy \"bob", vec!["'amy", "\"bob"]),
            ("\"\" '' ,", vec![]),
            ("\"a\"b c", vec!["a", "b", "c"]),
            ("jörg \u{a0}zoë", vec!["jörg", "zoë"]),
        ] {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("search", text).finish();
            assert_eq!(Query::parse(&query).words("search"), expected, "{text}");
        }
    }

    #[test]
    fn a_list_is_split_at_its_commas() {
        let query = Query::parse("status=assigned,%20activated,,");
        assert_eq!(query.list("status"), ["assigned", "activated"]);
        assert_eq!(query.list("missing"), [""; 0]);
    }
}
