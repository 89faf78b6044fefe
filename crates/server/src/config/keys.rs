//! The keys that exist, derived from the settings' own structure, and their environment variables.

use serde_json::Value;

use super::settings::Config;

/// How the variables of the settings begin.
pub(super) const PREFIX: &str = "LM_";

/// The environment variable of `section.key`.
pub(super) fn environment_variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{}__{}", section.to_uppercase(), key.to_uppercase().replace('.', "__"))
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
