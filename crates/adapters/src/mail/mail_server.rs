//! The URL of a mail server.

use std::net::IpAddr;
use std::sync::Arc;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::TlsParameters;
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT};
use percent_encoding::percent_decode_str;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use url::Url;

/// Where a mail server is, and how to introduce oneself to it.
pub(super) struct MailServer {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) hello: ClientId,
    pub(super) login: Option<Credentials>,
}

/// How connections are encrypted.
pub(super) enum Encryption {
    /// With STARTTLS, if the server offers it.
    Opportunistic(TlsParameters),
    /// With STARTTLS, or not at all connected.
    Required(TlsParameters),
    /// From the first byte on.
    Immediate(TlsConnector, ServerName<'static>),
}

/// When connections are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    IfOffered,
    Always,
    FromTheStart,
}

impl MailServer {
    /// The server of a URL.
    ///
    /// # Errors
    /// What is wrong with the URL. The text does not repeat it, because it may hold a password.
    pub(super) fn at(url: &str) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("this is not a URL: {error}"))?;
        let (port, when) = port_and_encryption(&url)?;
        let host = host(&url).to_owned();
        if host.is_empty() {
            return Err("this URL has no host".to_owned());
        }
        let no_name = |_| "the host of this URL is no name that a certificate could have".to_owned();
        let starttls = || TlsParameters::new(host.clone()).map_err(|error| error.to_string());
        let encryption = match when {
            When::IfOffered => Encryption::Opportunistic(starttls()?),
            When::Always => Encryption::Required(starttls()?),
            When::FromTheStart => {
                Encryption::Immediate(connector()?, ServerName::try_from(host.clone()).map_err(no_name)?)
            }
        };
        let hello = match url.path().trim_matches('/') {
            "" => ClientId::default(),
            name => ClientId::Domain(name.to_owned()),
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let login = url.password().map(|password| Credentials::new(decoded(url.username()), decoded(password)));
        Ok(Self { host, port, encryption, hello, login })
    }
}

/// What trusts the same certificates as the rest of the service.
fn connector() -> Result<TlsConnector, String> {
    let refused = |error| format!("cannot be encrypted here: {error}");
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    Ok(TlsConnector::from(Arc::new(config.with_platform_verifier().map_err(refused)?.with_no_client_auth())))
}

/// The port, and when connections are encrypted. Nobody on the way may read a login, and whoever controls the way can
/// take the offer of encryption out of the server's greeting.
fn port_and_encryption(url: &Url) -> Result<(u16, When), String> {
    let has_login = !url.username().is_empty() || url.password().is_some();
    let needs_encryption = has_login && !is_loopback(host(url));
    let wish = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
    let (port, when) = match (url.scheme(), wish.as_deref()) {
        ("smtps", _) => (SUBMISSIONS_PORT, When::FromTheStart),
        ("smtp", None) if needs_encryption => (SMTP_PORT, When::Always),
        ("smtp", None) => (SMTP_PORT, When::IfOffered),
        ("smtp", Some("required")) => (SUBMISSION_PORT, When::Always),
        ("smtp", Some("opportunistic")) if needs_encryption => {
            let problem = "this URL has a login, which may only be sent encrypted: use ?tls=required or smtps://";
            return Err(problem.to_owned());
        }
        ("smtp", Some("opportunistic")) => (SUBMISSION_PORT, When::IfOffered),
        ("smtp", Some(_)) => return Err("tls= in this URL is required or opportunistic".to_owned()),
        _ => return Err("the URL of a mail server begins with smtp:// or smtps://".to_owned()),
    };
    Ok((url.port().unwrap_or(port), when))
}

/// The host, without the brackets of an IPv6 address. The URL parser leaves the addresses of URLs like `smtp://` as
/// text.
fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

/// Whether the host is this machine.
fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_sent_unencrypted_to_loopback_only() {
        for (url, port, when) in [
            ("smtp://mail", 25, When::IfOffered),
            ("smtp://mail:587", 587, When::IfOffered),
            ("smtp://mail?tls=opportunistic", 587, When::IfOffered),
            ("smtp://mail?tls=required", 587, When::Always),
            ("smtp://me:hunter2@mail", 25, When::Always),
            ("smtp://me@mail", 25, When::Always),
            ("smtp://me:hunter2@10.0.0.7", 25, When::Always),
            ("smtp://me:hunter2@localhost.example", 25, When::Always),
            ("smtp://me:hunter2@LOCALHOST:2525", 2525, When::IfOffered),
            ("smtp://me:hunter2@127.9.9.9:25", 25, When::IfOffered),
            ("smtp://me:hunter2@[::1]:25", 25, When::IfOffered),
            ("smtps://me:hunter2@mail", 465, When::FromTheStart),
        ] {
            assert_eq!(port_and_encryption(&Url::parse(url).unwrap()), Ok((port, when)), "{url}");
        }
    }

    #[test]
    fn a_url_has_a_host_a_login_and_a_name_to_introduce_oneself() {
        let server = MailServer::at("smtps://m%40e:hunter%202@[::1]/licenses.example.com").unwrap();
        assert_eq!((server.host.as_str(), server.port), ("::1", 465));
        assert_eq!(server.login, Some(Credentials::new("m@e".to_owned(), "hunter 2".to_owned())));
        assert_eq!(server.hello, ClientId::Domain("licenses.example.com".to_owned()));
        assert_eq!(MailServer::at("smtp://mail").unwrap().login, None);
    }

    #[test]
    fn a_wrong_url_is_not_repeated() {
        for url in [
            "smtp://me:hunter2@mail?tls=opportunistic",
            "smtp://me:hunter2@mail?tls=hunter2",
            "http://me:hunter2@mail",
            "smtps://me:hunter2@-?",
            "smtp:hunter2",
        ] {
            let refused = MailServer::at(url).map(drop);
            assert!(refused.as_ref().is_err_and(|why| !why.contains("hunter2")), "{url}: {refused:?}");
        }
    }
}
