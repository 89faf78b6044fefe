//! Settings that do not fit each other, or that leave something open.

use std::net::IpAddr;

use license_manager_domain::ports::MailKind;
use reqwest::Url;

use super::findings::Finding;
use crate::config::{Config, SameSite, Secret};

/// The name of the CSRF cookie of the LMS, and of any other Django service.
const DJANGO_COOKIE: &str = "csrftoken";

/// Looks at the settings alone.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let public = config.console.public_url.as_deref().and_then(parsed);
    let mut findings = tokens(config);
    findings.extend(public_address(config, public.as_ref()));
    findings.extend(portals(config, public.as_ref()));
    findings.extend(cookies(config, public.as_ref()));
    findings.extend(console(config));
    findings.extend(mails(config));
    if config.metrics.enabled && config.metrics.token.is_none() && config.metrics.listen.is_none() {
        findings.push(Finding::warning(
            "metrics",
            "everybody who reaches the server can read /metrics: set LM_METRICS__TOKEN or LM_METRICS__LISTEN",
        ));
    }
    findings
}

fn parsed(url: &str) -> Option<Url> {
    Url::parse(url).ok()
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The last two labels of a host name. Browsers know more exactly which names belong to one owner.
fn site(host: &str) -> &str {
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return host;
    }
    host.rmatch_indices('.').nth(1).map_or(host, |(dot, _)| &host[dot + 1..])
}

fn tokens(config: &Config) -> Vec<Finding> {
    let auth = &config.auth;
    let mut findings = Vec::new();
    for issuer in auth.all_issuers() {
        let name = &issuer.issuer;
        if issuer.hs256_secret.is_none() && issuer.jwk_set.is_none() {
            let advice = "set LM_AUTH__HS256_SECRET or LM_AUTH__JWK_SET";
            findings.push(Finding::failed("tokens", format!("no key verifies the tokens of {name}: {advice}")));
        }
        if issuer.audience.is_none() {
            findings.push(Finding::warning("tokens", format!("those of {name} are accepted for any audience")));
        }
        if issuer.hs256_secret.as_ref().is_some_and(Secret::is_short) {
            findings.push(Finding::warning("tokens", format!("the secret of {name} has fewer than 32 bytes")));
        }
    }
    if auth.subsidy_checksum_secret.as_ref().is_some_and(Secret::is_short) {
        findings.push(Finding::warning("tokens", "LM_AUTH__SUBSIDY_CHECKSUM_SECRET has fewer than 32 bytes"));
    }
    if auth.retirement_worker.is_none() {
        findings.push(Finding::warning(
            "tokens",
            "only superusers may retire people: set LM_AUTH__RETIREMENT_WORKER to the user of the retirement pipeline",
        ));
    }
    findings
}

/// The host names under which the service is reached.
fn public_address(config: &Config, public: Option<&Url>) -> Vec<Finding> {
    let server = &config.server;
    let mut findings = Vec::new();
    let host = public.and_then(Url::host_str);
    if server.allowed_hosts.is_empty() && (host.is_some() || !server.listen.ip().is_loopback()) {
        findings.push(Finding::warning(
            "hosts",
            "requests for any host name are answered, and links in answers contain that name: set LM_SERVER__ALLOWED_HOSTS",
        ));
    }
    if let Some(host) = host
        && !server.allowed_hosts.is_empty()
        && !server.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    {
        let problem =
            format!("{host} of LM_CONSOLE__PUBLIC_URL is not in LM_SERVER__ALLOWED_HOSTS, so its requests are 400");
        findings.push(Finding::failed("hosts", problem));
    }
    if public.is_some_and(|url| url.scheme() == "https") && config.throttle.enabled && !server.trust_forwarded_for {
        findings.push(Finding::warning(
            "proxy",
            "all clients behind the proxy share one limit: let it set X-Forwarded-For, and set LM_SERVER__TRUST_FORWARDED_FOR=true",
        ));
    }
    findings
}

fn portals(config: &Config, public: Option<&Url>) -> Vec<Finding> {
    let defaults = crate::config::PortalsConfig::default();
    let portals = [
        ("LM_PORTALS__LEARNER_URL", &config.portals.learner_url, defaults.learner_url),
        ("LM_PORTALS__ADMIN_URL", &config.portals.admin_url, defaults.admin_url),
    ];
    let mut findings = Vec::new();
    for (setting, url, default) in portals {
        let Some(portal) = parsed(url) else { continue };
        if *url == default {
            findings.push(Finding::warning("portals", format!("{setting} is still {default}, where links lead to")));
            continue;
        }
        let origin = portal.origin();
        let is_own = public.is_some_and(|public| public.origin() == origin);
        if !is_own && !config.server.allowed_origins.contains(&origin.ascii_serialization()) {
            let origin = origin.ascii_serialization();
            findings.push(Finding::warning(
                "origins",
                format!(
                    "pages of {origin} ({setting}) may not call with cookies: add it to LM_SERVER__ALLOWED_ORIGINS"
                ),
            ));
        }
    }
    findings
}

fn cookies(config: &Config, public: Option<&Url>) -> Vec<Finding> {
    let server = &config.server;
    let mut findings = Vec::new();
    if server.csrf_cookie_same_site == SameSite::None && !server.csrf_cookie_secure {
        findings.push(Finding::failed(
            "cookies",
            "browsers refuse LM_SERVER__CSRF_COOKIE_SAME_SITE=none without LM_SERVER__CSRF_COOKIE_SECURE=true",
        ));
    }
    let Some((public, host)) = public.and_then(|url| Some((url, url.host_str()?))) else { return findings };
    match public.scheme() {
        "http" if server.csrf_cookie_secure && !is_loopback(host) => findings.push(Finding::failed(
            "cookies",
            "browsers never send the CSRF cookie to an http address: use https, or set LM_SERVER__CSRF_COOKIE_SECURE=false",
        )),
        "https" if !server.csrf_cookie_secure => findings.push(Finding::warning(
            "cookies",
            "the CSRF cookie is also sent unencrypted: set LM_SERVER__CSRF_COOKIE_SECURE=true",
        )),
        _ => {}
    }
    let elsewhere =
        |origin: &&String| parsed(origin).and_then(|url| Some(site(url.host_str()?) != site(host))).unwrap_or_default();
    if server.csrf_cookie_same_site != SameSite::None
        && let Some(origin) = server.allowed_origins.iter().find(elsewhere)
    {
        findings.push(Finding::failed(
            "cookies",
            format!("browsers do not send the CSRF cookie from {origin} to {host}: set LM_SERVER__CSRF_COOKIE_SAME_SITE=none"),
        ));
    }
    let lms = config.lms.url.as_deref().and_then(parsed);
    let shares = lms.as_ref().and_then(Url::host_str).is_some_and(|lms| site(lms) == site(host));
    if shares && server.csrf_cookie_name == DJANGO_COOKIE {
        findings.push(Finding::warning(
            "cookies",
            format!("the LMS may set a cookie {DJANGO_COOKIE} for {host} too: set another LM_SERVER__CSRF_COOKIE_NAME"),
        ));
    }
    findings
}

fn console(config: &Config) -> Vec<Finding> {
    let missing = config.console.missing();
    match missing.len() {
        _ if !config.console.enabled => vec![Finding::off("console", "LM_CONSOLE__ENABLED is false")],
        0 => Vec::new(),
        4 => vec![Finding::off("console", "nobody can sign in: LM_CONSOLE__… is not set")],
        _ => vec![Finding::failed("console", format!("nobody can sign in without {}", missing.join(", ")))],
    }
}

fn mails(config: &Config) -> Vec<Finding> {
    if config.braze.url.is_none() {
        return match config.smtp.url {
            None => vec![Finding::warning("mails", "they are written to the log: set LM_BRAZE__… or LM_SMTP__…")],
            Some(_) => Vec::new(),
        };
    }
    let campaigns = config.braze.campaigns.by_kind();
    let without: Vec<&str> =
        MailKind::ALL.iter().filter(|kind| !campaigns.contains_key(*kind)).map(|kind| kind.as_str()).collect();
    match without.is_empty() {
        true => Vec::new(),
        false => {
            vec![Finding::warning(
                "mails",
                format!("without a campaign, mails of these kinds are not sent: {}", without.join(", ")),
            )]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings of an installation with nothing to complain about, changed by `variables`.
    fn found(variables: &[(&str, &str)]) -> Vec<String> {
        let sound = [
            ("LM_AUTH__HS256_SECRET", "0123456789abcdef0123456789abcdef"),
            ("LM_AUTH__RETIREMENT_WORKER", "retirement_worker"),
            ("LM_SERVER__ALLOWED_HOSTS", "licenses.example.com"),
            ("LM_SERVER__ALLOWED_ORIGINS", "https://learn.example.com,https://admin.example.com"),
            ("LM_SERVER__TRUST_FORWARDED_FOR", "true"),
            ("LM_PORTALS__LEARNER_URL", "https://learn.example.com"),
            ("LM_PORTALS__ADMIN_URL", "https://admin.example.com"),
            ("LM_CONSOLE__PROVIDER_URL", "https://lms.example.com"),
            ("LM_CONSOLE__CLIENT_ID", "console"),
            ("LM_CONSOLE__CLIENT_SECRET", "secret"),
            ("LM_CONSOLE__PUBLIC_URL", "https://licenses.example.com"),
            ("LM_SMTP__URL", "smtp://mail.example.com"),
            ("LM_SMTP__FROM", "licenses@example.com"),
            ("LM_METRICS__TOKEN", "token"),
        ];
        let all = sound.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = Config::load(None, all).expect("these settings are valid");
        examine(&config).iter().map(|finding| format!("{finding:?}")).collect()
    }

    #[test]
    fn sound_settings_are_not_complained_about() {
        assert_eq!(found(&[]), Vec::<String>::new());
    }

    #[test]
    fn each_mistake_is_found_and_names_the_setting() {
        for (variable, value, setting) in [
            ("LM_AUTH__HS256_SECRET", "", "LM_AUTH__JWK_SET"),
            ("LM_AUTH__HS256_SECRET", "short", "32 bytes"),
            ("LM_AUTH__AUDIENCE", "*", "any audience"),
            ("LM_AUTH__RETIREMENT_WORKER", "", "LM_AUTH__RETIREMENT_WORKER"),
            ("LM_SERVER__ALLOWED_HOSTS", "", "LM_SERVER__ALLOWED_HOSTS"),
            ("LM_SERVER__ALLOWED_HOSTS", "other.example.com", "LM_SERVER__ALLOWED_HOSTS"),
            ("LM_SERVER__ALLOWED_ORIGINS", "https://learn.example.com", "https://admin.example.com"),
            ("LM_SERVER__TRUST_FORWARDED_FOR", "", "LM_SERVER__TRUST_FORWARDED_FOR"),
            ("LM_PORTALS__LEARNER_URL", "", "LM_PORTALS__LEARNER_URL"),
            ("LM_CONSOLE__CLIENT_SECRET", "", "LM_CONSOLE__CLIENT_SECRET"),
            ("LM_CONSOLE__PUBLIC_URL", "http://licenses.example.com", "LM_SERVER__CSRF_COOKIE_SECURE"),
            ("LM_CONSOLE__PUBLIC_URL", "https://licenses.example.org", "LM_SERVER__CSRF_COOKIE_SAME_SITE"),
            ("LM_SERVER__CSRF_COOKIE_SECURE", "false", "LM_SERVER__CSRF_COOKIE_SECURE"),
            ("LM_METRICS__TOKEN", "", "LM_METRICS__TOKEN"),
        ] {
            let found = found(&[(variable, value)]);
            assert!(found.iter().any(|finding| finding.contains(setting)), "{variable}={value}: {found:?}");
        }
        let cookie = [("LM_LMS__URL", "https://lms.example.com"), ("LM_SERVER__CSRF_COOKIE_NAME", "csrftoken")];
        assert!(found(&cookie)[0].contains("LM_SERVER__CSRF_COOKIE_NAME"));
    }

    #[test]
    fn hosts_of_one_domain_are_one_site() {
        assert_eq!(site("licenses.example.com"), site("a.b.example.com"));
        assert_ne!(site("licenses.example.com"), site("licenses.example.org"));
        assert_eq!((site("localhost"), site("10.0.0.1")), ("localhost", "10.0.0.1"));
    }
}
