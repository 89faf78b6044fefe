use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use chrono::TimeDelta;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use license_manager::auth::{TokenError, TokenVerifier};
use license_manager::config::{AuthConfig, JwkSetSource};
use serde_json::{Value, json};

use crate::issuer::{SECRET, claims, now, secret_config, sign_with};

/// An RSA key of the issuer.
struct RsaKey(EncodingKey);

impl RsaKey {
    fn new() -> Self {
        let pkcs8 = KeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
        // jsonwebtoken needs the inner RSAPrivateKey; for this key size the outer structure is 26 bytes long.
        Self(EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..]))
    }

    fn sign(&self, algorithm: Algorithm, claims: &Value) -> String {
        encode(&Header::new(algorithm), claims, &self.0).unwrap()
    }

    fn jwk(&self) -> Value {
        serde_json::to_value(Jwk::from_encoding_key(&self.0, Algorithm::RS512).unwrap()).unwrap()
    }
}

fn set_of(keys: &[&RsaKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

async fn verifier_of(source: JwkSetSource) -> TokenVerifier {
    let config = AuthConfig { jwk_set: Some(source), ..AuthConfig::default() };
    TokenVerifier::from_config(&config).await.unwrap()
}

#[actix_web::test]
async fn any_key_of_the_set_may_have_signed() {
    let (first, second, stranger) = (RsaKey::new(), RsaKey::new(), RsaKey::new());
    let set = json!({ "keys": [
        { "kty": "oct", "k": "c2VjcmV0" }, { "kty": "EC" }, 5, first.jwk(), second.jwk(),
    ] });
    let verifier = verifier_of(JwkSetSource::Inline(set.to_string())).await;
    for key in [&first, &second] {
        for algorithm in [Algorithm::RS256, Algorithm::RS512] {
            let token = key.sign(algorithm, &claims());
            assert_eq!(verifier.verify(&token, now()).await.map(|token| token.username), Ok("ada".to_owned()));
        }
    }
    for token in [
        stranger.sign(Algorithm::RS512, &claims()),
        first.sign(Algorithm::RS384, &claims()),
        first.sign(Algorithm::PS256, &claims()),
        sign_with("secret", &claims()),
    ] {
        assert_eq!(verifier.verify(&token, now()).await, Err(TokenError::BadSignature));
    }
}

#[actix_web::test]
async fn a_public_key_cannot_verify_hs256() {
    let key = RsaKey::new();
    let set = set_of(&[&key]);
    let mut config = secret_config();
    config.jwk_set = Some(JwkSetSource::Inline(set.clone()));
    let verifier = TokenVerifier::from_config(&config).await.unwrap();
    let modulus = key.jwk()["n"].as_str().unwrap().to_owned();
    for guess in [set, modulus, key.jwk().to_string()] {
        assert_eq!(verifier.verify(&sign_with(&guess, &claims()), now()).await, Err(TokenError::BadSignature));
    }
    assert!(verifier.verify(&key.sign(Algorithm::RS256, &claims()), now()).await.is_ok());
    assert!(verifier.verify(&sign_with(SECRET, &claims()), now()).await.is_ok());
}

#[actix_web::test]
async fn a_jwk_set_can_be_a_file() {
    let key = RsaKey::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("set.json");
    std::fs::write(&path, set_of(&[&key])).unwrap();
    let verifier = verifier_of(JwkSetSource::File(path)).await;
    assert!(verifier.verify(&key.sign(Algorithm::RS512, &claims()), now()).await.is_ok());
}

#[actix_web::test]
async fn without_a_usable_key_there_is_no_verifier() {
    let problem = |jwk_set: Option<JwkSetSource>| async {
        let config = AuthConfig { jwk_set, ..AuthConfig::default() };
        TokenVerifier::from_config(&config).await.err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(problem(None).await.contains("LM_AUTH__HS256_SECRET"));
    assert!(problem(Some(JwkSetSource::File(PathBuf::from("/nonexistent/set")))).await.contains("/nonexistent/set"));
    for set in ["{", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#] {
        assert!(problem(Some(JwkSetSource::Inline(set.to_owned()))).await.starts_with("auth.jwk_set: "), "{set}");
    }
}

type IssuerState = (Arc<Mutex<Option<String>>>, Arc<AtomicUsize>);

/// An issuer that publishes its keys over HTTP and counts the requests.
struct Issuer {
    answer: Arc<Mutex<Option<String>>>,
    asked: Arc<AtomicUsize>,
    source: JwkSetSource,
}

impl Issuer {
    /// `None` answers 500.
    fn publishing(answer: Option<String>) -> Self {
        let answer = Arc::new(Mutex::new(answer));
        let asked = Arc::new(AtomicUsize::new(0));
        let state = web::Data::new((Arc::clone(&answer), Arc::clone(&asked)));
        let server = HttpServer::new(move || {
            App::new().app_data(state.clone()).default_service(web::to(|state: web::Data<IssuerState>| async move {
                state.1.fetch_add(1, Ordering::SeqCst);
                match state.0.lock().unwrap().clone() {
                    Some(text) => HttpResponse::Ok().body(text),
                    None => HttpResponse::InternalServerError().finish(),
                }
            }))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
        let source = JwkSetSource::try_from(format!("http://{}/jwks.json", server.addrs()[0])).unwrap();
        actix_web::rt::spawn(server.run());
        Self { answer, asked, source }
    }

    fn publish(&self, answer: Option<String>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn times_asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[actix_web::test]
async fn an_unknown_key_causes_a_fetch_at_most_every_ten_seconds() {
    let (old, new) = (RsaKey::new(), RsaKey::new());
    let (by_old, by_new) = (old.sign(Algorithm::RS512, &claims()), new.sign(Algorithm::RS512, &claims()));
    let issuer = Issuer::publishing(Some(set_of(&[&old])));
    let verifier = verifier_of(issuer.source.clone()).await;
    assert!(verifier.verify(&by_old, now()).await.is_ok());
    assert_eq!(issuer.times_asked(), 1);

    assert_eq!(verifier.verify(&by_new, now()).await, Err(TokenError::BadSignature));
    assert_eq!(issuer.times_asked(), 2);
    issuer.publish(Some(set_of(&[&new])));
    let soon = now() + TimeDelta::seconds(9);
    assert_eq!(verifier.verify(&by_new, soon).await, Err(TokenError::BadSignature));
    assert_eq!(issuer.times_asked(), 2);
    let later = now() + TimeDelta::seconds(10);
    assert!(verifier.verify(&by_new, later).await.is_ok());
    assert_eq!(verifier.verify(&by_old, later).await, Err(TokenError::BadSignature));
    assert_eq!(issuer.times_asked(), 3);
}

#[actix_web::test]
async fn a_failed_fetch_keeps_the_last_keys() {
    let key = RsaKey::new();
    let (good, forged) = (key.sign(Algorithm::RS256, &claims()), RsaKey::new().sign(Algorithm::RS256, &claims()));
    let issuer = Issuer::publishing(Some(set_of(&[&key])));
    let verifier = verifier_of(issuer.source.clone()).await;
    for (attempt, answer) in
        [None, Some("<html>".to_owned()), Some(r#"{"keys":[]}"#.to_owned())].into_iter().enumerate()
    {
        issuer.publish(answer);
        let then = now() + TimeDelta::minutes(attempt as i64);
        assert_eq!(verifier.verify(&forged, then).await, Err(TokenError::BadSignature));
        assert_eq!(issuer.times_asked(), attempt + 2);
        assert!(verifier.verify(&good, then).await.is_ok());
    }
}

#[actix_web::test]
async fn keys_are_fetched_in_the_background_after_a_failed_start() {
    let key = RsaKey::new();
    let token = key.sign(Algorithm::RS512, &claims());
    let issuer = Issuer::publishing(None);
    let jwk_set = Some(issuer.source.clone());
    let config = AuthConfig { jwk_set, jwk_set_refresh_seconds: 1, ..AuthConfig::default() };
    let verifier = TokenVerifier::from_config(&config).await.unwrap();
    assert_eq!(verifier.verify(&token, now()).await, Err(TokenError::BadSignature));
    issuer.publish(Some(set_of(&[&key])));
    // At the same time as before, so that the token does not cause a second fetch.
    let mut verified = verifier.verify(&token, now()).await;
    for _ in 0..500 {
        if verified.is_ok() {
            break;
        }
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
        verified = verifier.verify(&token, now()).await;
    }
    assert!(verified.is_ok());
}
