//! A connection to MySQL or MariaDB, in the text protocol.
//!
//! It is written here because the published clients bring a second implementation of TLS roots and of hashes, which
//! `deny.toml` refuses. It does what an import and an export need: log in, run a statement, read its
//! rows.

use std::io::{BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{self, Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::DjangoError;
use crate::address::{DatabaseAddress, Tls};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the server may be silent while it runs a statement.
const READ_TIMEOUT: Duration = Duration::from_secs(600);

/// The longest part of a packet. A part of this length is followed by another one.
const PART: usize = 0xFF_FF_FF;

const CAN_CONNECT_WITH_DATABASE: u32 = 1 << 3;
const CAN_PROTOCOL_41: u32 = 1 << 9;
const CAN_TLS: u32 = 1 << 11;
const CAN_SECURE_CONNECTION: u32 = 1 << 15;
const CAN_PLUGIN_AUTH: u32 = 1 << 19;

/// The collation `utf8mb4_general_ci`, which MySQL and MariaDB both know.
const UTF8: u8 = 45;

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A connection. Dropping it closes it.
pub(crate) struct Client {
    stream: BufReader<Box<dyn Stream>>,
    sequence: u8,
}

/// A row: its values as text.
#[derive(Debug)]
pub(crate) struct Row {
    packet: Vec<u8>,
    /// Where each value is in the packet; `None` for NULL.
    cells: Vec<Option<(usize, usize)>>,
}

impl Row {
    /// The values.
    pub(crate) fn cells(&self) -> Vec<Option<&str>> {
        // The connection's character set is UTF-8, so nothing else arrives.
        let text = |&(from, to): &(usize, usize)| std::str::from_utf8(&self.packet[from..to]).unwrap_or_default();
        self.cells.iter().map(|cell| cell.as_ref().map(text)).collect()
    }
}

/// The server's greeting.
struct Greeting {
    capabilities: u32,
    nonce: Vec<u8>,
    plugin: String,
}

impl Client {
    /// Connects and logs in.
    pub(crate) fn connect(address: &DatabaseAddress) -> Result<Self, DjangoError> {
        let socket = open(address)?;
        let mut client = Self { stream: BufReader::new(Box::new(socket.try_clone()?)), sequence: 0 };
        let greeting = Greeting::read(&client.packet()?)?;
        let mut capabilities = CAN_CONNECT_WITH_DATABASE | CAN_PROTOCOL_41 | CAN_SECURE_CONNECTION | CAN_PLUGIN_AUTH;
        let is_encrypted = match &address.tls {
            Tls::Disabled => false,
            Tls::Verified { authorities } => {
                if greeting.capabilities & CAN_TLS == 0 {
                    return Err(DjangoError::Connection(
                        "the server offers no TLS; ssl-mode=DISABLED in the URL does without".to_owned(),
                    ));
                }
                capabilities |= CAN_TLS;
                client.send(&login_header(capabilities))?;
                let tls = tls_config(authorities.as_deref())?;
                let name = ServerName::try_from(address.host.clone())
                    .map_err(|_| DjangoError::Connection("the host cannot be verified".to_owned()))?;
                let connection = ClientConnection::new(Arc::new(tls), name)
                    .map_err(|error| DjangoError::Connection(error.to_string()))?;
                client.stream = BufReader::new(Box::new(StreamOwned::new(connection, socket)));
                true
            }
        };
        let answer = scramble(&greeting.plugin, &address.password, &greeting.nonce).unwrap_or_default();
        let mut login = login_header(capabilities);
        login.extend(address.user.as_bytes());
        login.push(0);
        login.push(u8::try_from(answer.len()).unwrap_or_default());
        login.extend(&answer);
        login.extend(address.database.as_bytes());
        login.push(0);
        login.extend(greeting.plugin.as_bytes());
        login.push(0);
        client.send(&login)?;
        client.authenticate(&greeting.plugin, &address.password, is_encrypted)?;
        Ok(client)
    }

    /// Answers the server's questions until it accepts the user.
    fn authenticate(&mut self, plugin: &str, password: &str, is_encrypted: bool) -> Result<(), DjangoError> {
        let mut plugin = plugin.to_owned();
        loop {
            let packet = self.packet()?;
            match packet.split_first() {
                Some((0x00, _)) => return Ok(()),
                Some((0xFF, rest)) => {
                    let DjangoError::Refused { code, message } = refusal(rest) else {
                        return Err(DjangoError::Protocol("an error without a number"));
                    };
                    return Err(DjangoError::Connection(format!("error {code}: {message}")));
                }
                Some((0xFE, rest)) => {
                    let (name, nonce) = until_nul(rest).ok_or(DjangoError::Protocol("no login method"))?;
                    plugin = String::from_utf8_lossy(name).into_owned();
                    let answer = scramble(&plugin, password, nonce.strip_suffix(&[0]).unwrap_or(nonce))
                        .ok_or_else(|| unknown_plugin(&plugin))?;
                    self.send(&answer)?;
                }
                // The password is known to the server already.
                Some((0x01, [3])) if plugin == "caching_sha2_password" => {}
                Some((0x01, [4])) if plugin == "caching_sha2_password" && is_encrypted => {
                    let mut text = password.as_bytes().to_vec();
                    text.push(0);
                    self.send(&text)?;
                }
                Some((0x01, [4])) if plugin == "caching_sha2_password" => {
                    return Err(DjangoError::Connection(
                        "the server wants the password itself, which is sent over TLS only: \
                         add ssl-mode=VERIFY_IDENTITY to the URL"
                            .to_owned(),
                    ));
                }
                _ => return Err(unknown_plugin(&plugin)),
            }
        }
    }

    /// Runs a statement that returns nothing.
    pub(crate) fn execute(&mut self, statement: &str) -> Result<(), DjangoError> {
        self.query(statement).map(drop)
    }

    /// Runs a statement that writes rows. Returns their number.
    pub(crate) fn change(&mut self, statement: &str) -> Result<u64, DjangoError> {
        self.command(statement)?;
        let answer = self.packet()?;
        match answer.split_first() {
            Some((0x00, _)) => {
                let rows = length(&answer, &mut 1).flatten().ok_or(DjangoError::Protocol("no number of rows"))?;
                Ok(rows as u64)
            }
            Some((0xFF, rest)) => Err(refusal(rest)),
            _ => Err(DjangoError::Protocol("rows where none were asked for")),
        }
    }

    /// Runs a statement and returns its rows, which are in memory together.
    pub(crate) fn query(&mut self, statement: &str) -> Result<Vec<Row>, DjangoError> {
        let mut rows = Vec::new();
        self.each(statement, &mut |row| rows.push(row))?;
        Ok(rows)
    }

    /// Runs a statement and passes on its rows one by one.
    pub(crate) fn each(&mut self, statement: &str, visit: &mut dyn FnMut(Row)) -> Result<(), DjangoError> {
        self.command(statement)?;
        let head = self.packet()?;
        let columns = match head.split_first() {
            Some((0x00, _)) => return Ok(()),
            Some((0xFF, rest)) => return Err(refusal(rest)),
            Some(_) => length(&head, &mut 0).flatten().ok_or(DjangoError::Protocol("no number of columns"))?,
            None => return Err(DjangoError::Protocol("an empty answer")),
        };
        for _ in 0..columns {
            self.packet()?;
        }
        self.packet()?;
        loop {
            let packet = self.packet()?;
            match packet.first() {
                Some(0xFE) if packet.len() < 9 => return Ok(()),
                Some(0xFF) => return Err(refusal(&packet[1..])),
                _ => visit(row(packet, columns).ok_or(DjangoError::Protocol("a row that ends early"))?),
            }
        }
    }

    fn command(&mut self, statement: &str) -> Result<(), DjangoError> {
        self.sequence = 0;
        let mut command = Vec::with_capacity(statement.len() + 1);
        command.push(0x03);
        command.extend(statement.as_bytes());
        self.send(&command)
    }

    fn send(&mut self, payload: &[u8]) -> Result<(), DjangoError> {
        let mut rest = payload;
        loop {
            let (part, later) = rest.split_at(rest.len().min(PART));
            let [low, middle, high, ..] = (part.len() as u32).to_le_bytes();
            let stream = self.stream.get_mut();
            stream.write_all(&[low, middle, high, self.sequence])?;
            stream.write_all(part)?;
            self.sequence = self.sequence.wrapping_add(1);
            rest = later;
            // A part of the full length is followed by another one, even by an empty one.
            if part.len() < PART {
                break;
            }
        }
        self.stream.get_mut().flush()?;
        Ok(())
    }

    fn packet(&mut self) -> Result<Vec<u8>, DjangoError> {
        let mut packet = Vec::new();
        loop {
            let mut head = [0; 4];
            self.stream.read_exact(&mut head)?;
            let size = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
            self.sequence = head[3].wrapping_add(1);
            let from = packet.len();
            packet.resize(from + size, 0);
            self.stream.read_exact(&mut packet[from..])?;
            if size < PART {
                return Ok(packet);
            }
        }
    }
}

impl Greeting {
    fn read(packet: &[u8]) -> Result<Self, DjangoError> {
        let cut = || DjangoError::Protocol("a greeting that ends early");
        let rest = match packet.split_first() {
            Some((10, rest)) => rest,
            Some((0xFF, rest)) => return Err(refusal(rest)),
            _ => return Err(DjangoError::Protocol("another protocol than that of MySQL")),
        };
        let (_version, rest) = until_nul(rest).ok_or_else(cut)?;
        // A connection id, 8 bytes of the nonce, a filler, capabilities, collation, status, capabilities, the nonce's
        // length and 10 reserved bytes.
        let fixed = rest.get(..31).ok_or_else(cut)?;
        let capabilities = u32::from_le_bytes([fixed[13], fixed[14], fixed[18], fixed[19]]);
        let more = usize::from(fixed[20]).saturating_sub(8).max(13);
        let second = rest.get(31..31 + more).ok_or_else(cut)?;
        let nonce = [&fixed[4..12], second.strip_suffix(&[0]).unwrap_or(second)].concat();
        let plugin = until_nul(&rest[31 + more..]).map_or(&rest[31 + more..], |(name, _)| name);
        Ok(Self { capabilities, nonce, plugin: String::from_utf8_lossy(plugin).into_owned() })
    }
}

fn open(address: &DatabaseAddress) -> Result<TcpStream, DjangoError> {
    let mut last = None;
    for socket in (address.host.as_str(), address.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&socket, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(READ_TIMEOUT))?;
                stream.set_write_timeout(Some(READ_TIMEOUT))?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| DjangoError::Connection("the host has no address".to_owned()), DjangoError::from))
}

fn login_header(capabilities: u32) -> Vec<u8> {
    let mut header = capabilities.to_le_bytes().to_vec();
    header.extend((1_u32 << 30).to_le_bytes());
    header.push(UTF8);
    header.extend([0; 23]);
    header
}

fn tls_config(authorities: Option<&std::path::Path>) -> Result<ClientConfig, DjangoError> {
    let failed = |error: &dyn std::fmt::Display| DjangoError::Connection(format!("TLS: {error}"));
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?;
    let Some(file) = authorities else {
        return Ok(builder.with_platform_verifier().map_err(|error| failed(&error))?.with_no_client_auth());
    };
    let unread = |error: &dyn std::fmt::Display| {
        DjangoError::Connection(format!("ssl-ca, the file {}, cannot be read: {error}", file.display()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unread(&error))? {
        roots.add(certificate.map_err(|error| unread(&error))?).map_err(|error| unread(&error))?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// What proves that the password is known; `None` for a method that is not supported.
fn scramble(plugin: &str, password: &str, nonce: &[u8]) -> Option<Vec<u8>> {
    let hash = |algorithm: &'static Algorithm, parts: &[&[u8]]| digest::digest(algorithm, &parts.concat());
    let mixed = |one: &[u8], other: &[u8]| one.iter().zip(other).map(|(one, other)| one ^ other).collect();
    let answer: Vec<u8> = match plugin {
        "mysql_native_password" | "caching_sha2_password" if password.is_empty() => Vec::new(),
        "mysql_native_password" => {
            let once = hash(&SHA1_FOR_LEGACY_USE_ONLY, &[password.as_bytes()]);
            let twice = hash(&SHA1_FOR_LEGACY_USE_ONLY, &[once.as_ref()]);
            mixed(once.as_ref(), hash(&SHA1_FOR_LEGACY_USE_ONLY, &[nonce, twice.as_ref()]).as_ref())
        }
        "caching_sha2_password" => {
            let once = hash(&SHA256, &[password.as_bytes()]);
            let twice = hash(&SHA256, &[once.as_ref()]);
            mixed(once.as_ref(), hash(&SHA256, &[twice.as_ref(), nonce]).as_ref())
        }
        _ => return None,
    };
    Some(answer)
}

fn unknown_plugin(plugin: &str) -> DjangoError {
    DjangoError::Connection(format!(
        "the user logs in by {plugin}; this program knows mysql_native_password and caching_sha2_password"
    ))
}

/// The server's error, without the SQL state before its message.
fn refusal(packet: &[u8]) -> DjangoError {
    let [low, high, message @ ..] = packet else { return DjangoError::Protocol("an error without a number") };
    let message = if message.first() == Some(&b'#') { message.get(6..).unwrap_or_default() } else { message };
    DjangoError::Refused {
        code: u16::from_le_bytes([*low, *high]),
        message: String::from_utf8_lossy(message).lines().next().unwrap_or_default().to_owned(),
    }
}

fn until_nul(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// A number of one to nine bytes; `Some(None)` for NULL.
fn length(packet: &[u8], at: &mut usize) -> Option<Option<usize>> {
    let first = *packet.get(*at)?;
    *at += 1;
    let size = match first {
        0xFB => return Some(None),
        0xFC => 2,
        0xFD => 3,
        0xFE => 8,
        short => return Some(Some(usize::from(short))),
    };
    let mut bytes = [0; 8];
    bytes[..size].copy_from_slice(packet.get(*at..*at + size)?);
    *at += size;
    usize::try_from(u64::from_le_bytes(bytes)).ok().map(Some)
}

fn row(packet: Vec<u8>, columns: usize) -> Option<Row> {
    let (mut at, mut cells) = (0, Vec::with_capacity(columns));
    for _ in 0..columns {
        let cell = match length(&packet, &mut at)? {
            None => None,
            Some(size) => {
                let from = at;
                at = at.checked_add(size).filter(|end| *end <= packet.len())?;
                Some((from, at))
            }
        };
        cells.push(cell);
    }
    Some(Row { packet, cells })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_length_are_read_and_cut_packets_are_not() {
        let long = "x".repeat(70_000);
        let mut packet = vec![2, b'h', b'i', 0xFB, 0xFC, 0, 1];
        packet.extend([b'y'; 256]);
        packet.push(0xFD);
        packet.extend(&70_000_u32.to_le_bytes()[..3]);
        packet.extend(long.as_bytes());
        let cut = packet[..packet.len() - 1].to_vec();
        let read = row(packet, 4).expect("it is whole");
        assert_eq!(read.cells(), [Some("hi"), None, Some("y".repeat(256).as_str()), Some(long.as_str())]);
        assert!(row(cut, 4).is_none());
        assert!(row(vec![0xFE, 1, 2], 1).is_none());
        assert!(row(vec![0xFE, 255, 255, 255, 255, 255, 255, 255, 255], 1).is_none());
    }

    #[test]
    fn an_error_is_shown_without_its_state() {
        let refused = refusal(b"\x15\x04#28000Access denied\nmore").to_string();
        assert!(refused.ends_with("error 1045: Access denied"), "{refused}");
    }
}
