//! Sends mails over SMTP, or writes them to the log. The templates are in `crates/adapters/templates`; each is rendered
//! as text and as HTML.

mod connections;
mod encrypted;
mod log;
mod mail_server;
mod smtp;
mod words;

pub use log::LogMail;
pub use smtp::{Misconfigured, SmtpMail};
