//! The upstream services, each really asked, and the certificates of all addresses.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use license_manager_adapters::http::{
    AccessTokens, Braze, Client, HttpUpstream, SignInError, Timeouts, Visit, Visitor, client,
};
use license_manager_domain::Upstream;
use license_manager_domain::ports::Clock as _;
use license_manager_domain::words::counted;

use super::findings::Finding;
use crate::auth::read_keys;
use crate::config::{Config, JwkSetSource, ProviderKind};
use crate::console::client_of;
use crate::system::SystemClock;
use crate::upstreams::{braze, bucket, oauth_client, smtp};

/// How long a service may take to answer.
const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(3), answer: Duration::from_secs(10) };
/// The same for a mail server, which is asked several things.
const MAIL_TIMEOUT: Duration = Duration::from_secs(12);
/// The most time for all that one question takes, such as an access token and then an answer. A service that hangs must not
/// hide what the others said.
const LIMIT: Duration = Duration::from_secs(15);
/// A certificate that ends in fewer days is worth a warning.
const CERTIFICATE_DAYS: i64 = 21;
/// How far the clock of a service may be from that of this machine: its tokens and ours are valid by both.
const CLOCK_WARNING: TimeDelta = TimeDelta::seconds(30);

type Question<'a> = BoxFuture<'a, Vec<Finding>>;

/// Asks every configured service at the same time. Settings that are incomplete were found before, and are left out.
pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let (client, visitor) = match (client(TIMEOUTS), Visitor::new(TIMEOUTS)) {
        (Ok(client), Ok(visitor)) => (client, visitor),
        (Err(problem), _) | (_, Err(problem)) => return vec![Finding::failed("services", problem)],
    };
    let tokens = oauth_client(&config.oauth).ok().flatten();
    let tokens = tokens.map(|(url, credentials)| Arc::new(AccessTokens::new(url, credentials, client.clone())));
    let mut questions: Vec<(&'static str, Question<'_>)> = vec![
        ("oauth", oauth(tokens.clone())),
        ("lms", upstream("lms", Upstream::Lms, config.lms.url.as_deref(), &client, tokens.as_ref())),
        ("catalog", upstream("catalog", Upstream::Catalog, config.catalog.url.as_deref(), &client, tokens.as_ref())),
        ("braze", of_braze(config, &client)),
        ("smtp", of_smtp(config)),
        ("s3", of_bucket(config)),
        ("keys", keys(config)),
        ("sign-in", sign_in(config, &client)),
    ];
    questions.extend(addresses(config).into_iter().map(|(name, url)| (name, visited(name, url, visitor.clone()))));
    let answers = questions.into_iter().map(|(check, question)| async move {
        match tokio::time::timeout(LIMIT, question).await {
            Ok(findings) => findings,
            Err(_) => {
                vec![Finding::failed(check, format!("there was no answer within {} seconds", LIMIT.as_secs()))]
            }
        }
    });
    join_all(answers).await.into_iter().flatten().collect()
}

fn nothing_to_ask(check: &'static str) -> Question<'static> {
    async move { vec![Finding::off(check, "not set")] }.boxed()
}

fn oauth(tokens: Option<Arc<AccessTokens>>) -> Question<'static> {
    let Some(tokens) = tokens else { return nothing_to_ask("oauth") };
    async move {
        vec![match tokens.ask().await {
            Ok(()) => Finding::ok("oauth", "gives access tokens"),
            Err(problem) => Finding::failed("oauth", format!("{problem} when asked for an access token (LM_OAUTH__…)")),
        }]
    }
    .boxed()
}

fn upstream<'a>(
    check: &'static str,
    which: Upstream,
    url: Option<&'a str>,
    client: &Client,
    tokens: Option<&Arc<AccessTokens>>,
) -> Question<'a> {
    let Some(url) = url else { return nothing_to_ask(check) };
    let upstream = HttpUpstream::new(which, url, client.clone(), tokens.cloned());
    async move {
        vec![match upstream.ask_for_nothing().await {
            Ok(()) => Finding::ok(check, "answers"),
            Err(problem) => Finding::failed(check, format!("{problem} (LM_{}__URL)", check.to_uppercase())),
        }]
    }
    .boxed()
}

fn of_braze(config: &Config, client: &Client) -> Question<'static> {
    let Ok(Some(options)) = braze(&config.braze) else { return nothing_to_ask("braze") };
    let braze = Braze::new(options, client.clone(), Arc::new(SystemClock));
    async move {
        vec![match braze.ask_for_nobody().await {
            Ok(()) => Finding::ok("braze", "answers"),
            Err(problem) => Finding::failed("braze", format!("{problem} (LM_BRAZE__…)")),
        }]
    }
    .boxed()
}

fn of_smtp(config: &Config) -> Question<'static> {
    let Ok(Some(mail)) = smtp(&config.smtp, MAIL_TIMEOUT) else { return nothing_to_ask("smtp") };
    async move {
        match mail.greet().await {
            Ok(ends) => {
                let greeted = Finding::ok("smtp", "answers, and accepts the login if there is one");
                std::iter::once(greeted).chain(ends.map(|ends| certificate("smtp", ends))).collect()
            }
            Err(problem) => vec![Finding::failed("smtp", format!("the mail server {problem} (LM_SMTP__URL)"))],
        }
    }
    .boxed()
}

fn of_bucket(config: &Config) -> Question<'static> {
    let Ok(Some(bucket)) = bucket(&config.s3, TIMEOUTS.answer) else { return nothing_to_ask("s3") };
    async move {
        vec![match bucket.ask_for_nothing().await {
            Ok(true) => Finding::ok("s3", "answers"),
            Ok(false) => Finding::warning(
                "s3",
                "denies access, as it does if listing objects is not allowed: writing was not tested",
            ),
            Err(problem) => Finding::failed("s3", format!("the bucket {problem} (LM_S3__…)")),
        }]
    }
    .boxed()
}

/// The public keys of every issuer.
fn keys(config: &Config) -> Question<'_> {
    let issuers = config.auth.all_issuers().into_iter();
    let sources: Vec<_> = issuers.filter_map(|issuer| Some((issuer.issuer, issuer.jwk_set?))).collect();
    async move {
        let read = sources.iter().map(|(issuer, source)| async move {
            match read_keys(source).await {
                Ok(number) => Finding::ok("keys", format!("{issuer} has {number}")),
                Err(error) => Finding::failed("keys", format!("{issuer}: {error}")),
            }
        });
        join_all(read).await
    }
    .boxed()
}

fn sign_in(config: &Config, client: &Client) -> Question<'static> {
    let settings = &config.console;
    let (Some(client), Some(issuer)) = (client_of(settings, client.clone()), settings.provider_url.clone()) else {
        return nothing_to_ask("sign-in");
    };
    if settings.provider == ProviderKind::Lms {
        // It describes itself nowhere; its address is visited like the others.
        return async { Vec::new() }.boxed();
    }
    async move {
        let problem = match client.discover(&issuer).await {
            Ok(_) => return vec![Finding::ok("sign-in", "the provider describes itself")],
            Err(SignInError::Refused) => "refuses to describe itself".to_owned(),
            Err(SignInError::Unavailable(problem)) => problem,
        };
        vec![Finding::failed("sign-in", format!("the provider {problem} (LM_CONSOLE__PROVIDER_URL)"))]
    }
    .boxed()
}

/// The addresses to visit: those of services that are asked for nothing else, and the others for their certificates and
/// clocks.
fn addresses(config: &Config) -> Vec<(&'static str, String)> {
    let health = |url: &String| format!("{}/health/live/", url.trim_end_matches('/'));
    let segment = config.segment.write_key.is_some().then(|| config.segment.url.clone());
    let keys = config.auth.jwk_set.as_ref().and_then(|source| match source {
        JwkSetSource::Url(url) => Some(url.to_string()),
        _ => None,
    });
    let all = [
        ("oauth", config.oauth.url.clone()),
        ("lms", config.lms.url.clone()),
        ("catalog", config.catalog.url.clone()),
        ("braze", config.braze.url.clone()),
        ("segment", segment),
        ("s3", config.s3.url.clone()),
        ("keys", keys),
        ("sign-in", config.console.provider_url.clone()),
        ("traces", config.telemetry.otlp_endpoint.clone()),
        ("public", config.console.public_url.as_ref().map(health)),
    ];
    all.into_iter().filter_map(|(name, url)| Some((name, url?))).collect()
}

/// Services that only a visit asks.
const ONLY_VISITED: [&str; 4] = ["segment", "sign-in", "traces", "public"];

fn visited(name: &'static str, url: String, visitor: Visitor) -> Question<'static> {
    async move {
        let is_asked_elsewhere = !ONLY_VISITED.contains(&name);
        let before = SystemClock.now();
        match visitor.visit(&url).await {
            Ok(Visit { status, certificate_ends, date }) => {
                let mut findings = Vec::new();
                if !is_asked_elsewhere {
                    findings.push(match (name, status) {
                        ("public", 200) => Finding::ok("public", "this service answers at LM_CONSOLE__PUBLIC_URL"),
                        ("public", _) => {
                            Finding::failed("public", format!("{url} answered {status}: is the server running?"))
                        }
                        (_, 500..) => Finding::failed(name, format!("answered {status}")),
                        _ => Finding::ok(name, "answers; credentials were not tested"),
                    });
                }
                findings.extend(certificate_ends.map(|ends| certificate(name, ends)));
                findings.extend(date.and_then(|date| clock(name, date, before, SystemClock.now())));
                findings
            }
            // The service's own question tells the same.
            Err(_) if is_asked_elsewhere => Vec::new(),
            Err(problem) => vec![Finding::failed(name, format!("cannot be reached: {problem}"))],
        }
    }
    .boxed()
}

/// The clock of a service that told its time between two moments, if it is wrong, or this machine's is.
fn clock(of: &str, told: DateTime<Utc>, before: DateTime<Utc>, after: DateTime<Utc>) -> Option<Finding> {
    let apart = (before - told).max(told - after);
    (apart >= CLOCK_WARNING).then(|| {
        let seconds = counted(apart.num_seconds(), "second", "seconds");
        Finding::warning("clock", format!("that of {of} differs by {seconds}: set both by NTP"))
    })
}

fn certificate(of: &str, ends: DateTime<Utc>) -> Finding {
    let days = (ends - SystemClock.now()).num_days();
    let message = format!("that of {of} is valid for {}", counted(days, "day", "days"));
    match days {
        ..CERTIFICATE_DAYS => Finding::warning("certificate", message),
        _ => Finding::ok("certificate", message),
    }
}
