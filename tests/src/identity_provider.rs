//! A fake provider of identities: the LMS's OAuth 2 endpoints, and an OpenID Connect provider.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Url;
use serde_json::{Value, json};

use crate::Person;
use crate::fake_service::{FREE_PORT, Received, lock, read_request, respond, serve};

/// The client that the provider knows.
pub const CLIENT_ID: &str = "license-manager-console";
/// The client's secret.
pub const CLIENT_SECRET: &str = "a-secret-of-the-console-0123456789";

/// A provider that signs one person in. It checks what a real one checks: the client, the code, its address to come
/// back to, and PKCE. Runs until the test process ends.
pub struct FakeIdentityProvider {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    person: Option<Person>,
    /// The authorizations under way, by their codes.
    codes: BTreeMap<String, Authorization>,
    /// The key that signs identity tokens.
    key: Option<EncodingKey>,
    /// The nonce of the last authorization.
    nonce: String,
    /// The refresh token that counts.
    refresh_token: String,
    /// How many tokens were given.
    given: usize,
}

/// What the browser came with.
struct Authorization {
    challenge: String,
    redirect_uri: String,
}

impl FakeIdentityProvider {
    /// Starts it.
    pub fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        Self { address: serve(FREE_PORT, &state, answer), state }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Signs this person in from now on; nobody with `None`.
    pub fn set_person(&self, person: Option<Person>) {
        lock(&self.state).person = person;
    }

    /// Puts another nonce into identity tokens from now on.
    pub fn forge_nonce(&self) {
        lock(&self.state).nonce = "forged".to_owned();
    }

    /// Signs a token with these claims, as its identity tokens are signed.
    pub fn sign(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, key(&mut lock(&self.state)))
            .expect("a token is signed")
    }

    /// How many tokens it gave.
    pub fn given(&self) -> usize {
        lock(&self.state).given
    }
}

fn answer(state: &Mutex<State>, stream: &TcpStream) -> Option<()> {
    let Received { target, body, .. } = read_request(stream)?;
    let url = Url::parse(&format!("http://provider{target}")).ok()?;
    let form = Url::parse(&format!("http://provider/?{}", String::from_utf8(body).ok()?)).ok()?;
    let mut state = lock(state);
    let issuer = format!("http://{}", stream.local_addr().ok()?);
    let (status, headers, body) = match url.path() {
        "/oauth2/authorize" => authorize(&mut state, "user_id profile email", &fields(&url)),
        "/oauth2/access_token" => match tokens(&mut state, &fields(&form)) {
            Some(tokens) => (200, String::new(), tokens),
            None => (400, String::new(), json!({ "error": "invalid_grant" })),
        },
        "/.well-known/openid-configuration" => {
            let endpoints = json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "jwks_uri": format!("{issuer}/keys"),
            });
            (200, String::new(), endpoints)
        }
        "/keys" => {
            let key = Jwk::from_encoding_key(key(&mut state), Algorithm::RS256).ok()?;
            (200, String::new(), json!({ "keys": [key] }))
        }
        "/authorize" => {
            let query = fields(&url);
            state.nonce = query.get("nonce").cloned().unwrap_or_default();
            authorize(&mut state, "openid profile email offline_access", &query)
        }
        "/token" => match identity_tokens(&mut state, &issuer, &fields(&form)) {
            Some(tokens) => (200, String::new(), tokens),
            None => (400, String::new(), json!({ "error": "invalid_grant" })),
        },
        _ => (404, String::new(), Value::Null),
    };
    respond(stream, &format!("{status} Status"), &headers, &body.to_string())
}

fn fields(url: &Url) -> BTreeMap<String, String> {
    url.query_pairs().into_owned().collect()
}

/// The key that signs identity tokens.
fn key(state: &mut State) -> &EncodingKey {
    state.key.get_or_insert_with(|| {
        let pkcs8 = KeyPair::generate(KeySize::Rsa2048).and_then(|key| key.as_der()).expect("a key is made");
        // jsonwebtoken needs the inner RSAPrivateKey; for this key size the outer structure is 26 bytes long.
        EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..])
    })
}

/// The tokens of OpenID Connect: what the person's own token says, signed for the client.
fn identity_tokens(state: &mut State, issuer: &str, form: &BTreeMap<String, String>) -> Option<Value> {
    let mut form = form.clone();
    form.insert("token_type".to_owned(), "jwt".to_owned());
    let mut given = tokens(state, &form)?;
    let payload = given["access_token"].as_str()?.split('.').nth(1)?.to_owned();
    let mut claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    claims["iss"] = issuer.into();
    claims["aud"] = CLIENT_ID.into();
    claims["nonce"] = state.nonce.clone().into();
    let signed = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, key(state)).ok()?;
    given["id_token"] = signed.into();
    given["access_token"] = "opaque".into();
    Some(given)
}

/// Leads the browser back with a code.
fn authorize(state: &mut State, scope: &str, query: &BTreeMap<String, String>) -> (u16, String, Value) {
    let get = |name: &str| query.get(name).cloned().unwrap_or_default();
    let is_right = get("client_id") == CLIENT_ID
        && get("response_type") == "code"
        && get("code_challenge_method") == "S256"
        && get("scope") == scope;
    let Ok(mut back) = Url::parse(&get("redirect_uri")) else { return (400, String::new(), Value::Null) };
    if !is_right {
        return (400, String::new(), Value::Null);
    }
    let code = format!("code-{}", state.codes.len());
    let authorization = Authorization { challenge: get("code_challenge"), redirect_uri: get("redirect_uri") };
    state.codes.insert(code.clone(), authorization);
    back.query_pairs_mut().append_pair("code", &code).append_pair("state", &get("state"));
    (302, format!("Location: {back}\r\n"), Value::Null)
}

/// The tokens for a code or a refresh token; `None` if it does not count.
fn tokens(state: &mut State, form: &BTreeMap<String, String>) -> Option<Value> {
    let get = |name: &str| form.get(name).cloned().unwrap_or_default();
    if get("client_id") != CLIENT_ID || get("client_secret") != CLIENT_SECRET || get("token_type") != "jwt" {
        return None;
    }
    match get("grant_type").as_str() {
        "authorization_code" => {
            let authorization = state.codes.remove(&get("code"))?;
            let verified = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, get("code_verifier").as_bytes()));
            if verified != authorization.challenge || get("redirect_uri") != authorization.redirect_uri {
                return None;
            }
        }
        "refresh_token" if get("refresh_token") == state.refresh_token => {}
        _ => return None,
    }
    let token = state.person.as_ref()?.token();
    state.given += 1;
    state.refresh_token = format!("refresh-{}", state.given);
    Some(json!({
        "access_token": token, "token_type": "JWT", "expires_in": 3600, "refresh_token": state.refresh_token,
    }))
}
