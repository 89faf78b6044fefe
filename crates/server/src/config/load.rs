//! Loads the configuration from its layers and reports errors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{ConfigBuilder, File, FileFormat, Source, Value, ValueKind, builder::DefaultState};
use thiserror::Error;

use super::keys::{PREFIX, environment_variable, sections};
use super::settings::Config;
use super::value::DatabaseUrl;

const DATABASE_URL: &str = "DATABASE_URL";

/// Why the configuration is invalid. Displays as one line that names the key as it was written and holds no secret.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file given with `--config` cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not valid TOML: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The place and the error.
        problem: String,
    },
    /// The file is not YAML with settings.
    #[error("{} is not a YAML file of settings: {problem}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// The place and the error.
        problem: String,
    },
    /// The key does not exist.
    #[error("{key}: there is no such key; {allowed}")]
    UnknownKey {
        /// The key as it was written: a variable's name, or `section.key in FILE`.
        key: String,
        /// The keys that exist.
        allowed: String,
    },
    /// The value is invalid for its key.
    #[error("{key}: {problem}")]
    BadValue {
        /// The key as it was written.
        key: String,
        /// What is wrong and what is allowed.
        problem: String,
    },
}

impl Config {
    /// Loads the configuration from the defaults, then `file`, then `environment`. Variables other than `DATABASE_URL`
    /// and `LM_…` are ignored.
    ///
    /// # Errors
    /// The first problem found, see [`ConfigError`].
    pub fn load(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let keys = KnownKeys::new();
        let mut builder = config::Config::builder();
        if let Some(path) = file {
            builder = builder.add_source(read_file(path, &keys)?);
        }
        // Sorted, so that the same error is reported every time.
        let environment: BTreeMap<_, _> = environment.collect();
        let mut variables = BTreeMap::new();
        if let Some(url) = environment.get(DATABASE_URL) {
            builder = set(builder, &mut variables, "database.url", DATABASE_URL, url)?;
        }
        for (variable, value) in environment.range(PREFIX.to_owned()..).take_while(|(name, _)| name.starts_with(PREFIX))
        {
            let key = keys.of_variable(variable)?;
            builder = set(builder, &mut variables, &key, variable, value)?;
        }
        let config: Self = builder
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|error| bad_value(error, &variables, file))?;
        config.check_cookies(&variables)?;
        config.check_replica(&variables)?;
        Ok(config)
    }

    /// Refuses a replica that is not Postgres, or of a database that is not.
    fn check_replica(&self, variables: &BTreeMap<String, String>) -> Result<(), ConfigError> {
        let problem = match (&self.database.replica_url, self.database.url_or_default()) {
            (None, _) | (Some(DatabaseUrl::Postgres(_)), DatabaseUrl::Postgres(_)) => return Ok(()),
            (Some(DatabaseUrl::Sqlite(_)), _) => "a replica is a standby of Postgres: use postgres://…",
            (_, DatabaseUrl::Sqlite(_)) => "the database is SQLite, which has no replicas: leave this out",
        };
        let key = "database.replica_url";
        let key = variables.get(key).map_or(key, String::as_str).to_owned();
        Err(ConfigError::BadValue { key, problem: problem.to_owned() })
    }

    /// Refuses two cookies of one name.
    fn check_cookies(&self, variables: &BTreeMap<String, String>) -> Result<(), ConfigError> {
        let cookies = [
            ("auth.cookie_header_payload", &self.auth.cookie_header_payload),
            ("auth.cookie_signature", &self.auth.cookie_signature),
            ("server.csrf_cookie_name", &self.server.csrf_cookie_name),
        ];
        for (place, (key, name)) in cookies.into_iter().enumerate() {
            if let Some((other, _)) = cookies[..place].iter().find(|(_, earlier)| *earlier == name) {
                let problem = format!("`{name}` is {other} too; the two cookies need different names");
                let key = variables.get(key).map_or(key, String::as_str).to_owned();
                return Err(ConfigError::BadValue { key, problem });
            }
        }
        Ok(())
    }
}

/// Overrides a value unless the variable is empty, and remembers the variable for error messages.
fn set(
    builder: ConfigBuilder<DefaultState>,
    variables: &mut BTreeMap<String, String>,
    key: &str,
    variable: &str,
    value: &str,
) -> Result<ConfigBuilder<DefaultState>, ConfigError> {
    if value.is_empty() {
        return Ok(builder);
    }
    variables.insert(key.to_owned(), variable.to_owned());
    builder
        .set_override(key, value)
        .map_err(|error| ConfigError::BadValue { key: variable.to_owned(), problem: one_line(&error.to_string()) })
}

/// Reads the file and checks that all its keys exist.
fn read_file(path: &Path, keys: &KnownKeys) -> Result<impl Source + Send + Sync + 'static + use<>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
    let source = File::from_str(&text, FileFormat::Toml);
    let sections = source.collect().map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        problem: one_line(&match error {
            config::ConfigError::FileParse { cause, .. } => cause.to_string(),
            error => error.to_string(),
        }),
    })?;
    let mut sections: Vec<(String, Value)> = sections.into_iter().collect();
    sections.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (section, content) in sections {
        keys.check_section(&section, content, path)?;
    }
    Ok(source)
}

/// The known keys per section, derived from the configuration's own structure.
struct KnownKeys(BTreeMap<String, Vec<String>>);

impl KnownKeys {
    fn new() -> Self {
        let named = |keys: Vec<(String, _)>| keys.into_iter().map(|(key, _)| key).collect();
        Self(sections(&Config::default()).into_iter().map(|(section, keys)| (section, named(keys))).collect())
    }

    fn check_section(&self, section: &str, content: Value, path: &Path) -> Result<(), ConfigError> {
        let name = |key: &str| format!("{} in {}", key.escape_debug(), path.display());
        let Some(known) = self.0.get(section) else {
            let sections: Vec<_> = self.0.keys().map(String::as_str).collect();
            return Err(ConfigError::UnknownKey {
                key: name(section),
                allowed: format!("the sections are {}", sections.join(", ")),
            });
        };
        let ValueKind::Table(content) = content.kind else {
            return Err(ConfigError::BadValue {
                key: name(section),
                problem: format!("this is a section, written [{section}] with its keys below"),
            });
        };
        let mut unknown: Vec<_> = flattened(content, known).into_iter().filter(|key| !known.contains(key)).collect();
        unknown.sort();
        match unknown.first() {
            None => Ok(()),
            Some(key) => Err(ConfigError::UnknownKey {
                key: name(&format!("{section}.{key}")),
                allowed: format!("[{section}] has {}", known.join(", ")),
            }),
        }
    }

    /// The key, as `section.key`, that an environment variable sets.
    fn of_variable(&self, variable: &str) -> Result<String, ConfigError> {
        let variables = |section: &String, keys: &Vec<String>| -> Vec<(String, String)> {
            keys.iter().map(|key| (environment_variable(section, key), format!("{section}.{key}"))).collect()
        };
        let all = self.0.iter().flat_map(|(section, keys)| variables(section, keys));
        if let Some((_, key)) = all.into_iter().find(|(known, _)| known == variable) {
            return Ok(key);
        }
        let section = self.0.iter().find(|(section, _)| {
            variable.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with(&section.to_uppercase()))
        });
        let allowed = match section {
            Some((section, keys)) => {
                let names: Vec<_> = variables(section, keys).into_iter().map(|(variable, _)| variable).collect();
                format!("there are {}", names.join(", "))
            }
            None => {
                let sections: Vec<_> = self.0.keys().map(|section| section.to_uppercase()).collect();
                format!("write {PREFIX}<SECTION>__<KEY>; the sections are {}", sections.join(", "))
            }
        };
        Err(ConfigError::UnknownKey { key: variable.escape_debug().to_string(), allowed })
    }
}

/// The keys of a section; those of a subsection as `inner.key`.
fn flattened(section: config::Map<String, Value>, known: &[String]) -> Vec<String> {
    let mut keys = Vec::new();
    for (key, value) in section {
        let inner = format!("{key}.");
        match value.kind {
            ValueKind::Table(content) if known.iter().any(|known| known.starts_with(&inner)) => {
                keys.extend(content.into_keys().map(|key| format!("{inner}{key}")));
            }
            _ => keys.push(key),
        }
    }
    keys
}

/// The error with the key as it was written: the variable's name for a value from the environment.
fn bad_value(error: config::ConfigError, variables: &BTreeMap<String, String>, file: Option<&Path>) -> ConfigError {
    let (key, problem) = match error {
        config::ConfigError::Type { unexpected, expected, key, .. } => {
            (key, format!("it must be {expected}, not {unexpected}"))
        }
        config::ConfigError::At { error, key, .. } => (key, error.to_string()),
        error => (None, error.to_string()),
    };
    let key = key.unwrap_or_default();
    let without_index = key.split('[').next().unwrap_or_default();
    let key = match (variables.get(without_index), file) {
        (Some(variable), _) => variable.clone(),
        (None, Some(path)) => format!("{key} in {}", path.display()),
        (None, None) => key,
    };
    ConfigError::BadValue { key, problem: one_line(&problem) }
}

/// A library's message on one line, without its excerpt of the source.
fn one_line(message: &str) -> String {
    let lines: Vec<_> = message
        .lines()
        .filter(|line| !line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').starts_with('|'))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join(": ")
}
