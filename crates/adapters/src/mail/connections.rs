//! Connections to a mail server. They do not wait for acknowledgements (`TCP_NODELAY`), without which each mail takes
//! 40 ms more: lettre sends the end of a mail in a packet of its own. Its pool opens connections that do wait.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::encrypted::Encrypted;
use super::mail_server::{Encryption, MailServer};

/// The most connections that are kept for the next mails.
const KEPT: usize = 4;
/// Connections that rested longer are asked whether they still work.
const FRESH: Duration = Duration::from_secs(1);
/// Connections that rested longer are closed. Something on the way may have forgotten them, and then never answers.
const STALE: Duration = Duration::from_secs(60);
/// The most mails of a connection. Many servers limit them, and end the connection in place of the next answer.
const MAILS: usize = 100;

/// Why there is no connection, or why a mail was not sent.
pub(super) enum Problem {
    /// Nobody answers at the address.
    Unreachable,
    /// The encryption cannot be set up.
    Encryption(io::Error),
    /// The server does not offer the encryption that is required.
    NoEncryption,
    /// What the server answered, or how the connection ended.
    Answer(smtp::Error),
}

impl From<smtp::Error> for Problem {
    fn from(error: smtp::Error) -> Self {
        Self::Answer(error)
    }
}

/// Connections to one server, which mails use in turn. A connection that breaks is not used again.
pub(super) struct Connections {
    server: MailServer,
    resting: Mutex<Vec<Connection>>,
}

struct Connection {
    smtp: AsyncSmtpConnection,
    /// The number of mails that it sent.
    mails: usize,
    /// When it was last used.
    used: Instant,
}

impl Connections {
    /// Opens no connection yet.
    pub(super) fn to(server: MailServer) -> Self {
        Self { server, resting: Mutex::default() }
    }

    /// Sends a mail. Closes the connection if this is cancelled.
    pub(super) async fn send(&self, envelope: &Envelope, mail: &[u8]) -> Result<(), Problem> {
        let mut connection = match self.rested().await {
            Some(connection) => connection,
            None => Connection { smtp: self.connect().await?.0, mails: 0, used: Instant::now() },
        };
        let outcome = connection.smtp.send(envelope, mail).await;
        connection.mails += 1;
        self.keep(connection);
        Ok(outcome.map(drop)?)
    }

    /// A connection that works, if one is kept.
    async fn rested(&self) -> Option<Connection> {
        loop {
            // The last one was used last.
            let mut connection = self.resting.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            let rested = connection.used.elapsed();
            if rested < FRESH || rested < STALE && connection.smtp.test_connected().await {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: Connection) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if !connection.smtp.has_broken() && connection.mails < MAILS && resting.len() < KEPT {
            resting.push(Connection { used: Instant::now(), ..connection });
        }
    }

    /// Greets the server, with the login if there is one, and leaves. Returns the certificate of an encrypted connection.
    pub(super) async fn greet(&self) -> Result<Option<Vec<u8>>, Problem> {
        let (mut connection, certificate) = self.connect().await?;
        connection.quit().await?;
        Ok(certificate)
    }

    /// Connects. Also returns the certificate of an encrypted connection.
    async fn connect(&self) -> Result<(AsyncSmtpConnection, Option<Vec<u8>>), Problem> {
        let MailServer { host, port, encryption, hello, login } = &self.server;
        let tcp = TcpStream::connect((host.as_str(), *port)).await.map_err(|_| Problem::Unreachable)?;
        tcp.set_nodelay(true).map_err(|_| Problem::Unreachable)?;
        let mut certificate = None;
        let stream: Box<dyn AsyncTokioStream> = match encryption {
            Encryption::Opportunistic(_) | Encryption::Required(_) => Box::new(tcp),
            Encryption::Immediate(tls, name) => {
                let encrypted = tls.connect(name.clone(), tcp).await.map_err(Problem::Encryption)?;
                let certificates = encrypted.get_ref().1.peer_certificates();
                certificate = certificates.and_then(|all| all.first()).map(|own| own.to_vec());
                Box::new(Encrypted(encrypted))
            }
        };
        let mut connection = AsyncSmtpConnection::connect_with_transport(stream, hello).await?;
        match encryption {
            Encryption::Opportunistic(tls) | Encryption::Required(tls) if connection.can_starttls() => {
                connection.starttls(tls.clone(), hello).await?;
                certificate = connection.peer_certificate().ok();
            }
            Encryption::Required(_) => return Err(Problem::NoEncryption),
            Encryption::Opportunistic(_) | Encryption::Immediate(..) => {}
        }
        if let Some(login) = login {
            connection.auth(DEFAULT_MECHANISMS, login).await?;
        }
        Ok((connection, certificate))
    }
}
