//! Sends mails over SMTP.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::{self, AsyncSmtpTransport, AsyncSmtpTransportBuilder};
use lettre::{Address, AsyncTransport, Message, Tokio1Executor};
use license_manager_domain::ports::{CampaignMail, Mail, MailKind, Undelivered};
use license_manager_domain::{Email, LmsUserId, MessageId};
use moka::future::Cache;
use opentelemetry::KeyValue;
use url::Url;

use super::words::Templates;
use crate::calls::{CallListener, CallOutcome, observed};
use crate::traces::CallSpan;

/// The most open connections to the mail server.
const CONNECTIONS: u32 = 4;
/// How many sent mails are remembered, and for how long. A batch that failed in part is retried without them.
const REMEMBERED_MAILS: u64 = 100_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(60 * 60);

/// Replies that are about the login or the command, not about the mail.
const NOT_ABOUT_THE_MAIL: [u16; 8] = [500, 502, 503, 504, 530, 534, 535, 538];

/// A client of a mail server.
///
/// Connections are reused. This process remembers accepted mails for an hour and does not send them again when a batch
/// is retried. A retried mail keeps its `Message-ID`.
pub struct SmtpMail {
    server: AsyncSmtpTransportBuilder,
    connections: RwLock<AsyncSmtpTransport<Tokio1Executor>>,
    timeout: Duration,
    from: Mailbox,
    templates: Templates,
    sent: Cache<(MessageId, Email), ()>,
    on_call: Option<CallListener>,
}

impl std::fmt::Debug for SmtpMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpMail").field("from", &self.from).finish_non_exhaustive()
    }
}

/// Why mail is misconfigured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misconfigured {
    /// The server's URL. The text does not repeat it, because it may hold a password.
    Url(String),
    /// The sender.
    From(String),
    /// The templates.
    Templates(String),
}

impl SmtpMail {
    /// The server at `smtp://USER:PASSWORD@HOST:PORT`, encrypted when the server supports it (always with
    /// `?tls=required`), or at `smtps://…`, always encrypted. `timeout` applies to each mail, connecting included.
    /// Opens no connection yet.
    ///
    /// # Errors
    /// What is wrong with the URL or with `from`.
    pub fn new(url: &str, from: &str, timeout: Duration) -> Result<Self, Misconfigured> {
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(&encrypted_where_possible(url)?)
            .map_err(|error| Misconfigured::Url(format!("this mail server URL is not valid: {error}")))?
            .timeout(Some(timeout))
            .pool_config(smtp::PoolConfig::new().max_size(CONNECTIONS));
        let from = from.parse().map_err(|_| {
            Misconfigured::From("this is not an email address; use a@example.com or Name <a@example.com>".to_owned())
        })?;
        let sent = Cache::builder().max_capacity(REMEMBERED_MAILS).time_to_live(REMEMBERED_FOR).build();
        let templates = Templates::new().map_err(Misconfigured::Templates)?;
        Ok(Self {
            connections: RwLock::new(server.clone().build()),
            server,
            timeout,
            from,
            templates,
            sent,
            on_call: None,
        })
    }

    /// Reports every mail sent to the server to this listener.
    pub fn with_listener(self, listener: CallListener) -> Self {
        Self { on_call: Some(listener), ..self }
    }

    async fn send_one(&self, mail: &Mail) -> Result<(), Undelivered> {
        let key = (mail.id, mail.to.clone());
        if self.sent.contains_key(&key) {
            return Ok(());
        }
        let message = self.message(mail).map_err(Undelivered::Refused)?;
        let span = CallSpan::start("send smtp", || vec![KeyValue::new("peer.service", "smtp")]);
        let handed_over =
            observed(self.on_call.as_ref(), "smtp", self.hand_over(message), |(_, outcome)| *outcome).await;
        handed_over.map_err(|(undelivered, outcome)| {
            if let Some(span) = span {
                span.failed(outcome.as_str());
            }
            undelivered
        })?;
        self.sent.insert(key, ()).await;
        Ok(())
    }

    async fn hand_over(&self, message: Message) -> Result<(), (Undelivered, CallOutcome)> {
        let connections = self.connections.read().unwrap_or_else(PoisonError::into_inner).clone();
        // The transport has no timeout for answers. It runs in a task of its own: if it were cancelled, its connection
        // would be reused and the late answer taken for that of the next command.
        let timeout = self.timeout;
        let sending = tokio::spawn(async move { tokio::time::timeout(timeout, connections.send(message)).await });
        match sending.await {
            Ok(Ok(outcome)) => outcome.map(drop).map_err(|error| (undelivered(&error), outcome_of(&error))),
            Ok(Err(_)) => {
                // Replace the pool for the same reason: its connections must not be reused.
                *self.connections.write().unwrap_or_else(PoisonError::into_inner) = self.server.clone().build();
                Err((Undelivered::Unavailable("did not answer in time".to_owned()), CallOutcome::NoAnswer))
            }
            Err(_) => Err((Undelivered::Unavailable("was not called to the end".to_owned()), CallOutcome::NoAnswer)),
        }
    }

    fn message(&self, mail: &Mail) -> Result<Message, String> {
        let words = self.templates.words(mail.kind, &mail.properties)?;
        let property = |name: &str| {
            let text = mail.properties.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let to: Address = mail
            .to
            .as_str()
            .parse()
            .map_err(|_| "was not called: this email address cannot receive mail".to_owned())?;
        let sender = Some(property("enterprise_sender_alias")).filter(|alias| !alias.is_empty());
        let from = Mailbox::new(sender.or_else(|| self.from.name.clone()), self.from.email.clone());
        let mut message = Message::builder()
            .message_id(Some(format!("<{}.{}@{}>", mail.id, mail.kind.as_str(), self.from.email.domain())))
            .from(from)
            .to(Mailbox::new(None, to))
            .subject(words.subject)
            // Prevents automatic out-of-office replies.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        if let Ok(reply_to) = property("enterprise_reply_to").parse() {
            message = message.reply_to(reply_to);
        }
        message
            .multipart(MultiPart::alternative_plain_html(words.text, words.html))
            .map_err(|error| format!("was not called: the mail cannot be written ({error})"))
    }
}

/// The URL, with opportunistic encryption unless it says otherwise.
fn encrypted_where_possible(url: &str) -> Result<String, Misconfigured> {
    let mut url = Url::parse(url).map_err(|error| Misconfigured::Url(format!("this is not a URL: {error}")))?;
    if url.scheme() == "smtp" && !url.query_pairs().any(|(name, _)| name == "tls") {
        // Without a port, use the mail port and not the one lettre would choose for TLS.
        if url.port().is_none() && url.set_port(Some(smtp::SMTP_PORT)).is_err() {
            return Err(Misconfigured::Url("this URL has no host".to_owned()));
        }
        url.query_pairs_mut().append_pair("tls", "opportunistic");
    }
    Ok(url.into())
}

/// The outcome for metrics.
fn outcome_of(error: &smtp::Error) -> CallOutcome {
    match error.status() {
        Some(_) if error.is_permanent() => CallOutcome::Refused,
        Some(_) => CallOutcome::Failed,
        None => CallOutcome::NoAnswer,
    }
}

/// The failure without the server's text, which may repeat the address.
fn undelivered(error: &smtp::Error) -> Undelivered {
    match error.status() {
        Some(code) if error.is_permanent() && !NOT_ABOUT_THE_MAIL.contains(&code.into()) => {
            Undelivered::Refused(format!("answered {code}"))
        }
        Some(code) => Undelivered::Unavailable(format!("answered {code}")),
        None if error.is_timeout() => Undelivered::Unavailable("did not answer in time".to_owned()),
        None if error.is_tls() => Undelivered::Unavailable("failed to set up encryption".to_owned()),
        None if error.is_response() => Undelivered::Unavailable("answered something unexpected".to_owned()),
        None => Undelivered::Unavailable("cannot be reached, or broke off".to_owned()),
    }
}

#[async_trait]
impl CampaignMail for SmtpMail {
    /// Continues after a refused mail; stops at any other failure.
    async fn send(&self, kind: MailKind, mails: &[Mail]) -> Result<(), Undelivered> {
        let mut refusal = None;
        for mail in mails {
            match self.send_one(mail).await {
                Ok(()) => {}
                Err(Undelivered::Refused(problem)) => {
                    tracing::warn!(kind = kind.as_str(), message = %mail.id, problem, "the mail server rejected a mail");
                    refusal = Some(Undelivered::Refused(problem));
                }
                Err(undelivered) => {
                    tracing::warn!(kind = kind.as_str(), problem = %undelivered, "the mail server failed to accept a mail");
                    return Err(undelivered);
                }
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    /// A mail server keeps no addresses.
    async fn identify(&self, _: &[(Email, LmsUserId)]) -> Result<(), Undelivered> {
        Ok(())
    }
}
