use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use license_manager::auth::mint::{DevelopmentToken, MintError};
use license_manager::auth::{AccessToken, Context, TokenError, TokenRole, TokenVerifier, header_credential};
use license_manager::config::{AuthConfig, IssuerConfig, Secret};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::issuer::{SECRET, claims, claims_with, now, secret_config, sign_with};

async fn verify(token: &str) -> Result<AccessToken, TokenError> {
    TokenVerifier::from_config(&secret_config()).await.unwrap().verify(token, now()).await
}

async fn verify_claims(changes: Value) -> Result<AccessToken, TokenError> {
    verify(&sign_with(SECRET, &claims_with(changes))).await
}

#[test]
fn a_credential_is_two_words_of_the_jwt_scheme() {
    assert_eq!(header_credential("JWT a.b.c"), Some("a.b.c"));
    assert_eq!(header_credential("jwt  a.b.c "), Some("a.b.c"));
    for value in ["", "JWT", "JWT ", "JWT a b", "Bearer a.b.c", "a.b.c", "JWTa.b.c"] {
        assert_eq!(header_credential(value), None, "{value}");
    }
}

#[actix_web::test]
async fn a_valid_token_identifies_the_caller() {
    let customer = Uuid::from_u128(1);
    let token = verify_claims(json!({
        "administrator": true,
        "roles": [format!("enterprise_admin:{customer}"), "enterprise_provisioning_admin:*"],
    }))
    .await
    .unwrap();
    assert_eq!(
        token,
        AccessToken {
            username: "ada".to_owned(),
            email: Some("ada@example.com".to_owned()),
            email_is_verified: true,
            lms_user_id: Some(7),
            is_staff: true,
            roles: vec![
                TokenRole { name: "enterprise_admin".to_owned(), context: Context::Customer(customer) },
                TokenRole { name: "enterprise_provisioning_admin".to_owned(), context: Context::All },
            ],
        }
    );
    assert!(!format!("{token:?}").contains("example.com"));
}

#[actix_web::test]
async fn optional_claims_may_be_missing() {
    let token = verify_claims(json!({
        "email": null, "user_id": null, "administrator": null, "version": null, "roles": null,
        "is_restricted": null, "preferred_username": null, "username": "worker",
    }))
    .await
    .unwrap();
    assert_eq!(token.username, "worker");
    assert_eq!((token.email, token.lms_user_id, token.is_staff, token.roles), (None, None, false, vec![]));
}

#[actix_web::test]
async fn an_address_is_read_in_its_normal_form_where_it_has_one() {
    for (named, expected) in
        [("Same@xn--mnchen-3ya.de", "same@münchen.de"), ("Jörg@Example.com", "Jörg@Example.com"), ("x", "x")]
    {
        let token = verify_claims(json!({ "email": named })).await.unwrap();
        assert_eq!(token.email.as_deref(), Some(expected));
    }
}

#[actix_web::test]
async fn an_address_is_unverified_where_the_token_clearly_says_so() {
    for (claim, verified) in
        [(json!(false), false), (json!(true), true), (json!(null), true), (json!("false"), true), (json!(0), true)]
    {
        let token = verify_claims(json!({ "email_verified": claim })).await.unwrap();
        assert_eq!(token.email_is_verified, verified, "{claim}");
    }
    let config = AuthConfig { require_verified_email: false, ..secret_config() };
    let unverified = sign_with(SECRET, &claims_with(json!({ "email_verified": false })));
    let token = TokenVerifier::from_config(&config).await.unwrap().verify(&unverified, now()).await.unwrap();
    assert!(token.email_is_verified, "nobody asks");
}

#[actix_web::test]
async fn a_user_id_below_one_is_none() {
    for id in [json!(0), json!(-7), json!("0"), json!("-1")] {
        assert_eq!(verify_claims(json!({ "user_id": id })).await.unwrap().lms_user_id, None, "{id}");
    }
    assert_eq!(verify_claims(json!({ "user_id": "7" })).await.unwrap().lms_user_id, Some(7));
}

#[actix_web::test]
async fn a_role_without_a_valid_context_grants_nothing() {
    let roles = json!(["enterprise_admin", "enterprise_admin:", "enterprise_admin:acme", ":*", "", 5, null, "a:*:b"]);
    assert_eq!(verify_claims(json!({ "roles": roles })).await.unwrap().roles, vec![]);
    assert_eq!(verify_claims(json!({ "roles": "enterprise_admin:*" })).await.unwrap().roles, vec![]);
}

#[actix_web::test]
async fn each_invalid_claim_refuses_the_token() {
    let at = |seconds: i64| now().timestamp() + seconds;
    for (changes, expected) in [
        (json!({ "iss": "http://evil.example.com" }), TokenError::WrongIssuer),
        (json!({ "iss": null }), TokenError::WrongIssuer),
        (json!({ "aud": "another" }), TokenError::WrongAudience),
        (json!({ "aud": ["another"] }), TokenError::WrongAudience),
        (json!({ "aud": null }), TokenError::WrongAudience),
        (json!({ "exp": at(-1) }), TokenError::Expired),
        (json!({ "exp": null }), TokenError::Malformed),
        (json!({ "exp": "later" }), TokenError::Malformed),
        (json!({ "iat": at(2) }), TokenError::NotYetValid),
        (json!({ "iat": null }), TokenError::Malformed),
        (json!({ "nbf": at(2) }), TokenError::NotYetValid),
        (json!({ "version": "2.0.0" }), TokenError::UnsupportedVersion),
        (json!({ "version": "next" }), TokenError::UnsupportedVersion),
        (json!({ "preferred_username": null }), TokenError::NoUsername),
        (json!({ "preferred_username": "" }), TokenError::NoUsername),
        (json!({ "is_restricted": true }), TokenError::Restricted),
        // An expired token is reported as expired even if it is restricted.
        (json!({ "is_restricted": true, "exp": at(-5) }), TokenError::Expired),
    ] {
        assert_eq!(verify_claims(changes.clone()).await, Err(expected), "{changes}");
    }
}

#[actix_web::test]
async fn limits_of_valid_claims() {
    let at = |seconds: i64| now().timestamp() + seconds;
    for changes in [
        json!({ "exp": at(0) }),
        json!({ "exp": at(0) as f64 - 0.5 }),
        json!({ "iat": at(1) }),
        json!({ "aud": ["another", "license-manager"] }),
        json!({ "version": "1.99" }),
        json!({ "version": 1 }),
    ] {
        assert!(verify_claims(changes.clone()).await.is_ok(), "{changes}");
    }
}

#[actix_web::test]
async fn a_token_that_the_issuer_did_not_sign_is_refused() {
    let forged = sign_with("someone-elses-secret", &claims());
    assert_eq!(verify(&forged).await, Err(TokenError::BadSignature));
    let good = sign_with(SECRET, &claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let other = sign_with(SECRET, &claims_with(json!({ "administrator": true })));
    let (other_message, _) = other.rsplit_once('.').unwrap();
    assert_eq!(verify(&format!("{other_message}.{signature}")).await, Err(TokenError::BadSignature));
    assert_eq!(verify(&format!("{message}.")).await, Err(TokenError::BadSignature));
    // {"alg":"none"}
    let (_, payload) = message.split_once('.').unwrap();
    assert_eq!(verify(&format!("eyJhbGciOiJub25lIn0.{payload}.")).await, Err(TokenError::Malformed));
    for header in [Algorithm::HS384, Algorithm::HS512] {
        let token = encode(&Header::new(header), &claims(), &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
        assert_eq!(verify(&token).await, Err(TokenError::BadSignature));
    }
}

#[actix_web::test]
async fn what_is_not_a_token_is_malformed() {
    let good = sign_with(SECRET, &claims());
    let signed_text = encode(&Header::default(), &"text", &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..Header::default() };
    let critical = encode(&critical, &claims(), &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
    for token in ["", "garbage", "a.b.c", "..", &good[1..], &format!("{good}.more"), &signed_text, &critical] {
        assert_eq!(verify(token).await, Err(TokenError::Malformed), "{token}");
    }
}

#[actix_web::test]
async fn a_minted_token_is_accepted_until_it_expires() {
    let wanted = DevelopmentToken {
        user_id: 9,
        email: "grace@example.com".to_owned(),
        username: "grace".to_owned(),
        roles: vec!["enterprise_admin:*".to_owned()],
        is_staff: true,
        lifetime_seconds: 60,
    };
    let token = wanted.mint(&secret_config(), now()).unwrap();
    let read = verify(&token).await.unwrap();
    assert_eq!((read.username.as_str(), read.lms_user_id, read.is_staff), ("grace", Some(9), true));
    assert_eq!(read.roles, [TokenRole { name: "enterprise_admin".to_owned(), context: Context::All }]);
    let verifier = TokenVerifier::from_config(&secret_config()).await.unwrap();
    let late = now() + TimeDelta::seconds(61);
    assert_eq!(verifier.verify(&token, late).await, Err(TokenError::Expired));
}

#[test]
fn a_token_is_not_minted_without_a_secret_or_with_a_role_that_grants_nothing() {
    let mut wanted = DevelopmentToken {
        user_id: 9,
        email: String::new(),
        username: "grace".to_owned(),
        roles: vec![],
        is_staff: false,
        lifetime_seconds: 60,
    };
    assert!(matches!(wanted.mint(&AuthConfig::default(), now()), Err(MintError::NoSecret)));
    wanted.roles.push("enterprise_admin".to_owned());
    assert!(matches!(wanted.mint(&secret_config(), now()), Err(MintError::Role(_))));
}

#[actix_web::test]
async fn each_issuer_has_its_own_keys_and_audience() {
    let issuer = |name: &str, audience: Option<&str>, secret: &str| IssuerConfig {
        issuer: name.to_owned(),
        audience: audience.map(str::to_owned),
        hs256_secret: Some(Secret::try_from(secret.to_owned()).unwrap()),
        jwk_set: None,
    };
    let (second, third) = ("https://second.example.com", "https://third.example.com");
    let config = AuthConfig {
        issuers: vec![
            issuer(second, Some("seats"), "the-second-secret"),
            issuer(second, Some("chairs"), "the-second-secret"),
            issuer(third, None, "the-third-secret"),
        ],
        ..secret_config()
    };
    let verifier = TokenVerifier::from_config(&config).await.unwrap();
    let verify = async |secret: &str, changes: Value| {
        verifier.verify(&sign_with(secret, &claims_with(changes)), now()).await.map(|token| token.username)
    };
    let ada = Ok("ada".to_owned());
    assert_eq!(verify(SECRET, json!({})).await, ada);
    assert_eq!(verify("the-second-secret", json!({ "iss": second, "aud": "seats" })).await, ada);
    assert_eq!(verify("the-second-secret", json!({ "iss": second, "aud": ["chairs"] })).await, ada);
    assert_eq!(verify("the-third-secret", json!({ "iss": third, "aud": "anything" })).await, ada);
    assert_eq!(verify("the-third-secret", json!({ "iss": third, "aud": null })).await, ada);
    assert_eq!(verify("the-second-secret", json!({ "iss": second })).await, Err(TokenError::WrongAudience));
    assert_eq!(verify("the-second-secret", json!({})).await, Err(TokenError::BadSignature));
    assert_eq!(verify(SECRET, json!({ "iss": second, "aud": "seats" })).await, Err(TokenError::BadSignature));
    assert_eq!(verify(SECRET, json!({ "iss": "https://fourth.example.com" })).await, Err(TokenError::WrongIssuer));
}

#[actix_web::test]
async fn the_first_issuer_may_be_listed_alone_and_its_audience_left_open() {
    let entry = |audience| IssuerConfig { audience, ..secret_config().all_issuers().remove(0) };
    let only = AuthConfig { issuers: vec![entry(None)], ..AuthConfig::default() };
    assert_eq!(only.all_issuers().len(), 1);
    let open = AuthConfig { audience: "*".to_owned(), ..secret_config() };
    for config in [only, open] {
        let verifier = TokenVerifier::from_config(&config).await.unwrap();
        let token = sign_with(SECRET, &claims_with(json!({ "aud": "another-service" })));
        assert!(verifier.verify(&token, now()).await.is_ok());
    }
    let without_key = IssuerConfig { hs256_secret: None, ..entry(None) };
    let config = AuthConfig { issuers: vec![without_key], ..secret_config() };
    let problem = TokenVerifier::from_config(&config).await.err().unwrap().to_string();
    assert!(problem.contains("http://localhost:18000/oauth2") && problem.contains("auth.issuers"), "{problem}");
}

#[actix_web::test]
async fn roles_may_have_other_names() {
    let config = AuthConfig { role_names: vec!["seat_admin=enterprise_admin".to_owned()], ..secret_config() };
    let verifier = TokenVerifier::from_config(&config).await.unwrap();
    let token =
        sign_with(SECRET, &claims_with(json!({ "roles": ["seat_admin:*", "enterprise_learner:*", "other:*"] })));
    let roles = verifier.verify(&token, now()).await.unwrap().roles;
    let names: Vec<_> = roles.iter().map(|role| role.name.as_str()).collect();
    assert_eq!(names, ["enterprise_admin", "enterprise_learner", "other"]);
}
