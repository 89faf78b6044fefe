//! A fake webhook endpoint.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// An endpoint that records its requests. Runs until the test process ends.
#[derive(Debug)]
pub struct WebhookEndpoint {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    status: AtomicU16,
    told: Mutex<Vec<Told>>,
}

/// A request to the endpoint.
#[derive(Debug, Clone)]
pub struct Told {
    /// The status of its answer.
    pub status: u16,
    /// The headers, names in lowercase.
    pub headers: BTreeMap<String, String>,
    /// The exact body.
    pub text: String,
    /// The parsed body.
    pub body: Value,
}

impl Told {
    /// The last part of the event's name.
    pub fn event(&self) -> &str {
        self.body["type"].as_str().and_then(|name| name.rsplit('.').next()).unwrap_or_default()
    }

    /// Panics unless the request is signed with this secret as Standard Webhooks specifies.
    pub fn assert_signed_with(&self, secret: &str) {
        let key = secret.strip_prefix("whsec_").expect("a secret has its prefix");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64_STANDARD.decode(key).expect("a secret is base64"));
        let signed = format!("{}.{}.{}", self.headers["webhook-id"], self.headers["webhook-timestamp"], self.text);
        let holds = |signature: &str| {
            let signature = signature.strip_prefix("v1,").expect("it is of version 1");
            let signature = BASE64_STANDARD.decode(signature).expect("a signature is base64");
            hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
        };
        assert!(self.headers["webhook-signature"].split(' ').any(holds), "a signature holds");
    }
}

impl WebhookEndpoint {
    /// Starts an endpoint that accepts everything.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let state = Arc::new(State { status: AtomicU16::new(204), told: Mutex::default() });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || answer(&state, &stream));
            }
        });
        Self { address, state }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// The status of answers from now on; with 0 it does not answer.
    pub fn answer(&self, status: u16) {
        self.state.status.store(status, Ordering::SeqCst);
    }

    /// All requests, in order.
    pub fn told(&self) -> Vec<Told> {
        self.state.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The accepted requests.
    pub fn taken(&self) -> Vec<Told> {
        self.told().into_iter().filter(|told| (200..300).contains(&told.status)).collect()
    }
}

fn answer(state: &State, mut stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let text = String::from_utf8(body).ok()?;
    let status = state.status.load(Ordering::SeqCst);
    let told = Told { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text };
    state.told.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    if status == 0 {
        // The caller times out first.
        std::thread::sleep(std::time::Duration::from_secs(60));
        return None;
    }
    write!(stream, "HTTP/1.1 {status} Status\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()
}
