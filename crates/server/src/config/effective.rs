//! Prints the configuration in force.

use serde_json::Value;

use super::Config;
use super::load::environment_variable;

impl Config {
    /// All keys with their values as TOML, secrets hidden, each with its environment variable.
    pub fn effective(&self) -> String {
        let mut shown = self.clone();
        shown.database.url = Some(self.database.url_or_default());
        let mut page = String::new();
        for (section, keys) in sections(&shown) {
            if !page.is_empty() {
                page.push('\n');
            }
            page.push_str(&format!("[{section}]\n"));
            for (key, value) in keys {
                let variable = environment_variable(&section, &key);
                page.push_str(&match value {
                    Value::Null => format!("# {key} is not set  # {variable}\n"),
                    value => format!("{key} = {}  # {variable}\n", toml_value(&value)),
                });
            }
        }
        page
    }
}

/// The sections and their keys, both in alphabetical order. A key in a subsection is `inner.key`.
pub(super) fn sections(config: &Config) -> Vec<(String, Vec<(String, Value)>)> {
    fn entries(value: Value) -> Vec<(String, Value)> {
        let mut entries: Vec<_> = match value {
            Value::Object(map) => map.into_iter().collect(),
            _ => Vec::new(),
        };
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries
    }
    fn keys(section: Value) -> Vec<(String, Value)> {
        let flattened = entries(section).into_iter().flat_map(|(key, value)| match value {
            Value::Object(_) => {
                keys(value).into_iter().map(|(inner, value)| (format!("{key}.{inner}"), value)).collect()
            }
            value => vec![(key, value)],
        });
        flattened.collect()
    }
    let all = serde_json::to_value(config).unwrap_or_default();
    entries(all).into_iter().map(|(section, content)| (section, keys(content))).collect()
}

/// The value as TOML. It differs from JSON only in that DEL must be escaped.
fn toml_value(value: &Value) -> String {
    value.to_string().replace('\u{7f}', "\\u007F")
}
