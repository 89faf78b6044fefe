//! Mails without a mailing service: over SMTP, or written to the log. Their words are the templates in
//! `crates/adapters/templates`, each rendered as text and as HTML.

mod log;
mod smtp;
mod words;

pub use log::LogMail;
pub use smtp::{Misconfigured, SmtpMail};
