//! A client that uses little CPU, because it shares the processor with the server.

use std::io::{Read, Write};
use std::net::TcpStream;

use license_manager_tests::Person;
use serde_json::Value;

/// The most headers per answer.
const MAX_HEADERS: usize = 32;

/// The bytes per read.
const CHUNK: usize = 64 * 1024;

/// A person's request in its wire format.
pub fn request(method: &str, path: &str, person: &Person, body: Option<&Value>) -> Vec<u8> {
    let body = body.map(Value::to_string).unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nAuthorization: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        person.authorization(),
        body.len()
    )
    .into_bytes()
}

/// A persistent connection.
pub struct Connection {
    stream: TcpStream,
    chunk: Vec<u8>,
    received: Vec<u8>,
}

impl Connection {
    /// Connects to a host and port.
    pub fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts a connection");
        stream.set_nodelay(true).expect("the socket takes an option");
        Self { stream, chunk: vec![0; CHUNK], received: Vec::new() }
    }

    /// Sends a request and returns the answer's body, with the lengths of its chunks if it comes in some. Panics if the
    /// status differs.
    pub fn exchange(&mut self, request: &[u8], status: u16) -> &[u8] {
        self.stream.write_all(request).expect("a request is sent");
        self.received.clear();
        let (head, found, length) = loop {
            let read = self.stream.read(&mut self.chunk).expect("an answer comes");
            assert!(read > 0, "the server closes the connection within an answer");
            self.received.extend_from_slice(&self.chunk[..read]);
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut answer = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(head) = answer.parse(&self.received).expect("the answer is HTTP") {
                break (head, answer.code, content_length(answer.headers));
            }
        };
        match length {
            Some(length) => {
                let missing = self.received.len()..head + length;
                self.received.resize(head + length, 0);
                self.stream.read_exact(&mut self.received[missing]).expect("the rest of an answer comes");
            }
            None => self.read_chunks(),
        }
        let body = &self.received[head..];
        assert_eq!(found, Some(status), "{}", String::from_utf8_lossy(body));
        body
    }

    /// Reads the rest of an answer in chunks.
    fn read_chunks(&mut self) {
        while !self.received.ends_with(b"\r\n0\r\n\r\n") {
            let read = self.stream.read(&mut self.chunk).expect("the rest of an answer comes");
            assert!(read > 0, "the server closes the connection within an answer");
            self.received.extend_from_slice(&self.chunk[..read]);
        }
    }
}

/// The length of the body; `None` if it comes in chunks.
fn content_length(headers: &[httparse::Header<'_>]) -> Option<usize> {
    let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"))?;
    let value = std::str::from_utf8(header.value).ok().and_then(|value| value.parse().ok());
    Some(value.expect("a length is a number"))
}
