//! The credentials of a bucket: set, or those that the platform gives to the process.
//!
//! The order is that of Amazon's own tools: the environment's keys, a role for a web identity (service accounts of
//! EKS), the container's endpoint (ECS, pod identities of EKS), and the instance's endpoint (EC2, version 2 of the
//! service). Profiles in files of a home directory are not read: they are for people.

use std::fs;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, RequestBuilder};
use rusty_s3::Credentials;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::client::{Client, no_answer, read};
use super::traced::{self, Shown};

/// Temporary credentials are replaced this long before they expire, so that a link signed with them works for a while.
const MARGIN: TimeDelta = TimeDelta::minutes(15);
/// After a failure nobody asks again for so long, so that callers do not wait one after another for the same failure.
const PAUSE: TimeDelta = TimeDelta::seconds(10);
/// The platform's endpoints are on the same machine.
const TIMEOUT: Duration = Duration::from_secs(3);
const CONTAINER: &str = "http://169.254.170.2";
const INSTANCE: &str = "http://169.254.169.254";

/// Where the credentials come from.
#[derive(Clone)]
pub enum CredentialSource {
    /// Keys that do not change.
    Fixed {
        /// The id of the access key.
        access_key_id: String,
        /// The secret access key.
        secret_access_key: String,
        /// The token of a session, which temporary keys need.
        session_token: Option<String>,
    },
    /// A role that a token service gives to whoever has the token in a file.
    WebIdentity {
        /// The URL of the token service.
        url: String,
        /// The role's name (ARN).
        role: String,
        /// The name of the session, which the service's logs show.
        session: String,
        /// The path of the file. It is read each time, since the platform replaces the token.
        token_file: String,
    },
    /// An endpoint of the container's platform.
    Container {
        /// Its URL.
        url: String,
        /// What to send as `Authorization`.
        authorization: Option<Authorization>,
    },
    /// The metadata endpoint of the instance.
    Instance {
        /// Its URL, without a trailing slash.
        url: String,
    },
    /// Nowhere: nothing is set, and the instance's endpoint must not be asked.
    Nowhere,
}

/// A token for a container's endpoint.
#[derive(Clone)]
pub enum Authorization {
    /// The token itself.
    Token(String),
    /// The path of a file with the token.
    File(String),
}

impl CredentialSource {
    /// What the environment of the process says. `variable` gives the value of a variable that is set. `region` is
    /// that of the token service.
    pub fn from_environment(region: &str, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        if let (Some(access_key_id), Some(secret_access_key)) = (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY"))
        {
            return Self::Fixed { access_key_id, secret_access_key, session_token: set("AWS_SESSION_TOKEN") };
        }
        if let (Some(token_file), Some(role)) = (set("AWS_WEB_IDENTITY_TOKEN_FILE"), set("AWS_ROLE_ARN")) {
            let url = set("AWS_ENDPOINT_URL_STS").unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com"));
            let session = set("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "license-manager".to_owned());
            return Self::WebIdentity { url, role, session, token_file };
        }
        let relative = set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{CONTAINER}{path}"));
        if let Some(url) = relative.or_else(|| set("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
            let file = set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(Authorization::File);
            let authorization = file.or_else(|| set("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Authorization::Token));
            return Self::Container { url, authorization };
        }
        if set("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
            return Self::Nowhere;
        }
        let url = set("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| INSTANCE.to_owned());
        Self::Instance { url: url.trim_end_matches('/').to_owned() }
    }

    /// What it is, for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fixed { .. } => "keys",
            Self::WebIdentity { .. } => "a role for a web identity",
            Self::Container { .. } => "the container's endpoint",
            Self::Instance { .. } => "the instance's endpoint",
            Self::Nowhere => "none",
        }
    }
}

/// The current credentials. Concurrent callers share the fetch of new ones, and its failure.
pub(super) struct BucketCredentials {
    source: CredentialSource,
    client: Client,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    current: Option<Held>,
    /// The latest failure, and when it was.
    failure: Option<(DateTime<Utc>, String)>,
}

#[derive(Clone)]
struct Held {
    credentials: Credentials,
    expires: DateTime<Utc>,
}

/// The answer of the container's and of the instance's endpoint.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: DateTime<Utc>,
}

impl BucketCredentials {
    pub(super) fn new(source: CredentialSource, client: Client) -> Self {
        Self { source, client, known: Mutex::default() }
    }

    /// Valid credentials. Those that expire soon are still given if new ones cannot be had.
    ///
    /// # Errors
    /// What happened, as a text that follows "the bucket".
    pub(super) async fn current(&self, now: DateTime<Utc>) -> Result<Credentials, String> {
        if let CredentialSource::Fixed { access_key_id, secret_access_key, session_token } = &self.source {
            return Ok(match session_token {
                Some(token) => Credentials::new_with_token(access_key_id, secret_access_key, token),
                None => Credentials::new(access_key_id, secret_access_key),
            });
        }
        if let CredentialSource::Nowhere = self.source {
            return Err("was not called: no credentials are set".to_owned());
        }
        let mut known = self.known.lock().await;
        if let Some(held) = known.current.as_ref().filter(|held| now < held.expires - MARGIN) {
            return Ok(held.credentials.clone());
        }
        let failure = known.failure.take().filter(|(at, _)| now < *at + PAUSE);
        let (at, problem) = match failure {
            Some(failure) => failure,
            None => match self.fetch().await {
                Ok(held) => return Ok(known.current.insert(held).credentials.clone()),
                Err(problem) => (now, problem),
            },
        };
        let told = match known.current.as_ref().filter(|held| now < held.expires) {
            Some(held) => Ok(held.credentials.clone()),
            None => Err(format!("was not called: {} {problem}", self.source.name())),
        };
        known.failure = Some((at, problem));
        told
    }

    async fn fetch(&self) -> Result<Held, String> {
        match &self.source {
            // Never asked for.
            CredentialSource::Fixed { .. } | CredentialSource::Nowhere => Err("do not change".to_owned()),
            CredentialSource::WebIdentity { url, role, session, token_file } => {
                let token = token_in(token_file)?;
                let form = [
                    ("Action", "AssumeRoleWithWebIdentity"),
                    ("Version", "2011-06-15"),
                    ("RoleArn", role),
                    ("RoleSessionName", session),
                    ("WebIdentityToken", &token),
                ];
                let answer = self.answer(self.client.request(Method::POST, url).form(&form)).await?;
                of_xml(&answer).ok_or_else(|| "answered no credentials".to_owned())
            }
            CredentialSource::Container { url, authorization } => {
                let request = self.client.request(Method::GET, url);
                let token = match authorization {
                    Some(Authorization::Token(token)) => Some(token.clone()),
                    Some(Authorization::File(path)) => Some(token_in(path)?),
                    None => None,
                };
                let request = match token {
                    Some(token) => request.header("Authorization", token),
                    None => request,
                };
                of_json(&self.answer(request).await?)
            }
            CredentialSource::Instance { url } => {
                let request = self.client.request(Method::PUT, &format!("{url}/latest/api/token"));
                let token = self.text(request.header("X-aws-ec2-metadata-token-ttl-seconds", "60")).await?;
                let roles = format!("{url}/latest/meta-data/iam/security-credentials/");
                let get = |url: &str| self.client.request(Method::GET, url).header("X-aws-ec2-metadata-token", &token);
                let listed = self.text(get(&roles)).await?;
                let role = listed.lines().next().unwrap_or_default().trim();
                of_json(&self.answer(get(&format!("{roles}{role}"))).await?)
            }
        }
    }

    async fn text(&self, request: RequestBuilder) -> Result<String, String> {
        String::from_utf8(self.answer(request).await?).map_err(|_| "answered something that is not text".to_owned())
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Vec<u8>, String> {
        let answer = traced::send("credentials", Shown::Path, request.timeout(TIMEOUT)).await;
        let answer = answer.map_err(|error| no_answer(&error))?;
        match answer.status() {
            status if status.is_success() => read(answer).await,
            status => Err(format!("answered {status}")),
        }
    }
}

fn token_in(path: &str) -> Result<String, String> {
    let token = fs::read_to_string(path).map_err(|error| format!("has no token: {path}: {error}"))?;
    Ok(token.trim().to_owned())
}

fn of_json(answer: &[u8]) -> Result<Held, String> {
    let given: Given = serde_json::from_slice(answer).map_err(|_| "answered no credentials".to_owned())?;
    let credentials = Credentials::new_with_token(given.access_key_id, given.secret_access_key, given.token);
    Ok(Held { credentials, expires: given.expiration })
}

/// The answer of the token service, whose elements hold plain text.
fn of_xml(answer: &[u8]) -> Option<Held> {
    let text = std::str::from_utf8(answer).ok()?;
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0)
    };
    let [key, secret, token] = ["AccessKeyId", "SecretAccessKey", "SessionToken"].map(element);
    let expires = DateTime::parse_from_rfc3339(element("Expiration")?).ok()?.to_utc();
    Some(Held { credentials: Credentials::new_with_token(key?, secret?, token?), expires })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(variables: &[(&str, &str)]) -> CredentialSource {
        let value = |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        CredentialSource::from_environment("eu-west-1", value)
    }

    #[test]
    fn the_first_source_that_is_set_is_taken() {
        let keys = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "hunter2"), ("AWS_SESSION_TOKEN", "t")];
        let identity = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", "arn:role")];
        let container = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")];
        let all = [&keys[..], &identity, &container].concat();
        assert!(matches!(source(&all), CredentialSource::Fixed { session_token: Some(_), .. }));
        assert!(matches!(source(&keys[..1]), CredentialSource::Instance { url } if url == INSTANCE));
        match source(&all[3..]) {
            CredentialSource::WebIdentity { url, role, session, token_file } => assert_eq!(
                [url.as_str(), &role, &session, &token_file],
                ["https://sts.eu-west-1.amazonaws.com", "arn:role", "license-manager", "/token"]
            ),
            other => panic!("{}", other.name()),
        }
        match source(&container) {
            CredentialSource::Container { url, authorization: None } => assert_eq!(url, "http://169.254.170.2/v2/x"),
            other => panic!("{}", other.name()),
        }
        let pod = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token"),
        ];
        let CredentialSource::Container { authorization, .. } = source(&pod) else { panic!("another source") };
        assert!(matches!(authorization, Some(Authorization::File(path)) if path == "/token"));
        let disabled = ("AWS_EC2_METADATA_DISABLED", "True");
        assert!(matches!(source(&[disabled]), CredentialSource::Nowhere));
        assert!(matches!(source(&[disabled, container[0]]), CredentialSource::Container { .. }));
        assert!(matches!(source(&[("AWS_EC2_METADATA_DISABLED", "false")]), CredentialSource::Instance { .. }));
        let empty = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", " ")];
        assert!(matches!(source(&empty), CredentialSource::Instance { .. }));
    }
}
