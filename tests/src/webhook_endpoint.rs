//! A fake webhook endpoint.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::fake_service::{FREE_PORT, Received, lock, read_request, respond, serve};

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
        let state = Arc::new(State { status: AtomicU16::new(204), told: Mutex::default() });
        Self { address: serve(FREE_PORT, &state, answer), state }
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
        lock(&self.state.told).clone()
    }

    /// The accepted requests.
    pub fn taken(&self) -> Vec<Told> {
        self.told().into_iter().filter(|told| (200..300).contains(&told.status)).collect()
    }
}

fn answer(state: &State, stream: &TcpStream) -> Option<()> {
    let Received { headers, body, .. } = read_request(stream)?;
    let text = String::from_utf8(body).ok()?;
    let status = state.status.load(Ordering::SeqCst);
    let told = Told { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text };
    lock(&state.told).push(told);
    if status == 0 {
        // The caller times out first.
        std::thread::sleep(std::time::Duration::from_secs(60));
        return None;
    }
    respond(stream, &format!("{status} Status"), "", "")
}
