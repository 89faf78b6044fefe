//! Runs the conformance cases: what existing clients send and the answers they need.
//!
//! `tests/conformance/README.md` describes the format.

mod matcher;
mod variables;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use regex_lite::Regex;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub use matcher::differences;
pub use variables::Variables;

use crate::{Client, Person, Request, Response, Server, poll};

/// The time limit of a step marked `eventually`.
const EVENTUALLY: Duration = Duration::from_secs(10);

/// The most differences shown per step.
const SHOWN: usize = 12;

/// A conformance case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the case shows.
    pub about: String,
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// A request and the expected answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    #[serde(rename = "as")]
    caller: Option<Value>,
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "even_null")]
    body: Option<Value>,
    raw_body: Option<String>,
    note: Option<String>,
    expect: Expectation,
    #[serde(default)]
    capture: BTreeMap<String, String>,
    #[serde(default)]
    eventually: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    status: u16,
    #[serde(default, deserialize_with = "even_null")]
    body: Option<Value>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// Distinguishes a null body from an absent one.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The differences of one step.
#[derive(Debug)]
pub struct Failure {
    /// The step's number, starting at 1.
    pub number: usize,
    /// Its method, path and note.
    pub step: String,
    /// All differences.
    pub differences: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "step {}: {}", self.number, self.step)?;
        for difference in self.differences.iter().take(SHOWN) {
            write!(formatter, "\n    {difference}")?;
        }
        if self.differences.len() > SHOWN {
            write!(formatter, "\n    and {} more", self.differences.len() - SHOWN)?;
        }
        Ok(())
    }
}

/// The folder of the cases.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

/// Runs the case on a server. Panics with all differences.
pub fn assert_conforms(name: &str, server: &Server) {
    let path = folder().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let case: Case =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{} is no case: {error}", path.display()));
    let failures = case.replay(&server.base());
    let report: Vec<_> = failures.iter().map(Failure::to_string).collect();
    assert!(
        failures.is_empty(),
        "{name} ({}): {} of {} steps differ\n{}",
        case.about,
        failures.len(),
        case.steps.len(),
        report.join("\n")
    );
}

impl Case {
    /// Runs all steps on the server at this address, and returns those that failed.
    pub fn replay(&self, base: &str) -> Vec<Failure> {
        self.replay_with(base, &mut |_, _| {})
    }

    /// Like `replay`; passes each request's body and answer to `observe`.
    pub fn replay_with(&self, base: &str, observe: &mut dyn FnMut(Option<&Value>, &Response)) -> Vec<Failure> {
        let mut variables = Variables::new(base);
        let mut failures = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            // A step that cannot be run counts as one difference.
            let differences = step.play(base, &mut variables, observe).unwrap_or_else(|problem| vec![problem]);
            if !differences.is_empty() {
                failures.push(Failure { number: index + 1, step: step.to_string(), differences });
            }
        }
        failures
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)?;
        match &self.note {
            Some(note) => write!(formatter, " ({note})"),
            None => Ok(()),
        }
    }
}

impl Step {
    fn play(
        &self,
        base: &str,
        variables: &mut Variables,
        observe: &mut dyn FnMut(Option<&Value>, &Response),
    ) -> Result<Vec<String>, String> {
        let patience = if self.eventually { EVENTUALLY } else { Duration::ZERO };
        let mut last = None;
        poll(patience, || {
            let outcome = self.ask(base, variables, observe);
            let settled = match &outcome {
                Ok((_, differences)) => differences.is_empty(),
                Err(_) => true,
            };
            last = Some(outcome);
            settled.then_some(())
        });
        let (answer, mut differences) = last.expect("a step is played at least once")?;
        for (name, pointer) in &self.capture {
            match answer.body.pointer(pointer) {
                Some(value) => variables.set(name, value.clone()),
                None => differences
                    .push(format!("capture {name}: nothing at {pointer} in {}", matcher::abridged(&answer.body))),
            }
        }
        Ok(differences)
    }

    /// Sends the request once. Returns the answer and its differences from the expected one.
    fn ask(
        &self,
        base: &str,
        variables: &mut Variables,
        observe: &mut dyn FnMut(Option<&Value>, &Response),
    ) -> Result<(Response, Vec<String>), String> {
        let caller = match &self.caller {
            Some(caller) => variables.fill(caller)?,
            None => Value::Null,
        };
        let client = match &caller {
            Value::Null => Client::anonymous(base),
            Value::String(authorization) => Client::with_authorization(base, authorization),
            person => Client::of(base, &Person::from_case(person)?),
        };
        let mut request = Request::new(&self.method, variables.fill_text(&self.path)?);
        for (name, value) in &self.headers {
            request = request.header(name, &variables.fill_text(value)?);
        }
        let body = self.body.as_ref().map(|body| variables.fill(body)).transpose()?;
        if let Some(body) = &body {
            request = request.json(body);
        } else if let Some(body) = &self.raw_body {
            request = request.body(variables.fill_text(body)?);
        }
        let answer = client.try_send(request).map_err(|error| format!("no answer: {error:?}"))?;
        observe(body.as_ref(), &answer);
        let differences = self.expect.differences(&answer, variables)?;
        Ok((answer, differences))
    }
}

impl Expectation {
    fn differences(&self, answer: &Response, variables: &mut Variables) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        if answer.status != self.status {
            // With another status the whole body would differ, so show it once.
            found.push(format!(
                "status: want {}, got {}: {}",
                self.status,
                answer.status,
                matcher::abridged(&answer.body)
            ));
        } else if let Some(body) = &self.body {
            found.extend(differences(&variables.fill(body)?, &answer.body));
        }
        for (name, pattern) in &self.headers {
            let fits = Regex::new(pattern).map_err(|error| format!("{pattern:?}: {error}"))?;
            let got = answer.header(name);
            if !fits.is_match(got) {
                found.push(format!("header {name}: want /{pattern}/, got {got:?}"));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
