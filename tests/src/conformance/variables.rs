//! The `{{variables}}` of a case.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use regex_lite::Regex;
use serde_json::{Map, Value};
use uuid::Uuid;

static VARIABLE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{\{([^{}]+)\}\}").unwrap());
static MOMENT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^now(?:([+-]\d+)([dhms]))?$").unwrap());

/// The variables of a run: ids and times created on first use, and captured values.
pub struct Variables {
    values: BTreeMap<String, Value>,
    start: DateTime<Utc>,
}

impl Variables {
    /// The initial variables of a run on this server.
    pub fn new(base: &str) -> Self {
        let run = Uuid::new_v4().simple().to_string()[..10].to_owned();
        Self {
            values: BTreeMap::from([("base".to_owned(), base.into()), ("run".to_owned(), run.into())]),
            start: Utc::now(),
        }
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// A template with its variables replaced, also in lists, objects and keys.
    ///
    /// # Errors
    /// A sentence naming a variable without a value.
    pub fn fill(&mut self, template: &Value) -> Result<Value, String> {
        Ok(match template {
            Value::String(text) => match VARIABLE.captures(text) {
                Some(found) if &found[0] == text.as_str() => self.get(&found[1])?,
                _ => Value::String(self.fill_text(text)?),
            },
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect::<Result<_, _>>()?,
            Value::Object(members) => {
                let mut filled = Map::new();
                for (key, value) in members {
                    filled.insert(self.fill_text(key)?, self.fill(value)?);
                }
                Value::Object(filled)
            }
            other => other.clone(),
        })
    }

    /// A text with its variables replaced.
    ///
    /// # Errors
    /// A sentence naming a variable without a value.
    pub fn fill_text(&mut self, template: &str) -> Result<String, String> {
        let (mut filled, mut copied) = (String::new(), 0);
        for found in VARIABLE.captures_iter(template) {
            let place = found.get(0).expect("a match has a place");
            filled.push_str(&template[copied..place.start()]);
            match self.get(&found[1])? {
                Value::String(text) => filled.push_str(&text),
                other => filled.push_str(&other.to_string()),
            }
            copied = place.end();
        }
        filled.push_str(&template[copied..]);
        Ok(filled)
    }

    fn get(&mut self, name: &str) -> Result<Value, String> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        let value = self.first_use(name).ok_or(format!("{{{{{name}}}}} is used before a step captures it"))?;
        self.set(name, value.clone());
        Ok(value)
    }

    fn first_use(&self, name: &str) -> Option<Value> {
        if name.starts_with("uuid:") {
            return Some(Uuid::new_v4().to_string().into());
        }
        let found = MOMENT.captures(name)?;
        let count = found.get(1).map_or(Some(0), |count| count.as_str().parse().ok())?;
        let offset = match found.get(2).map(|unit| unit.as_str()) {
            Some("d") => Duration::try_days(count),
            Some("h") => Duration::try_hours(count),
            Some("m") => Duration::try_minutes(count),
            _ => Duration::try_seconds(count),
        };
        let moment = self.start.checked_add_signed(offset?)?;
        Some(moment.to_rfc3339_opts(SecondsFormat::Secs, true).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn variables() -> Variables {
        Variables::new("http://localhost:1")
    }

    fn moment(variables: &mut Variables, name: &str) -> DateTime<Utc> {
        let text = variables.fill_text(name).unwrap();
        assert!(text.ends_with('Z') && !text.contains('.'), "{text}");
        text.parse().unwrap()
    }

    #[test]
    fn a_variable_that_is_the_whole_text_keeps_its_type() {
        let mut variables = variables();
        variables.set("count", json!(3));
        assert_eq!(variables.fill(&json!("{{count}}")).unwrap(), json!(3));
        assert_eq!(variables.fill(&json!("{{count}} of {{count}}")).unwrap(), json!("3 of 3"));
        assert_eq!(variables.fill(&json!("{{count}}{{count}}")).unwrap(), json!("33"));
    }

    #[test]
    fn variables_are_filled_in_at_any_depth_and_in_keys() {
        let mut variables = variables();
        variables.set("who", json!("amy"));
        let template = json!({"{{who}}": [{"name": "{{who}}", "age": 4, "none": null}]});
        let filled = json!({"amy": [{"name": "amy", "age": 4, "none": null}]});
        assert_eq!(variables.fill(&template).unwrap(), filled);
    }

    #[test]
    fn an_id_stays_the_same_and_differs_from_others() {
        let mut variables = variables();
        let first = variables.fill_text("{{uuid:a}}").unwrap();
        assert!(Uuid::parse_str(&first).is_ok());
        assert_eq!(variables.fill_text("{{uuid:a}}").unwrap(), first);
        assert_ne!(variables.fill_text("{{uuid:b}}").unwrap(), first);
    }

    #[test]
    fn moments_count_from_the_start_of_the_case() {
        let mut variables = variables();
        let now = moment(&mut variables, "{{now}}");
        for (name, distance) in [
            ("{{now+10d}}", Duration::days(10)),
            ("{{now-6h}}", Duration::hours(-6)),
            ("{{now+30m}}", Duration::minutes(30)),
            ("{{now-5s}}", Duration::seconds(-5)),
        ] {
            assert_eq!(moment(&mut variables, name) - now, distance, "{name}");
        }
    }

    #[test]
    fn a_variable_without_a_value_is_named() {
        for name in ["plan", "now+1y", "now+99999999999999999999d"] {
            let problem = variables().fill_text(&format!("/{{{{{name}}}}}/"));
            assert!(problem.unwrap_err().contains(name));
        }
    }
}
