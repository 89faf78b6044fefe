//! Sends mails over SMTP.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp;
use lettre::{Address, Message};
use license_manager_domain::ports::{CampaignMail, Mail, MailKind, Undelivered, UnsentMail};
use license_manager_domain::{Email, LmsUserId, MessageId};
use moka::future::Cache;
use opentelemetry::KeyValue;

use super::connections::{Connections, Problem};
use super::mail_server::MailServer;
use super::words::Templates;
use crate::calls::{CallListener, CallOutcome, observed};
use crate::certificates::{end_of, refusal};
use crate::traces::CallSpan;

/// How many sent mails are remembered, and for how long. If the result of a batch is lost, its mails are not sent again.
const REMEMBERED_MAILS: u64 = 100_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(60 * 60);

/// Replies that are about the connection, the login or the command, not about the mail.
const NOT_ABOUT_THE_MAIL: [u16; 11] = [421, 432, 454, 500, 502, 503, 504, 530, 534, 535, 538];
/// After so many failures in a row that are not about a mail, the other mails of the call are not tried.
const FAILURES_IN_A_ROW: usize = 2;

/// A client of a mail server.
///
/// Connections are reused. Each mail succeeds or fails for itself. This process remembers accepted mails for an hour and
/// does not send them again. A retried mail keeps its `Message-ID`.
pub struct SmtpMail {
    connections: Connections,
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
    /// The server at `smtp://USER:PASSWORD@HOST:PORT` or `smtps://…`. `smtps://`, `?tls=required` and a login are
    /// always encrypted; a login to a loopback address and anything else only when the server supports it. `timeout`
    /// applies to each mail, connecting included. Opens no connection yet.
    ///
    /// # Errors
    /// What is wrong with the URL or with `from`.
    pub fn new(url: &str, from: &str, timeout: Duration) -> Result<Self, Misconfigured> {
        let connections = Connections::to(MailServer::at(url).map_err(Misconfigured::Url)?);
        let from = from.parse().map(with_ascii_domain).map_err(|_| {
            Misconfigured::From("this is not an email address; use a@example.com or Name <a@example.com>".to_owned())
        })?;
        let sent = Cache::builder().max_capacity(REMEMBERED_MAILS).time_to_live(REMEMBERED_FOR).build();
        let templates = Templates::new().map_err(Misconfigured::Templates)?;
        Ok(Self { connections, timeout, from, templates, sent, on_call: None })
    }

    /// Reports every mail sent to the server to this listener.
    pub fn with_listener(self, listener: CallListener) -> Self {
        Self { on_call: Some(listener), ..self }
    }

    /// Greets the server, with the login if there is one, and leaves. Returns when the certificate of an encrypted
    /// connection ends.
    ///
    /// # Errors
    /// What happened, as a text that follows "the mail server".
    pub async fn greet(&self) -> Result<Option<DateTime<Utc>>, String> {
        match tokio::time::timeout(self.timeout, self.connections.greet()).await {
            Ok(Ok(certificate)) => Ok(certificate.and_then(|certificate| end_of(&certificate))),
            Ok(Err(problem)) => Err(Failure::from(problem).problem.to_string()),
            Err(_) => Err("did not answer in time".to_owned()),
        }
    }

    async fn send_one(&self, mail: &Mail) -> Result<(), Failure> {
        let key = (mail.id, mail.to.clone());
        if self.sent.contains_key(&key) {
            return Ok(());
        }
        let message = self.message(mail).map_err(Failure::of_address)?;
        let span = CallSpan::start("send smtp", || vec![KeyValue::new("peer.service", "smtp")]);
        let handed_over =
            observed(self.on_call.as_ref(), "smtp", self.hand_over(message), |failure| failure.outcome).await;
        if let (Some(span), Err(failure)) = (span, &handed_over) {
            span.failed(failure.outcome.as_str());
        }
        handed_over?;
        self.sent.insert(key, ()).await;
        Ok(())
    }

    /// Sends a message. Where the time is up, its connection is closed: a late answer would be taken for that to the
    /// next command.
    async fn hand_over(&self, message: Message) -> Result<(), Failure> {
        let mail = message.formatted();
        match tokio::time::timeout(self.timeout, self.connections.send(message.envelope(), &mail)).await {
            Ok(outcome) => outcome.map_err(Failure::from),
            Err(_) => Err(Failure::no_answer("did not answer in time")),
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
            .as_smtp()
            .parse()
            .map_err(|_| "was not called: this email address cannot receive mail".to_owned())?;
        // lettre would derive it from the header `To`, and does not understand every address there.
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![to.clone()])
            .map_err(|error| format!("was not called: the mail cannot be written ({error})"))?;
        let sender = Some(property("enterprise_sender_alias")).filter(|alias| !alias.is_empty());
        let from = Mailbox::new(sender.or_else(|| self.from.name.clone()), self.from.email.clone());
        let mut message = Message::builder()
            .envelope(envelope)
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
            message = message.reply_to(with_ascii_domain(reply_to));
        }
        message
            .multipart(MultiPart::alternative_plain_html(words.text, words.html))
            .map_err(|error| format!("was not called: the mail cannot be written ({error})"))
    }
}

/// The mailbox with its domain as SMTP needs it.
fn with_ascii_domain(mailbox: Mailbox) -> Mailbox {
    let address = Email::from_storage(mailbox.email.to_string()).as_smtp().parse();
    Mailbox { email: address.unwrap_or(mailbox.email), ..mailbox }
}

/// Why a mail was not accepted.
struct Failure {
    /// Without the server's text, which may repeat the address.
    problem: Undelivered,
    /// The outcome for metrics.
    outcome: CallOutcome,
    /// Whether only this mail is concerned.
    is_about_mail: bool,
}

impl Failure {
    fn no_answer(problem: &str) -> Self {
        let problem = Undelivered::Unavailable(problem.to_owned());
        Self { problem, outcome: CallOutcome::NoAnswer, is_about_mail: false }
    }

    fn of_address(problem: String) -> Self {
        Self { problem: Undelivered::Refused(problem), outcome: CallOutcome::Refused, is_about_mail: true }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Unreachable => Self::no_answer("cannot be reached, or broke off"),
            Problem::Encryption(error) => {
                Self::no_answer(refusal(&error).as_deref().unwrap_or("failed to set up encryption"))
            }
            Problem::NoEncryption => Self::no_answer("does not offer encryption (STARTTLS)"),
            Problem::Answer(error) => Self::from(&error),
        }
    }
}

impl From<&smtp::Error> for Failure {
    fn from(error: &smtp::Error) -> Self {
        let Some(code) = error.status() else {
            return match error {
                _ if is_inexpressible(error) => {
                    Self::of_address("cannot express this email address: it has no SMTPUTF8".to_owned())
                }
                _ if error.is_response() => Self::no_answer("answered something unexpected"),
                _ => match refusal(error) {
                    Some(problem) => Self::no_answer(&problem),
                    None => Self::no_answer("cannot be reached, or broke off"),
                },
            };
        };
        let (is_about_mail, answered) = (!NOT_ABOUT_THE_MAIL.contains(&code.into()), format!("answered {code}"));
        let problem = match error.is_permanent() && is_about_mail {
            true => Undelivered::Refused(answered),
            false => Undelivered::Unavailable(answered),
        };
        let outcome = if error.is_permanent() { CallOutcome::Refused } else { CallOutcome::Failed };
        Self { problem, outcome, is_about_mail }
    }
}

/// Whether the server takes no addresses outside of ASCII. The client found that out before it sent anything, and tells
/// it only as a text.
fn is_inexpressible(error: &smtp::Error) -> bool {
    error.is_client() && error.source().is_some_and(|cause| cause.to_string().contains("SMTPUTF8"))
}

#[async_trait]
impl CampaignMail for SmtpMail {
    /// Tries every mail, until [`FAILURES_IN_A_ROW`] show that the server itself fails.
    async fn send(&self, kind: MailKind, mails: &[Mail]) -> Result<Vec<UnsentMail>, Undelivered> {
        let (mut unsent, mut in_a_row) = (Vec::new(), 0);
        for (place, mail) in mails.iter().enumerate() {
            let Err(Failure { problem, is_about_mail, .. }) = self.send_one(mail).await else {
                in_a_row = 0;
                continue;
            };
            tracing::warn!(kind = kind.as_str(), message = %mail.id, %problem, "the mail server did not accept a mail");
            in_a_row = if is_about_mail { 0 } else { in_a_row + 1 };
            if in_a_row == FAILURES_IN_A_ROW {
                let untried = Undelivered::Untried(format!("was not asked again after others failed: {problem}"));
                unsent.extend((place + 1..mails.len()).map(|place| UnsentMail { place, problem: untried.clone() }));
                unsent.push(UnsentMail { place, problem });
                break;
            }
            unsent.push(UnsentMail { place, problem });
        }
        Ok(unsent)
    }

    /// A mail server keeps no addresses.
    async fn identify(&self, _: &[(Email, LmsUserId)]) -> Result<(), Undelivered> {
        Ok(())
    }
}
