//! A fake S3-compatible service.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use reqwest::Url;

use crate::fake_service::{FREE_PORT, Received, lock, read_request, respond, serve};

/// The bucket's name.
const BUCKET: &str = "results";
/// The id of the bucket's access key.
const KEY: &str = "key-of-the-bucket";

/// A bucket that accepts every URL with its access key and does not check signatures. Runs until the test process ends.
#[derive(Debug)]
pub struct FakeBucket {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    away: AtomicBool,
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl FakeBucket {
    /// Starts the service.
    pub fn start() -> Self {
        let state = Arc::<State>::default();
        Self { address: serve(FREE_PORT, &state, answer), state }
    }

    /// The service's URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The settings of a server that uses the bucket.
    pub fn settings(&self) -> Vec<(String, String)> {
        let settings = [
            ("URL", self.url()),
            ("BUCKET", BUCKET.to_owned()),
            ("REGION", "us-east-1".to_owned()),
            ("ACCESS_KEY_ID", KEY.to_owned()),
            ("SECRET_ACCESS_KEY", "secret".to_owned()),
            ("PATH_STYLE", "true".to_owned()),
        ];
        settings.map(|(name, value)| (format!("LM_S3__{name}"), value)).into()
    }

    /// Makes it fail, or work again.
    pub fn set_away(&self, away: bool) {
        self.state.away.store(away, Ordering::SeqCst);
    }

    /// Puts an object there, as another service did.
    pub fn put(&self, key: &str, content: &str) {
        lock(&self.state.objects).insert(key.to_owned(), content.as_bytes().to_vec());
    }

    /// Its objects by key.
    pub fn objects(&self) -> BTreeMap<String, String> {
        let objects = lock(&self.state.objects);
        objects.iter().map(|(key, object)| (key.clone(), String::from_utf8_lossy(object).into_owned())).collect()
    }

    /// The bytes of an object.
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        lock(&self.state.objects).get(key).cloned()
    }
}

impl State {
    fn answer(&self, method: &str, url: &Url, body: Vec<u8>) -> (&'static str, String) {
        let signed = url.query_pairs().any(|(name, value)| name == "X-Amz-Credential" && value.starts_with(KEY));
        let key = url.path().strip_prefix('/').and_then(|path| path.strip_prefix(BUCKET)?.strip_prefix('/'));
        let Some(key) = key.filter(|_| signed) else { return ("403 Forbidden", String::new()) };
        let mut objects = lock(&self.objects);
        match method {
            _ if self.away.load(Ordering::SeqCst) => ("503 Slow Down", String::new()),
            "PUT" => {
                objects.insert(key.to_owned(), body);
                ("200 OK", String::new())
            }
            "GET" => objects.get(key).map_or(("404 Not Found", String::new()), |object| {
                ("200 OK", String::from_utf8_lossy(object).into_owned())
            }),
            _ => ("405 Method Not Allowed", String::new()),
        }
    }
}

fn answer(state: &State, stream: &TcpStream) -> Option<()> {
    let Received { method, target, body, .. } = read_request(stream)?;
    let url = Url::parse("http://bucket").ok()?.join(&target).ok()?;
    let (status, body) = state.answer(&method, &url, body);
    respond(stream, status, "Content-Type: text/csv\r\n", &body)
}
