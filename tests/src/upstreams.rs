//! A fake of all upstream services.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reqwest::Url;
use serde_json::{Value, json};

use crate::fake_service::{FREE_PORT, Received, lock, read_request, respond, serve};

/// Courses whose key contains this are in no catalog.
pub const NOT_IN_CATALOG: &str = "NOT-IN-CATALOG";

/// A catalog service with all courses except those marked [`NOT_IN_CATALOG`]; an LMS with all customers, named by
/// [`FakeUpstreams::slug`] and [`FakeUpstreams::name`]; Braze and Segment. All accept every write. Runs until the test
/// process ends.
#[derive(Debug)]
pub struct FakeUpstreams {
    address: SocketAddr,
    state: Arc<State>,
}

/// A mail sent to Braze.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The campaign.
    pub campaign: String,
    /// The email address.
    pub address: String,
    /// The activation key in it; empty without one.
    pub key: String,
}

#[derive(Debug, Default)]
struct State {
    /// The percentage of writes that fail.
    failing: AtomicU32,
    /// The status that every request is answered with; 0 for none.
    refusing: AtomicU16,
    /// How long each write takes, in milliseconds.
    delay: AtomicU64,
    /// The number of requests, which seeds the pseudo-random failures.
    requests: AtomicU64,
    /// The accepted writes: path, time and body.
    taken: Mutex<Vec<(String, Instant, Value)>>,
    /// The reads: path, and the values of the query by name.
    asked: Mutex<Vec<(String, Value)>>,
    /// The path and `traceparent` of each request.
    trace_parents: Mutex<Vec<(String, Option<String>)>>,
    /// Whether writes wait for `release`.
    held: Mutex<bool>,
    released: Condvar,
    /// The admins of every customer: id of the customer user, account id, email address.
    admins: Mutex<Vec<(i64, i64, String)>>,
    /// Account ids by email address.
    accounts: Mutex<BTreeMap<String, i64>>,
    /// Braze's aliases.
    aliases: Mutex<BTreeMap<String, bool>>,
}

impl FakeUpstreams {
    /// Starts the services.
    pub fn start() -> Self {
        let state = Arc::<State>::default();
        Self { address: serve(FREE_PORT, &state, answer), state }
    }

    /// The URL for `LM_CATALOG__URL`, `LM_LMS__URL`, `LM_BRAZE__URL` and `LM_SEGMENT__URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The settings of a server that uses all of them. The campaign id of each kind of mail is the kind's name.
    pub fn settings(&self) -> Vec<(String, String)> {
        let urls = ["CATALOG", "LMS", "BRAZE", "SEGMENT"].map(|name| (format!("LM_{name}__URL"), self.url()));
        let keys = [("BRAZE__API_KEY", "braze"), ("BRAZE__APP_ID", "app"), ("SEGMENT__WRITE_KEY", "segment")];
        let keys = keys.map(|(name, value)| (format!("LM_{name}"), value.to_owned()));
        let campaigns = [
            "assignment",
            "reminder",
            "post_activation",
            "auto_applied",
            "auto_applied_no_portal",
            "revocation_cap",
            "initial_utilization",
            "limited_allocations",
            "no_allocations",
            "bulk_enrollment_result",
        ];
        let campaigns =
            campaigns.map(|kind| (format!("LM_BRAZE__CAMPAIGNS__{}", kind.to_uppercase()), kind.to_owned()));
        urls.into_iter().chain(keys).chain(campaigns).collect()
    }

    /// From now on this percentage of writes fails: with 429, with an error, by a broken connection, or after the write
    /// was done.
    pub fn fail(&self, percent: u32) {
        self.state.failing.store(percent, Ordering::SeqCst);
    }

    /// From now on each write takes this long.
    pub fn slow(&self, delay: Duration) {
        self.state.delay.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// From now on every request, a read too, is answered with this status until [`FakeUpstreams::accept`].
    pub fn refuse(&self, status: u16) {
        self.state.refusing.store(status, Ordering::SeqCst);
    }

    /// Accepts requests again.
    pub fn accept(&self) {
        self.refuse(0);
    }

    /// From now on writes are accepted but not answered until [`FakeUpstreams::release`].
    pub fn hold(&self) {
        *lock(&self.state.held) = true;
    }

    /// Answers writes again, the waiting ones included.
    pub fn release(&self) {
        *lock(&self.state.held) = false;
        self.state.released.notify_all();
    }

    /// The `traceparent` of requests whose path contains this text, in order.
    pub fn trace_parents(&self, path: &str) -> Vec<Option<String>> {
        let all = lock(&self.state.trace_parents);
        all.iter().filter(|(asked, _)| asked.contains(path)).map(|(_, parent)| parent.clone()).collect()
    }

    /// The reads so far: path, and the values of the query by name.
    pub fn asked(&self) -> Vec<(String, Value)> {
        lock(&self.state.asked).clone()
    }

    /// Makes Braze forget everybody.
    pub fn forget_profiles(&self) {
        lock(&self.state.aliases).clear();
    }

    /// Makes somebody an admin of every customer.
    pub fn add_admin(&self, customer_user: i64, lms_user_id: i64, email: &str) {
        lock(&self.state.admins).push((customer_user, lms_user_id, email.to_owned()));
    }

    /// Adds an account.
    pub fn add_account(&self, email: &str, lms_user_id: i64) {
        lock(&self.state.accounts).insert(email.to_owned(), lms_user_id);
    }

    /// The bodies of accepted writes whose path contains this text, in order.
    pub fn taken(&self, path: &str) -> Vec<Value> {
        self.taken_at(path).into_iter().map(|(_, body)| body).collect()
    }

    /// All accepted writes in order: path and body.
    pub fn all_taken(&self) -> Vec<(String, Value)> {
        lock(&self.state.taken).iter().map(|(path, _, body)| (path.clone(), body.clone())).collect()
    }

    /// Like [`FakeUpstreams::taken`], with the time of each.
    pub fn taken_at(&self, path: &str) -> Vec<(Instant, Value)> {
        let taken = lock(&self.state.taken);
        let of_path = taken.iter().filter(|(taken, ..)| taken.contains(path));
        of_path.map(|(_, at, body)| (*at, body.clone())).collect()
    }

    /// The email addresses linked in the LMS, once per call.
    pub fn linked(&self) -> Vec<String> {
        let calls = self.taken("/pending-enterprise-learner/");
        let learners = calls.iter().flat_map(|call| call.as_array().into_iter().flatten());
        learners.map(|learner| text(&learner["user_email"])).collect()
    }

    /// The campaign and email address of each mail sent to Braze.
    pub fn mailed(&self) -> Vec<(String, String)> {
        self.mails().into_iter().map(|mail| (mail.campaign, mail.address)).collect()
    }

    /// Each mail sent to Braze.
    pub fn mails(&self) -> Vec<Mail> {
        let calls = self.taken("/campaigns/trigger/send");
        let recipients = calls.iter().flat_map(|call| {
            let recipients = call["recipients"].as_array().into_iter().flatten();
            recipients.map(|recipient| (text(&call["campaign_id"]), recipient))
        });
        let address = |recipient: &Value| match &recipient["user_alias"] {
            Value::Null => text(&recipient["attributes"]["email"]),
            alias => text(&alias["alias_name"]),
        };
        let mail = |(campaign, recipient): (String, &Value)| Mail {
            campaign,
            address: address(recipient),
            key: text(&recipient["trigger_properties"]["license_activation_key"]),
        };
        recipients.map(mail).collect()
    }

    /// The events sent to Segment or Braze: the last part of the name, and the license.
    pub fn events(&self) -> Vec<(String, String)> {
        let told = |event: &Value, name: &str| {
            let name = text(&event[name]);
            let name = name.rsplit('.').next().unwrap_or_default().to_owned();
            (name, text(&event["properties"]["license_uuid"]))
        };
        let of = |path, field: &'static str, name: &'static str| {
            let calls = self.taken(path).into_iter();
            calls.flat_map(move |call| {
                let events = call[field].as_array().cloned().unwrap_or_default();
                events.iter().map(|event| told(event, name)).collect::<Vec<_>>()
            })
        };
        of("/users/track", "events", "name").chain(of("/v1/batch", "batch", "event")).collect()
    }

    /// The slug of this customer.
    pub fn slug(customer: impl Display) -> String {
        format!("slug-of-{customer}")
    }

    /// The name of this customer.
    pub fn name(customer: impl Display) -> String {
        format!("Name of {customer}")
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// How a request fails.
enum Failure {
    /// 429 with this `Retry-After` in seconds.
    Busy(u64),
    /// An error; nothing is done.
    Error,
    /// The connection is closed; nothing is done.
    BrokenOff,
    /// Done, but the connection is closed.
    Unacknowledged,
}

impl State {
    /// How this request fails. Pseudo-random, and the same in every run with the same requests.
    fn failure(&self) -> Option<Failure> {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        if bits % 100 >= u64::from(self.failing.load(Ordering::SeqCst)) {
            return None;
        }
        Some(match bits / 100 % 8 {
            0 => Failure::Busy(1),
            1..=3 => Failure::Error,
            4..=5 => Failure::BrokenOff,
            _ => Failure::Unacknowledged,
        })
    }

    /// The answer to a read.
    fn read(&self, url: &Url) -> (&'static str, Value) {
        let query =
            |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
        let path = url.path();
        if path.ends_with("/contains_content_items/") {
            let mut keys = url.query_pairs().filter(|(name, _)| name == "course_run_ids");
            let contains = keys.any(|(_, key)| !key.contains(NOT_IN_CATALOG));
            ("200 OK", json!({ "contains_content_items": contains }))
        } else if let Some(rest) = path.strip_prefix("/enterprise/api/v1/enterprise-customer/") {
            let customer = rest.trim_end_matches('/');
            let (slug, name) = (FakeUpstreams::slug(customer), FakeUpstreams::name(customer));
            let customer = json!({
                "uuid": customer,
                "slug": slug,
                "name": name,
                "contact_email": "help@example.com",
                "sender_alias": "Academy",
                "reply_to": "answers@example.com",
            });
            ("200 OK", customer)
        } else if path == "/enterprise/api/v1/enterprise-learner/" {
            let admins = lock(&self.admins);
            let results = admins
                .iter()
                .map(|(id, account, email)| json!({ "id": id, "user": { "id": account, "email": email } }));
            ("200 OK", json!({ "next": null, "results": results.collect::<Vec<_>>() }))
        } else if path == "/api/user/v1/accounts" {
            match query("email").and_then(|email| lock(&self.accounts).get(&email).copied()) {
                Some(account) => ("200 OK", json!([{ "id": account }])),
                None => ("404 Not Found", Value::Null),
            }
        } else {
            ("404 Not Found", json!({ "detail": "Not found." }))
        }
    }

    /// The answer to a write.
    fn take(&self, path: &str, body: &Value) -> Value {
        lock(&self.taken).push((path.to_owned(), Instant::now(), body.clone()));
        std::thread::sleep(Duration::from_millis(self.delay.load(Ordering::SeqCst)));
        drop(self.released.wait_while(lock(&self.held), |held| *held));
        let aliases = |field: &str| -> Vec<String> {
            let aliases = body[field].as_array().into_iter().flatten();
            aliases.map(|alias| text(&alias["alias_name"])).collect()
        };
        match path {
            "/users/export/ids" => {
                let known = lock(&self.aliases);
                let users: Vec<Value> = aliases("user_aliases")
                    .into_iter()
                    .filter(|alias| known.contains_key(alias))
                    .map(|alias| {
                        let email = known.get(&alias).copied().unwrap_or_default().then_some(alias.clone());
                        json!({ "user_aliases": [{ "alias_name": alias, "alias_label": "Enterprise" }], "email": email })
                    })
                    .collect();
                json!({ "users": users, "message": "success" })
            }
            "/users/alias/new" => {
                lock(&self.aliases).extend(aliases("user_aliases").into_iter().map(|alias| (alias, false)));
                json!({ "message": "success" })
            }
            "/users/track" => {
                for attributes in body["attributes"].as_array().into_iter().flatten() {
                    lock(&self.aliases).insert(text(&attributes["user_alias"]["alias_name"]), true);
                }
                json!({ "message": "success" })
            }
            "/v1/batch" => json!({ "success": true }),
            // One query per catalog.
            "/api/v1/distinct-catalog-queries/" => {
                let catalogs = body["enterprise_catalog_uuids"].as_array().cloned().unwrap_or_default();
                let queries =
                    catalogs.into_iter().enumerate().map(|(number, catalog)| (number.to_string(), json!([catalog])));
                json!({ "catalog_uuids_by_catalog_query_id": queries.collect::<serde_json::Map<_, _>>() })
            }
            path if path.ends_with("/enroll_learners_in_courses/") => {
                let enrolled = body["licenses_info"].as_array().into_iter().flatten();
                let enrolled =
                    enrolled.map(|one| json!({ "email": one["email"], "course_run_key": one["course_run_key"] }));
                json!({ "successes": enrolled.collect::<Vec<_>>(), "pending": [], "failures": [] })
            }
            _ => json!({ "message": "success" }),
        }
    }
}

fn answer(state: &State, stream: &TcpStream) -> Option<()> {
    let Received { method, target, mut headers, body } = read_request(stream)?;
    let url = Url::parse("http://upstreams").ok()?.join(&target).ok()?;
    lock(&state.trace_parents).push((url.path().to_owned(), headers.remove("traceparent")));
    let refusing = state.refusing.load(Ordering::SeqCst);
    if refusing != 0 {
        return respond(stream, &format!("{refusing} Refused"), "", "");
    }
    let (status, headers, body) = if method == "GET" {
        let mut query: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in url.query_pairs() {
            query.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        lock(&state.asked).push((url.path().to_owned(), json!(query)));
        let (status, body) = state.read(&url);
        (status, String::new(), body)
    } else {
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        match state.failure() {
            None => ("200 OK", String::new(), state.take(url.path(), &body)),
            Some(Failure::Busy(seconds)) => {
                let reset = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs() + seconds;
                let headers = format!("Retry-After: {seconds}\r\nX-RateLimit-Reset: {reset}\r\n");
                ("429 Too Many Requests", headers, Value::Null)
            }
            Some(Failure::Error) => ("502 Bad Gateway", String::new(), Value::Null),
            Some(Failure::BrokenOff) => return None,
            Some(Failure::Unacknowledged) => {
                state.take(url.path(), &body);
                ("500 Internal Server Error", String::new(), Value::Null)
            }
        }
    };
    respond(stream, status, &format!("Content-Type: application/json\r\n{headers}"), &body.to_string())
}
