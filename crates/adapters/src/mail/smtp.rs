//! Mails over SMTP.

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
use crate::calls::{CallListener, CallOutcome, told};
use crate::traces::CallSpan;

/// Connections to the mail server at once.
const CONNECTIONS: u32 = 4;
/// How many mails that went out are remembered, and for how long, so that those of a batch that failed in part are not sent again.
const REMEMBERED_MAILS: u64 = 100_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(60 * 60);

/// Answers that blame the login or the command, and not the mail.
const NOT_ABOUT_THE_MAIL: [u16; 8] = [500, 502, 503, 504, 530, 534, 535, 538];

/// A mail server.
///
/// Connections are kept and used again. A mail that the server took is not sent again for an hour by this process, so that a
/// batch can be repeated when one of its mails failed; its `Message-ID` is the same every time.
pub struct SmtpMail {
    server: AsyncSmtpTransportBuilder,
    /// The connections that are open.
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

/// Why mails cannot be sent as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misconfigured {
    /// The server's address; it may hold a password, so it is not repeated.
    Url(String),
    /// Who mails are from.
    From(String),
    /// The words of mails.
    Templates(String),
}

impl SmtpMail {
    /// The server at `smtp://USER:PASSWORD@HOST:PORT`, encrypted where it can be (`?tls=required`: or not at all), or
    /// `smtps://…`, encrypted from the first byte. A mail may take as long as `timeout`, connecting included. Nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong with the address or with `from`.
    pub fn new(url: &str, from: &str, timeout: Duration) -> Result<Self, Misconfigured> {
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(&encrypted_where_possible(url)?)
            .map_err(|error| Misconfigured::Url(format!("this mail server cannot be used: {error}")))?
            .timeout(Some(timeout))
            .pool_config(smtp::PoolConfig::new().max_size(CONNECTIONS));
        let from = from.parse().map_err(|_| {
            Misconfigured::From("this is not an address; use a@example.com or Name <a@example.com>".to_owned())
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

    /// The same, which tells this one of every mail it hands to the server.
    pub fn told_to(self, listener: CallListener) -> Self {
        Self { on_call: Some(listener), ..self }
    }

    async fn send_one(&self, mail: &Mail) -> Result<(), Undelivered> {
        let key = (mail.id, mail.to.clone());
        if self.sent.contains_key(&key) {
            return Ok(());
        }
        let message = self.message(mail).map_err(Undelivered::Refused)?;
        let span = CallSpan::start("send smtp", || vec![KeyValue::new("peer.service", "smtp")]);
        let handed_over = told(self.on_call.as_ref(), "smtp", self.hand_over(message), |(_, outcome)| *outcome).await;
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
        // The transport itself waits for answers without end. In a task of its own, because a connection whose use was broken off
        // would be used again, and the answer to the old command be taken for that to the next.
        let timeout = self.timeout;
        let sending = tokio::spawn(async move { tokio::time::timeout(timeout, connections.send(message)).await });
        match sending.await {
            Ok(Ok(outcome)) => outcome.map(drop).map_err(|error| (undelivered(&error), outcome_of(&error))),
            Ok(Err(_)) => {
                // For the same reason none of these connections is used again.
                *self.connections.write().unwrap_or_else(PoisonError::into_inner) = self.server.clone().build();
                Err((Undelivered::Unavailable("did not answer in time".to_owned()), CallOutcome::NoAnswer))
            }
            Err(_) => Err((Undelivered::Unavailable("was not asked to the end".to_owned()), CallOutcome::NoAnswer)),
        }
    }

    fn message(&self, mail: &Mail) -> Result<Message, String> {
        let words = self.templates.words(mail.kind, &mail.properties)?;
        let property = |name: &str| {
            let text = mail.properties.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let to: Address =
            mail.to.as_str().parse().map_err(|_| "is not asked: no mail goes to this address".to_owned())?;
        let sender = Some(property("enterprise_sender_alias")).filter(|alias| !alias.is_empty());
        let from = Mailbox::new(sender.or_else(|| self.from.name.clone()), self.from.email.clone());
        let mut message = Message::builder()
            .message_id(Some(format!("<{}.{}@{}>", mail.id, mail.kind.as_str(), self.from.email.domain())))
            .from(from)
            .to(Mailbox::new(None, to))
            .subject(words.subject)
            // So that nobody's absence note answers.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        if let Ok(reply_to) = property("enterprise_reply_to").parse() {
            message = message.reply_to(reply_to);
        }
        message
            .multipart(MultiPart::alternative_plain_html(words.text, words.html))
            .map_err(|error| format!("is not asked: the mail cannot be written ({error})"))
    }
}

/// The URL, with encryption wanted where it does not say.
fn encrypted_where_possible(url: &str) -> Result<String, Misconfigured> {
    let mut url = Url::parse(url).map_err(|error| Misconfigured::Url(format!("this is not an address: {error}")))?;
    if url.scheme() == "smtp" && !url.query_pairs().any(|(name, _)| name == "tls") {
        // The port of an address without one stays that of mail, whatever encryption would make of it.
        if url.port().is_none() && url.set_port(Some(smtp::SMTP_PORT)).is_err() {
            return Err(Misconfigured::Url("this address names no host".to_owned()));
        }
        url.query_pairs_mut().append_pair("tls", "opportunistic");
    }
    Ok(url.into())
}

/// For whoever counts calls.
fn outcome_of(error: &smtp::Error) -> CallOutcome {
    match error.status() {
        Some(_) if error.is_permanent() => CallOutcome::Refused,
        Some(_) => CallOutcome::Failed,
        None => CallOutcome::NoAnswer,
    }
}

/// Told without the server's words, which may repeat the address.
fn undelivered(error: &smtp::Error) -> Undelivered {
    match error.status() {
        Some(code) if error.is_permanent() && !NOT_ABOUT_THE_MAIL.contains(&code.into()) => {
            Undelivered::Refused(format!("answered {code}"))
        }
        Some(code) => Undelivered::Unavailable(format!("answered {code}")),
        None if error.is_timeout() => Undelivered::Unavailable("did not answer in time".to_owned()),
        None if error.is_tls() => Undelivered::Unavailable("cannot be talked to encrypted".to_owned()),
        None if error.is_response() => Undelivered::Unavailable("answered something unexpected".to_owned()),
        None => Undelivered::Unavailable("cannot be reached, or broke off".to_owned()),
    }
}

#[async_trait]
impl CampaignMail for SmtpMail {
    /// Sends on past a mail that is refused; ends at the first that fails otherwise.
    async fn send(&self, kind: MailKind, mails: &[Mail]) -> Result<(), Undelivered> {
        let mut refusal = None;
        for mail in mails {
            match self.send_one(mail).await {
                Ok(()) => {}
                Err(Undelivered::Refused(problem)) => {
                    tracing::warn!(kind = kind.as_str(), promise = %mail.id, problem, "the mail server refused a mail");
                    refusal = Some(Undelivered::Refused(problem));
                }
                Err(undelivered) => {
                    tracing::warn!(kind = kind.as_str(), problem = %undelivered, "the mail server failed");
                    return Err(undelivered);
                }
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    /// A mail server remembers nobody.
    async fn identify(&self, _: &[(Email, LmsUserId)]) -> Result<(), Undelivered> {
        Ok(())
    }
}
