//! Asking a service.

use std::time::Duration;

use reqwest::blocking::Client;
use reqwest::header::RETRY_AFTER;
use reqwest::{StatusCode, Url};
use serde_json::Value;

use super::CommandError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(120);

/// How often a request is made that the service puts off.
const TIMES: u32 = 10;

/// The longest wait that a service may ask for.
const LONGEST_WAIT: u64 = 120;

/// A service.
pub(super) struct Service {
    /// The option that names it.
    option: &'static str,
    address: Url,
    token: String,
    client: Client,
}

/// What a service answers.
pub(super) struct Reply {
    pub status: u16,
    pub body: Value,
}

impl Service {
    pub(super) fn new(option: &'static str, address: &str, token: &str) -> Result<Self, CommandError> {
        let wrong = || CommandError::Arguments(format!("{option}: this is not the http or https address of a service"));
        let address = Url::parse(address).map_err(|_| wrong())?;
        if !matches!(address.scheme(), "http" | "https") || address.host_str().is_none() {
            return Err(wrong());
        }
        // Another host must not get the token, so redirections are not followed.
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| CommandError::Failed(error.to_string()))?;
        Ok(Self { option, address, token: token.to_owned(), client })
    }

    /// Asks for a path. Waits when it is asked too often.
    pub(super) fn get(&self, path: &str) -> Result<Reply, CommandError> {
        let failed = |problem: String| {
            CommandError::Failed(format!("{} {}: {problem}", self.option, self.address.origin().ascii_serialization()))
        };
        let start = self.address.as_str().trim_end_matches('/');
        for _ in 0..TIMES {
            let answer = self
                .client
                .get(format!("{start}{path}"))
                .header("Authorization", format!("JWT {}", self.token))
                .header("Accept", "application/json")
                .send()
                // The URL may name a person.
                .map_err(|error| failed(format!("it does not answer: {}", error.without_url())))?;
            let status = answer.status();
            if status == StatusCode::TOO_MANY_REQUESTS {
                let asked = answer.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
                std::thread::sleep(Duration::from_secs(asked.unwrap_or(1).clamp(1, LONGEST_WAIT)));
                continue;
            }
            if status == StatusCode::UNAUTHORIZED {
                return Err(failed("it does not accept the token".to_owned()));
            }
            let text =
                answer.text().map_err(|error| failed(format!("its answer ends early: {}", error.without_url())))?;
            let body = serde_json::from_str(&text).unwrap_or(Value::Null);
            return Ok(Reply { status: status.as_u16(), body });
        }
        Err(failed(format!("it was asked {TIMES} times and still answers 429")))
    }
}
