//! Translates a YAML file of settings of the Django service.

mod names;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};
use yaml_serde::Value;

use super::keys::{environment_variable, sections};
use super::load::ConfigError;
use super::settings::Config;
use names::{Translation, translation};

/// Our settings for those of the Django service.
#[derive(Debug, Default)]
pub struct DjangoSettings {
    /// The values, by key: what they are, and the settings that they come from.
    values: BTreeMap<String, (Json, Vec<String>)>,
    /// The keys that get a secret, and the setting that has it.
    secrets: BTreeMap<String, String>,
    /// What the reader has to do, by setting.
    by_hand: Vec<(String, &'static str)>,
    /// Values that this service refuses: the setting, and why.
    refused: Vec<(String, String)>,
    /// Settings that mean nothing here, with the reason.
    needless: Vec<(String, &'static str)>,
    /// Settings that are not known.
    unknown: Vec<String>,
}

/// How to print settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum SettingsFormat {
    /// A TOML file for --config.
    #[default]
    Toml,
    /// Environment variables.
    Environment,
}

impl DjangoSettings {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or is not YAML with names and values. No value is quoted.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        let problem = |problem: String| ConfigError::Yaml { path: path.to_owned(), problem };
        let file: Value = yaml_serde::from_str(&text).map_err(|error| {
            // The message may quote a value, so only the place is told.
            let place = error.location().map_or_else(String::new, |place| format!(" in line {}", place.line()));
            problem(format!("it cannot be read{place}"))
        })?;
        let Value::Mapping(settings) = file else {
            return Err(problem("it has no settings with names".to_owned()));
        };
        let mut read = Self::default();
        for (name, value) in settings {
            if let Value::String(name) = name {
                read.take(&name, &value);
            }
        }
        read.complete();
        Ok(read)
    }

    /// Whether values were refused.
    pub fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    fn take(&mut self, name: &str, value: &Value) {
        if name == "JWT_AUTH.JWT_ISSUERS" {
            return self.take_issuers(value);
        }
        match (translation(name), value) {
            (_, Value::Null) => {}
            // A dictionary is known by what is in it, unless it is known as a whole.
            (None, Value::Mapping(inner)) if matches!(name, "JWT_AUTH" | "REST_FRAMEWORK") => {
                for (inner_name, value) in inner {
                    if let Value::String(inner_name) = inner_name {
                        self.take(&format!("{name}.{inner_name}"), value);
                    }
                }
            }
            (None, _) => self.unknown.push(name.to_owned()),
            (Some(Translation::Same(key)), value) => self.set(key, name, value),
            (Some(Translation::List(key)), value) => self.add(key, name, value),
            (Some(Translation::Secret(key)), value) => {
                if value.as_str() != Some("") {
                    self.secrets.insert(key.to_owned(), name.to_owned());
                }
            }
            (Some(Translation::ByHand(what)), _) => self.by_hand.push((name.to_owned(), what)),
            (Some(Translation::Needless(reason)), _) => self.needless.push((name.to_owned(), reason)),
        }
    }

    /// Sets a key, if the value is one that this service takes.
    fn set(&mut self, key: &str, name: &str, value: &Value) {
        let value = match value {
            Value::Bool(flag) => json!(flag),
            Value::Number(number) => number.as_i64().map_or_else(|| json!(number.as_f64()), |number| json!(number)),
            Value::String(text) if key == "server.csrf_cookie_same_site" => json!(text.to_lowercase()),
            // A text that is empty means none.
            Value::String(text) if text.is_empty() => return,
            Value::String(text) => json!(text),
            _ => return self.refused.push((name.to_owned(), "it is no single value".to_owned())),
        };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.check(key, name, text, value);
    }

    /// Adds to a list.
    fn add(&mut self, key: &str, name: &str, value: &Value) {
        let item = |value: &Value| match value {
            Value::String(text) => Some(json!(text)),
            Value::Number(number) => number.as_i64().map(|number| json!(number)),
            _ => None,
        };
        let items: Vec<Json> = match value {
            Value::Sequence(items) => items.iter().filter_map(item).collect(),
            value => item(value).into_iter().collect(),
        };
        let mut all: Vec<Json> = match self.values.get(key) {
            Some((Json::Array(known), _)) => known.clone(),
            _ => Vec::new(),
        };
        for item in items {
            // Any host, and any header, is what nothing means here.
            if item != "*" && item != "" && !all.contains(&item) {
                all.push(item);
            }
        }
        if !all.is_empty() {
            self.check(key, name, joined(&all), json!(all));
        }
    }

    /// Keeps a value that this service takes. The reason of a refusal quotes no secret: secrets are not checked.
    fn check(&mut self, key: &str, name: &str, text: String, value: Json) {
        match Config::load(None, [(variable(key), text)].into_iter()) {
            Ok(_) => {
                let (known, names) = self.values.entry(key.to_owned()).or_default();
                *known = value;
                names.push(name.to_owned());
            }
            Err(error) => self.refused.push((name.to_owned(), error.to_string())),
        }
    }

    /// The first issuer is that of the section, the others follow.
    fn take_issuers(&mut self, value: &Value) {
        let Value::Sequence(issuers) = value else {
            return self.refused.push(("JWT_AUTH.JWT_ISSUERS".to_owned(), "it is no list".to_owned()));
        };
        let mut others = Vec::new();
        for (place, issuer) in issuers.iter().enumerate() {
            let name = format!("JWT_AUTH.JWT_ISSUERS.{place}");
            let text = |key: &str| issuer.get(key).and_then(text_of);
            let has_secret = text("SECRET_KEY").is_some_and(|secret| !secret.is_empty());
            if place == 0 {
                for (inner, key) in [("ISSUER", "auth.issuer"), ("AUDIENCE", "auth.audience")] {
                    if let Some(value) = issuer.get(inner) {
                        self.set(key, &format!("{name}.{inner}"), value);
                    }
                }
                if has_secret {
                    self.secrets.insert("auth.hs256_secret".to_owned(), format!("{name}.SECRET_KEY"));
                }
                continue;
            }
            let mut written = serde_json::Map::new();
            for (inner, key) in [("ISSUER", "issuer"), ("AUDIENCE", "audience")] {
                written.extend(text(inner).map(|text| (key.to_owned(), json!(text))));
            }
            if has_secret {
                self.secrets.insert(format!("auth.issuers.{place}.hs256_secret"), format!("{name}.SECRET_KEY"));
            }
            others.push(Json::Object(written));
        }
        if !others.is_empty() {
            let list = Json::Array(others).to_string();
            self.check("auth.issuers", "JWT_AUTH.JWT_ISSUERS", list.clone(), json!(list));
        }
    }

    /// What one setting of the Django service says for several of ours.
    fn complete(&mut self) {
        let lms = self.values.get("lms.url").cloned();
        // The LMS issues the tokens for calls between services.
        if let Some((url, names)) = lms
            && (self.values.contains_key("oauth.client_id") || self.secrets.contains_key("oauth.client_secret"))
        {
            self.values.insert("oauth.url".to_owned(), (url, names));
        }
        if self.values.contains_key("s3.bucket") && !self.values.contains_key("s3.url") {
            let what = "s3.url (LM_S3__URL) and s3.region are needed too, such as https://s3.eu-west-1.amazonaws.com";
            self.by_hand.push(("BULK_ENROLL_JOB_AWS_BUCKET".to_owned(), what));
        }
        if self.values.contains_key("smtp.from") {
            let what = "smtp.url (LM_SMTP__URL) is needed too, unless Braze sends the mails: then leave smtp.from out";
            self.by_hand.push(("SUBSCRIPTIONS_FROM_EMAIL".to_owned(), what));
        }
        if self.values.contains_key("console.provider_url") {
            let what = "console.public_url (LM_CONSOLE__PUBLIC_URL) is needed too: this service as browsers see it";
            self.by_hand.push(("SOCIAL_AUTH_EDX_OAUTH2_URL_ROOT".to_owned(), what));
        }
    }

    /// Prints the settings. Secrets are not printed; it says where they go.
    pub fn page(&self, format: SettingsFormat) -> String {
        let mut page = match format {
            SettingsFormat::Toml => self.toml(),
            SettingsFormat::Environment => self.environment(),
        };
        let mut list = |title: &str, rows: Vec<String>| {
            if !rows.is_empty() {
                page.push_str(&format!("\n# {title}\n"));
                rows.iter().for_each(|row| page.push_str(&format!("#   {row}\n")));
            }
        };
        let pairs = |rows: &[(String, &'static str)]| -> Vec<String> {
            rows.iter().map(|(name, what)| format!("{name}: {what}")).collect()
        };
        list("Secrets, which are not printed:", self.secret_rows());
        list("To be done by hand:", pairs(&self.by_hand));
        list("Refused:", self.refused.iter().map(|(name, problem)| format!("{name}: {problem}")).collect());
        list("Not understood; look whether this service needs them:", self.unknown.clone());
        list("Without a counterpart:", pairs(&self.needless));
        page
    }

    fn secret_rows(&self) -> Vec<String> {
        let row = |(key, name): (&String, &String)| match key.strip_prefix("auth.issuers.") {
            Some(_) => format!("{name} goes to the key hs256_secret of its issuer in auth.issuers"),
            None => format!("{name} goes to {} ({key})", variable(key)),
        };
        self.secrets.iter().map(row).collect()
    }

    fn toml(&self) -> String {
        let mut page = String::new();
        for (section, keys) in sections(&Config::default()) {
            let known: Vec<_> =
                keys.iter().filter_map(|(key, _)| Some((key, self.values.get(&format!("{section}.{key}"))?))).collect();
            if known.is_empty() {
                continue;
            }
            if !page.is_empty() {
                page.push('\n');
            }
            page.push_str(&format!("[{section}]\n"));
            for (key, (value, names)) in known {
                let variable = environment_variable(&section, key);
                let value = value.to_string().replace('\u{7f}', "\\u007F");
                page.push_str(&format!("{key} = {value}  # {variable}, from {}\n", names.join(", ")));
            }
        }
        page
    }

    fn environment(&self) -> String {
        let line = |(key, (value, _)): (&String, &(Json, Vec<String>))| {
            let text = match value {
                Json::Array(items) => joined(items),
                Json::String(text) => text.clone(),
                value => value.to_string(),
            };
            format!("{}='{}'\n", variable(key), text.replace('\'', r"'\''"))
        };
        self.values.iter().map(line).collect()
    }
}

/// The environment variable of `section.key`.
fn variable(key: &str) -> String {
    let (section, key) = key.split_once('.').unwrap_or((key, ""));
    environment_variable(section, key)
}

/// Items as the environment has them.
fn joined(items: &[Json]) -> String {
    let texts = items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
    texts.collect::<Vec<_>>().join(",")
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
