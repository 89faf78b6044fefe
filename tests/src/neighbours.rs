//! The services around the server, played by one of a test's own.

use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use reqwest::Url;
use serde_json::json;

/// Courses whose key holds this are in no catalog.
pub const NOT_IN_CATALOG: &str = "NOT-IN-CATALOG";

/// A catalog service that knows every course but those marked [`NOT_IN_CATALOG`], and an LMS that knows every customer by the
/// slug and the name that [`FakeNeighbours::slug`] and [`FakeNeighbours::name`] tell. It answers until the test's process ends.
#[derive(Debug)]
pub struct FakeNeighbours(SocketAddr);

impl FakeNeighbours {
    /// Starts it.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || answer(stream));
            }
        });
        Self(address)
    }

    /// Its address, as `LM_CATALOG__URL` and `LM_LMS__URL` take it.
    pub fn url(&self) -> String {
        format!("http://{}", self.0)
    }

    /// The slug of the customer of this id.
    pub fn slug(customer: impl Display) -> String {
        format!("slug-of-{customer}")
    }

    /// The name of the customer of this id.
    pub fn name(customer: impl Display) -> String {
        format!("Name of {customer}")
    }
}

/// Answers one request; a client that breaks off gets nothing.
fn answer(stream: TcpStream) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let request = lines.next()?.ok()?;
    // The request ends with the first empty line: nobody sends this service a body.
    lines.by_ref().find(|line| line.as_ref().map_or(true, String::is_empty));
    let target = request.split(' ').nth(1)?;
    let url = Url::parse("http://catalog").ok()?.join(target).ok()?;
    let (status, body) = if url.path().ends_with("/contains_content_items/") {
        let mut keys = url.query_pairs().filter(|(name, _)| name == "course_run_ids");
        let contains = keys.any(|(_, key)| !key.contains(NOT_IN_CATALOG));
        ("200 OK", json!({ "contains_content_items": contains }))
    } else if let Some(rest) = url.path().strip_prefix("/enterprise/api/v1/enterprise-customer/") {
        let customer = rest.trim_end_matches('/');
        let (slug, name) = (FakeNeighbours::slug(customer), FakeNeighbours::name(customer));
        ("200 OK", json!({ "uuid": customer, "slug": slug, "name": name }))
    } else {
        ("404 Not Found", json!({ "detail": "Not found." }))
    };
    let body = body.to_string();
    let length = body.len();
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .ok()
}
