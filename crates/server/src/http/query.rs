//! A URL's query. Clients repeat keys, above all when they follow a page's `next`: the last value counts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::HttpRequest;

/// The keys of a query with their values, decoded; of a repeated key the last value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// The query of a request.
    pub fn of(request: &HttpRequest) -> Self {
        Self::parse(request.query_string())
    }

    /// Reads what follows the `?`. Any text can be read: what is not valid UTF-8 becomes replacement characters, and so do
    /// null characters, which databases cannot compare with.
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

    /// Whether `name` is 1 or true (yes), 0 or false (no), in any case. `None` where it is missing or anything else,
    /// which counts as missing.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)?.to_ascii_lowercase().as_str() {
            "1" | "true" => Some(true),
            "0" | "false" => Some(false),
            _ => None,
        }
    }

    /// The values of `name`, written as a comma list; without the empty ones.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.get(name).unwrap_or_default().split(',').map(str::trim).filter(|value| !value.is_empty()).collect()
    }

    /// The query as text, keys sorted, with `name` set to `value`, or without it.
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
    fn a_list_is_split_at_its_commas() {
        let query = Query::parse("status=assigned,%20activated,,");
        assert_eq!(query.list("status"), ["assigned", "activated"]);
        assert_eq!(query.list("missing"), [""; 0]);
    }
}
