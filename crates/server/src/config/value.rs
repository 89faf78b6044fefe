//! Types of values that only the configuration has.

use std::fmt;
use std::path::PathBuf;

use license_manager_domain::operations::CronExpression;
use license_manager_domain::ports::IdSource as _;
use reqwest::Url;
use serde::{Deserialize, Serialize, Serializer};

use crate::system::RandomIds;

/// A secret text. Prints and serializes as `***`. Never empty.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Secret(String);

impl Secret {
    /// A secret with 244 random bits.
    pub fn random() -> Self {
        Self(format!("{}{}", RandomIds.next().simple(), RandomIds.next().simple()))
    }

    /// Whether it has fewer than 32 bytes, which RFC 7518 demands of keys for HS256.
    pub fn is_short(&self) -> bool {
        self.0.len() < 32
    }

    /// The text. Call it only where the secret is used.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Secret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() { Err("a secret must not be empty; leave the key out instead") } else { Ok(Self(text)) }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The database's kind and location. Printed, it hides users and passwords.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum DatabaseUrl {
    /// SQLite in this file: `sqlite:PATH` or `sqlite://PATH`, relative to the working directory unless it starts with
    /// `/`.
    Sqlite(PathBuf),
    /// Postgres; the URL for libpq: `postgres://…` or `postgresql://…`. It may hold a password.
    Postgres(String),
}

impl TryFrom<String> for DatabaseUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const ALLOWED: &str = "use sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME";
        // The text may hold a password, so errors quote only its scheme.
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(format!("this is not a database URL; {ALLOWED}"));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => sqlite_file(rest.strip_prefix("//").unwrap_or(rest)),
            "postgres" | "postgresql" if rest.starts_with("//") => Ok(Self::Postgres(text)),
            "postgres" | "postgresql" => Err(format!("`//` must follow `{scheme}:`; {ALLOWED}")),
            _ => Err(format!("`{}` is not a known kind of database; {ALLOWED}", scheme.escape_debug())),
        }
    }
}

fn sqlite_file(path: &str) -> Result<DatabaseUrl, String> {
    if path.is_empty() {
        return Err("`sqlite:` must be followed by the path of a file".to_owned());
    }
    if path == ":memory:" {
        return Err("a database in memory is lost between two connections; name a file after `sqlite:`".to_owned());
    }
    if path.contains(['?', '#']) {
        return Err("`sqlite:PATH` takes no options: leave out `?` and `#` and what follows".to_owned());
    }
    Ok(DatabaseUrl::Sqlite(PathBuf::from(path)))
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(&without_secrets(url)),
        }
    }
}

/// The parameters of URLs whose values are no secrets.
const PLAIN_PARAMETERS: [&str; 4] = ["host", "port", "sslmode", "tls"];

/// The URL without what may be a secret: the user, the password, the values of parameters, and the fragment.
pub(super) fn without_secrets(url: &str) -> String {
    let is_scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let (scheme, rest) = match url.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    // The last `@`, because an unescaped password may contain one, and a `?`, a `#` or a `/` as well.
    let (user, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, host)| ("***@", host));
    let (rest, fragment) = rest.split_once('#').map_or((rest, ""), |(rest, _)| (rest, "#***"));
    let Some((place, query)) = rest.split_once('?') else { return format!("{scheme}{user}{rest}{fragment}") };
    let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if PLAIN_PARAMETERS.contains(&name) => parameter.to_owned(),
        Some((name, _)) => format!("{name}=***"),
        None => "***".to_owned(),
    });
    let parameters: Vec<String> = parameters.collect();
    format!("{scheme}{user}{place}?{}{fragment}", parameters.join("&"))
}

/// A text as it may be shown: if it is a URL, without what may be a secret.
pub(super) fn shown(text: &str) -> String {
    if text.contains("://") { without_secrets(text) } else { text.to_owned() }
}

/// A mail server's URL. Printed, it hides users and passwords.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SmtpUrl(String);

impl SmtpUrl {
    /// The URL, which may hold a password.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SmtpUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // The text may hold a password, so errors do not quote it.
        match Url::parse(&text) {
            Ok(url)
                if matches!(url.scheme(), "smtp" | "smtps") && url.host_str().is_some_and(|host| !host.is_empty()) =>
            {
                Ok(Self(text))
            }
            _ => Err("this is not a mail server's address; use smtp://USER:PASSWORD@HOST:PORT or smtps://…"),
        }
    }
}

impl fmt::Display for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_secrets(&self.0))
    }
}

/// The source of the issuer's public keys.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum JwkSetSource {
    /// The JWK set as JSON; the text starts with `{`.
    Inline(String),
    /// An http or https URL of the JWK set.
    Url(Url),
    /// The path of a file with the JWK set.
    File(PathBuf),
}

impl TryFrom<String> for JwkSetSource {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.trim_start().starts_with('{') {
            return Ok(Self::Inline(text));
        }
        if text.is_empty() {
            return Err("a JWK set is JSON, an http(s) URL or the path of a file".to_owned());
        }
        match text.split_once("://") {
            None => Ok(Self::File(PathBuf::from(text))),
            Some(("http" | "https", _)) => {
                Url::parse(&text).map(Self::Url).map_err(|error| format!("this is not a URL: {error}"))
            }
            Some((scheme, _)) => {
                Err(format!("a JWK set is read from http and https addresses, not from `{}`", scheme.escape_debug()))
            }
        }
    }
}

impl fmt::Display for JwkSetSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("{…}"),
            Self::Url(url) => f.write_str(&without_secrets(url.as_str())),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl TryFrom<String> for LogFormat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("`{}` is not a log format; use `text` or `json`", text.escape_debug())),
        }
    }
}

/// When SQLite waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", rename_all = "lowercase")]
pub enum SqliteSynchronous {
    /// At every commit.
    Full,
    /// Not at every commit: a power failure can lose the latest ones.
    Normal,
}

impl TryFrom<String> for SqliteSynchronous {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "full" => Ok(Self::Full),
            "normal" => Ok(Self::Normal),
            _ => Err(format!(
                "`{}` does not say when SQLite waits for the disk; use `full` or `normal`",
                text.escape_debug()
            )),
        }
    }
}

/// The SameSite rule of a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", rename_all = "lowercase")]
pub enum SameSite {
    /// Sent from the server's own site, and with links from other sites.
    Lax,
    /// Sent from the server's own site only.
    Strict,
    /// Sent from every site.
    None,
}

impl TryFrom<String> for SameSite {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "lax" => Ok(Self::Lax),
            "strict" => Ok(Self::Strict),
            "none" => Ok(Self::None),
            _ => Err(format!("`{}` is not a rule for cookies; use `lax`, `strict` or `none`", text.escape_debug())),
        }
    }
}

/// When an operation runs on schedule.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Timing {
    /// Never.
    Off,
    /// At these times.
    At(CronExpression),
}

impl TryFrom<String> for Timing {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.trim().eq_ignore_ascii_case("off") {
            return Ok(Self::Off);
        }
        text.parse().map(Self::At).map_err(|problem| {
            let text = text.escape_debug();
            format!("`{text}` is not a cron expression of five fields, such as `0 */6 * * *`, nor `off`: {problem}")
        })
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(expression) => expression.fmt(f),
        }
    }
}

/// Prints and serializes through `Display`, which hides secrets.
macro_rules! shown_as_displayed {
    ($($kind:ty),*) => {$(
        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

shown_as_displayed!(Secret, DatabaseUrl, JwkSetSource, SmtpUrl, Timing);
