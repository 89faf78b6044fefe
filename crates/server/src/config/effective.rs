//! Prints the configuration in force.

use serde_json::{Value, json};

use super::keys::{environment_variable, sections};
use super::settings::Config;
use super::value::shown;

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

/// The value as TOML, without secrets in URLs. It differs from JSON only in that DEL must be escaped.
fn toml_value(value: &Value) -> String {
    let visible = match value {
        // The list of issuers is JSON, which hides its secrets itself.
        Value::String(text) if !text.starts_with('[') => json!(shown(text)),
        value => value.clone(),
    };
    visible.to_string().replace('\u{7f}', "\\u007F")
}
