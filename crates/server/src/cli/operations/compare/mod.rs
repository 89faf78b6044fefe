//! `license-manager compare`: sends the same requests to this service and another one, and reports where the answers
//! differ.
//!
//! | module | contents |
//! |---|---|
//! | `service` | asking a service |
//! | `differences` | comparing two answers |
//!
//! The requests are those of the portals. They change nothing.

mod differences;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use license_manager_domain::operations::Supervisor as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::arguments::{ShowOptions, SummaryFormat};
use super::error::CommandError;
use super::supervisor::CommandSupervisor;
use crate::cli::runtime::command_runtime;
use crate::config::Config;
use differences::{Difference, differences};
use service::{Reply, Service};

/// Options of `compare`.
#[derive(Debug, Args)]
pub struct CompareArguments {
    /// The other service, such as https://old.example.com.
    #[arg(long, value_name = "URL")]
    pub with: String,
    /// This service; default: the address of server.listen.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// The file with an access token that both services accept. Its user must be an admin of the customers.
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
    /// Compare these plans; comma-separated; default: a sample of all plans that the token may read.
    #[arg(long, value_name = "UUID", value_delimiter = ',', num_args = 1..)]
    pub plans: Vec<Uuid>,
    /// The number of plans to compare, and the number of people of each plan.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub sample: u32,
    /// How to print the result.
    #[command(flatten)]
    pub show: ShowOptions,
}

/// Compares the services and prints a summary. Returns `false` if answers differ, or if none was compared.
///
/// # Errors
/// See [`CommandError`].
pub fn compare(config: &Config, arguments: &CompareArguments, out: &mut impl Write) -> Result<bool, CommandError> {
    let token = read_token(&arguments.token_file)?;
    let own = arguments.server.clone().unwrap_or_else(|| format!("http://{}", config.server.listen));
    let here = Service::new("--server", &own, &token)?;
    let there = Service::new("--with", &arguments.with, &token)?;
    let runtime = command_runtime()?;
    let supervisor = {
        let _entered = runtime.enter();
        CommandSupervisor::start("compare")?
    };
    let mut comparison = Comparison {
        here,
        there,
        supervisor,
        asked: BTreeSet::new(),
        equal: 0,
        different: 0,
        refused: BTreeMap::new(),
        found: Vec::new(),
    };
    let plans = match arguments.plans.is_empty() {
        true => comparison.sample_of_plans(arguments.sample)?,
        false => arguments.plans.iter().map(ToString::to_string).collect(),
    };
    comparison.supervisor.found(plans.len() as u64);
    for plan in &plans {
        comparison.plan(plan, arguments.sample as usize)?;
        comparison.supervisor.advanced(1);
    }
    comparison.write(plans.len(), arguments.show.output, out)?;
    Ok(comparison.different == 0 && comparison.equal > 0)
}

fn read_token(path: &Path) -> Result<String, CommandError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| CommandError::Arguments(format!("--token-file {}: {error}", path.display())))?;
    // It may be written as in the header.
    let token = text.trim().trim_start_matches("JWT ").trim().to_owned();
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if is_token {
        Ok(token)
    } else {
        Err(CommandError::Arguments(format!("--token-file {}: it holds no token", path.display())))
    }
}

/// The most requests with different answers that are listed. The others are counted.
const LISTED: usize = 1_000;

/// A request whose answers differ.
struct Found {
    path: String,
    differences: Vec<Difference>,
}

struct Comparison {
    here: Service,
    there: Service,
    supervisor: CommandSupervisor,
    /// Hashes of what was asked already: a large sample asks for millions of paths.
    asked: BTreeSet<u64>,
    /// The number of requests with equal answers.
    equal: usize,
    /// The number of requests whose answers differ.
    different: usize,
    /// The number of requests that both refuse, by the kind of request. They are neither equal nor different.
    refused: BTreeMap<String, usize>,
    /// Some of the requests whose answers differ.
    found: Vec<Found>,
}

/// The result of a request.
enum Outcome {
    /// It was asked before.
    Before,
    /// Both refuse the token.
    Refused,
    /// This service answers so.
    Answered(Reply),
}

impl Outcome {
    /// The body of an answer that is no error.
    fn body(self) -> Option<Value> {
        match self {
            Self::Answered(Reply { status: 200, body }) => Some(body),
            _ => None,
        }
    }
}

impl Comparison {
    /// Some plans, spread over all that the token may read.
    fn sample_of_plans(&mut self, sample: u32) -> Result<Vec<String>, CommandError> {
        let list = "/api/v1/subscriptions/?page_size=1";
        let first = self.here.get(list)?;
        let Some(number) = first.body["count"].as_u64().filter(|_| first.status == 200) else {
            let problem =
                format!("{list} of this service is answered {}: the token must be that of an admin", first.status);
            return Err(CommandError::Failed(problem));
        };
        let taken = number.min(u64::from(sample));
        let mut plans = Vec::new();
        for place in 0..taken {
            self.go_on()?;
            let page = 1 + place * number / taken.max(1);
            let answer = self.here.get(&format!("/api/v1/subscriptions/?page={page}&page_size=1"))?;
            plans.extend(answer.body["results"][0]["uuid"].as_str().map(str::to_owned));
        }
        Ok(plans)
    }

    /// Compares a plan: itself, its licenses, its agreement and some of its people.
    fn plan(&mut self, plan: &str, people: usize) -> Result<(), CommandError> {
        let path = format!("/api/v1/subscriptions/{plan}/");
        let different = self.different;
        let outcome = self.compare(&path)?;
        let is_refused = match &outcome {
            Outcome::Before => false,
            Outcome::Refused => true,
            Outcome::Answered(reply) => reply.status >= 400 && self.different == different,
        };
        if is_refused {
            let problem = format!("plan {plan} is not there, or the token may not read it: both services refuse it");
            return Err(CommandError::Failed(problem));
        }
        let answer = outcome.body();
        let customer = answer.as_ref().and_then(|body| body["enterprise_customer_uuid"].as_str()).map(str::to_owned);
        if let Some(customer) = &customer {
            for list in ["subscriptions", "customer-agreement", "learner-licenses", "learner-subscriptions"] {
                self.compare(&format!("/api/v1/{list}/?enterprise_customer_uuid={customer}"))?;
            }
        }
        self.compare(&format!("{path}licenses/overview/"))?;
        let licenses = self.compare(&format!("{path}licenses/?page_size=100"))?.body();
        self.compare(&format!("{path}licenses/?page=last&page_size=100"))?;
        self.compare(&format!("{path}licenses/?ordering=user_email&page_size=100&status=assigned%2Cactivated"))?;
        let addresses: BTreeSet<String> = licenses
            .iter()
            .flat_map(|body| body["results"].as_array().into_iter().flatten())
            .filter_map(|license| license["user_email"].as_str().filter(|text| !text.is_empty()))
            .map(str::to_owned)
            .take(people)
            .collect();
        for address in addresses {
            let address: String = form_urlencoded::byte_serialize(address.as_bytes()).collect();
            self.compare(&format!("{path}licenses/?search={address}"))?;
            if let Some(customer) = &customer {
                self.compare(&format!(
                    "/api/v1/admin-license-view/?enterprise_customer_uuid={customer}&user_email={address}"
                ))?;
            }
        }
        Ok(())
    }

    /// Asks both, and returns what this service answers. Answers that differ are asked for once more: somebody may have
    /// changed something between them.
    fn compare(&mut self, path: &str) -> Result<Outcome, CommandError> {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        if !self.asked.insert(hasher.finish()) {
            return Ok(Outcome::Before);
        }
        self.go_on()?;
        let mut replies = (self.here.get(path)?, self.there.get(path)?);
        let mut found = differ(&replies.0, &replies.1);
        if !found.is_empty() {
            replies = (self.here.get(path)?, self.there.get(path)?);
            found = differ(&replies.0, &replies.1);
        }
        let here = replies.0;
        // A refusal hides the answer, so that both refuse proves nothing.
        if found.is_empty() && matches!(here.status, 401 | 403) {
            *self.refused.entry(kind_of(path)).or_default() += 1;
            return Ok(Outcome::Refused);
        }
        if found.is_empty() {
            self.equal += 1;
        } else {
            self.different += 1;
            if self.found.len() < LISTED {
                self.found.push(Found { path: path.to_owned(), differences: found });
            }
        }
        Ok(Outcome::Answered(here))
    }

    fn go_on(&self) -> Result<(), CommandError> {
        match self.supervisor.is_stopping() {
            true => Err(CommandError::Failed("it was stopped".to_owned())),
            false => Ok(()),
        }
    }

    fn write(&self, plans: usize, format: SummaryFormat, out: &mut impl Write) -> std::io::Result<()> {
        let refused: usize = self.refused.values().sum();
        let requests = self.equal + self.different + refused;
        let not_listed = self.different - self.found.len();
        if format == SummaryFormat::Json {
            let found = |found: &Found| {
                let rows: Vec<Value> = found.differences.iter().map(Difference::json).collect();
                json!({ "request": masked(&found.path), "differences": rows })
            };
            let found: Vec<Value> = self.found.iter().map(found).collect();
            let summary = json!({
                "operation": "compare", "plans": plans, "requests": requests, "equal": self.equal,
                "refused_by_both": refused, "refused": self.refused, "different": found, "not_listed": not_listed,
            });
            return writeln!(out, "{summary}");
        }
        writeln!(out, "compare")?;
        writeln!(out, "  plans: {plans}")?;
        writeln!(out, "  requests: {requests}")?;
        writeln!(out, "  equal: {}", self.equal)?;
        writeln!(out, "  different: {}", self.different)?;
        writeln!(out, "  refused by both: {refused}")?;
        for (kind, number) in &self.refused {
            writeln!(out, "    {kind}: {number}")?;
        }
        if refused > 0 {
            writeln!(out, "  What both refuse is not compared. A token with administrator reads everything.")?;
        }
        if self.equal + self.different == 0 {
            writeln!(out, "  Nothing was compared.")?;
        }
        for Found { path, differences } in &self.found {
            writeln!(out, "{}", masked(path))?;
            for difference in differences {
                writeln!(out, "  {difference}")?;
            }
        }
        if not_listed > 0 {
            writeln!(out, "and {not_listed} more")?;
        }
        Ok(())
    }
}

fn differ(here: &Reply, there: &Reply) -> Vec<Difference> {
    match here.status == there.status {
        // Messages are worded differently.
        true if here.status >= 400 => Vec::new(),
        true => differences(&here.body, &there.body),
        false => vec![Difference::status(here.status, there.status)],
    }
}

/// What a path asks for: without ids and query, so that the number of kinds does not grow.
fn kind_of(path: &str) -> String {
    let path = path.split('?').next().unwrap_or(path);
    let part = |part: &str| if Uuid::try_parse(part).is_ok() { "…".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// A path without addresses of people.
fn masked(path: &str) -> String {
    let hidden = |pair: &str| match pair.split_once('=') {
        Some((name @ ("search" | "user_email"), _)) => format!("{name}=…"),
        _ => pair.to_owned(),
    };
    match path.split_once('?') {
        Some((path, query)) => format!("{path}?{}", query.split('&').map(hidden).collect::<Vec<_>>().join("&")),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_names_no_row_and_no_person() {
        let plan = "/api/v1/subscriptions/5c95ce38-1e9c-41e5-aa8c-9023281f96de/licenses/?search=amy%40example.com";
        assert_eq!(kind_of(plan), "/api/v1/subscriptions/…/licenses/");
        assert_eq!(kind_of("/api/v1/learner-licenses/?x=1"), "/api/v1/learner-licenses/");
    }
}
