//! The evening of the move: settings, the shadow run, and what stays in the old bucket.

use std::fs;

use license_manager_tests::{Database, DjangoIds, DjangoServer, FakeBucket, Person, Ran, Server, borrowed};
use serde_json::{Value, json};

/// The UUID of repeated digits.
fn uuid_of(digits: &str) -> String {
    let all = digits.repeat(16);
    format!("{}-{}-{}-{}-{}", &all[..8], &all[8..12], &all[12..16], &all[16..20], &all[20..])
}

const SETTINGS: &str = r#"
ALLOWED_HOSTS: ["licenses.example.com", "*"]
CORS_ORIGIN_WHITELIST: ["https://portal.example.com"]
CSRF_TRUSTED_ORIGINS: ["https://portal.example.com", "https://admin.example.com"]
DATABASES: {default: {ENGINE: django.db.backends.mysql, PASSWORD: hush-hush-1}}
JWT_AUTH:
  JWT_ISSUER: https://lms.example.com/oauth2
  JWT_AUDIENCE: license-manager-key
  JWT_SECRET_KEY: hush-hush-2
  JWT_PUBLIC_SIGNING_JWK_SET: '{"keys": []}'
  JWT_AUTH_COOKIE_HEADER_PAYLOAD: stage-edx-jwt-cookie-header-payload
  JWT_AUTH_COOKIE_SIGNATURE: stage-edx-jwt-cookie-signature
  JWT_SOMETHING_NEW: 5
BACKEND_SERVICE_EDX_OAUTH2_KEY: license-manager-backend
BACKEND_SERVICE_EDX_OAUTH2_SECRET: hush-hush-3
LMS_URL: https://lms.example.com
ENTERPRISE_CATALOG_URL: https://catalog.example.com/
BRAZE_API_URL: https://rest.braze.com
BRAZE_API_KEY: hush-hush-4
BRAZE_APP_ID: app
BRAZE_ASSIGNMENT_EMAIL_CAMPAIGN: c-1
INITIAL_LICENSE_UTILIZATION_CAMPAIGN: ''
PRIVELEGED_USER_IDS: [5, 7]
BULK_ENROLL_REQUEST_LIMIT: 100
SUBSCRIPTION_PLAN_RENEWAL_LOCK_PERIOD_HOURS: -1
CUSTOMERS_WITH_EXPIRED_LICENSES_UNLINKING_ENABLED: [11111111-1111-4111-8111-111111111111]
ENTERPRISE_SUBSIDY_CHECKSUM_SECRET_KEY: hush-hush-5
CELERY_BROKER_URL: redis://:hush-hush-6@redis/0
OUR_OWN_SWITCH: true
"#;

#[test]
fn settings_of_the_django_service_become_ours_without_their_secrets() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let (yaml, toml) = (folder.path().join("old.yml"), folder.path().join("new.toml"));
    let paths = (yaml.to_str().expect("text"), toml.to_str().expect("text"));
    fs::write(&yaml, SETTINGS).expect("it is written");
    let printed = Ran::alone("sqlite:./x.db", &["config", "--from-django", paths.0]);
    let page = &printed.stdout;
    assert_eq!(printed.code, Some(1), "a value is refused: {printed:?}");
    for line in [
        r#"allowed_hosts = ["licenses.example.com"]  # LM_SERVER__ALLOWED_HOSTS, from ALLOWED_HOSTS"#,
        r#"allowed_origins = ["https://portal.example.com","https://admin.example.com"]"#,
        r#"issuer = "https://lms.example.com/oauth2""#,
        r#"cookie_signature = "stage-edx-jwt-cookie-signature""#,
        r#"campaigns.assignment = "c-1""#,
        "exempt_user_ids = [5,7]",
        "request_limit = 100",
        "#   JWT_AUTH.JWT_SECRET_KEY goes to LM_AUTH__HS256_SECRET (auth.hs256_secret)",
        "#   BRAZE_API_KEY goes to LM_BRAZE__API_KEY (braze.api_key)",
        "#   SUBSCRIPTION_PLAN_RENEWAL_LOCK_PERIOD_HOURS: LM_OPERATIONS__RENEWAL_LOCK_HOURS",
        "#   OUR_OWN_SWITCH",
        "#   JWT_AUTH.JWT_SOMETHING_NEW",
        "#   CELERY_BROKER_URL: deliveries are kept in the database",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    assert!(!page.contains("hush-hush") && !printed.stderr.contains("hush-hush"), "{page}");
    // What is printed is a file of settings.
    fs::write(&toml, page).expect("it is written");
    let read = Ran::alone("sqlite:./x.db", &["config", "--config", paths.1]);
    assert!(read.stdout.contains("stage-edx-jwt-cookie-header-payload") || read.stderr.contains("braze"), "{read:?}");
    let environment = Ran::alone("sqlite:./x.db", &["config", "--from-django", paths.0, "--output", "environment"]);
    assert!(environment.stdout.contains("LM_THROTTLE__EXEMPT_USER_IDS='5,7'\n"), "{environment:?}");

    fs::write(&yaml, "a: [hush-hush\nb: }").expect("it is written");
    let broken = Ran::alone("sqlite:./x.db", &["config", "--from-django", paths.0]);
    assert!(broken.code == Some(1) && broken.stderr.contains("old.yml"), "{broken:?}");
    assert!(!broken.stderr.contains("hush-hush"), "{broken:?}");
}

#[test]
fn the_answers_of_two_services_are_compared() {
    let mariadb = DjangoServer::new();
    let old = mariadb.oddities("old", DjangoIds::Native);
    let databases = [Database::sqlite(), Database::postgres()];
    for database in &databases {
        let done = Ran::alone(database.url(), &["import", "--from", &old]);
        assert!(done.succeeded, "{done:?}");
        // Each import makes a new key for a license without one.
        let key = uuid_of("e9");
        database.execute(&format!("UPDATE license SET activation_key = '{key}' WHERE user_email = 'fay@example.com'"));
    }
    let servers = [Server::start(databases[0].url()), Server::start(databases[1].url())];
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let token = folder.path().join("token");
    let token_path = token.to_str().expect("text");
    let admin =
        Person::new(8, "boss@example.com", "boss").role("enterprise_openedx_operator:*").role("enterprise_learner:*");
    let admin = admin.claim("administrator", true.into());
    fs::write(&token, admin.authorization()).expect("it is written");
    let (here, there) = (servers[0].base(), servers[1].base());
    let compare = |more: &[&str]| {
        let line = ["compare", "--server", &here, "--with", &there, "--token-file", token_path, "--output", "json"];
        Ran::alone(databases[0].url(), &[&line, more].concat())
    };
    let summary =
        |ran: &Ran| -> Value { serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}")) };
    let equal = compare(&[]);
    let found = summary(&equal);
    assert!(equal.succeeded && found["different"] == serde_json::json!([]), "{equal:?}");
    assert_eq!(found["plans"], 6, "{found}");
    assert!(found["requests"].as_u64() > Some(30), "{found}");

    assert_eq!((&found["refused_by_both"], &found["refused"]), (&0.into(), &serde_json::json!({})), "{found}");

    // What both refuse is told, and counts neither as equal nor as different.
    let of_operator = Person::new(9, "helper@example.com", "helper").role("enterprise_openedx_operator:*");
    fs::write(&token, of_operator.authorization()).expect("it is written");
    let partly = compare(&[]);
    let found = summary(&partly);
    assert!(partly.succeeded, "{partly:?}");
    let refused = found["refused_by_both"].as_u64().expect("a number");
    assert!(refused > 0, "{found}");
    assert_eq!(found["refused"], serde_json::json!({ "/api/v1/admin-license-view/": refused }), "{found}");
    assert_eq!(found["requests"].as_u64(), found["equal"].as_u64().map(|equal| equal + refused), "{found}");
    // Nothing is proved where nothing was compared.
    let elsewhere = Person::new(9, "helper@example.com", "helper").role(format!("enterprise_admin:{}", uuid_of("99")));
    fs::write(&token, elsewhere.authorization()).expect("it is written");
    let nothing = compare(&[]);
    assert_eq!((nothing.code, &summary(&nothing)["equal"]), (Some(1), &0.into()), "{nothing:?}");
    let plan = uuid_of("b1");
    let refused = compare(&["--plans", &plan]);
    assert!(refused.code == Some(1) && refused.stderr.contains("both services refuse it"), "{refused:?}");
    fs::write(&token, admin.authorization()).expect("it is written");

    databases[1].execute("UPDATE subscription_plan SET title = 'Other' WHERE title = 'Plan'");
    databases[1].execute("UPDATE license SET lms_user_id = 99 WHERE user_email = 'ben@example.com'");
    let plan = uuid_of("b1");
    let different = compare(&["--plans", &plan, "--sample", "3"]);
    assert_eq!(different.code, Some(1), "{different:?}");
    assert!(different.stdout.contains(r#"{"kind":"differs","place":"title"}"#), "{different:?}");
    assert!(!different.stdout.contains("example.com") && !different.stdout.contains("Other"), "{different:?}");

    let mistyped = uuid_of("b0");
    let unknown = compare(&["--plans", &mistyped]);
    assert!(unknown.code == Some(1) && unknown.stdout.is_empty(), "{unknown:?}");
    assert!(unknown.stderr.contains(&format!("plan {mistyped} is not there")), "{unknown:?}");

    fs::write(&token, "nonsense").expect("it is written");
    let refused = compare(&[]);
    assert!(refused.code == Some(1) && refused.stderr.contains("does not accept the token"), "{refused:?}");
    fs::write(&token, " ").expect("it is written");
    let empty = compare(&[]);
    assert_eq!(empty.code, Some(2), "{empty:?}");
}

#[test]
fn results_of_earlier_enrollments_are_downloaded_from_the_old_bucket() {
    let mariadb = DjangoServer::new();
    let old = mariadb.oddities("old", DjangoIds::Text);
    for database in [Database::sqlite(), Database::postgres()] {
        let done = Ran::alone(database.url(), &["import", "--from", &old]);
        assert!(done.succeeded, "{done:?}");
        let bucket = FakeBucket::start();
        bucket.put("c2/results.csv", "email,course\namy@example.com,done\n");
        let settings = bucket.settings();
        let customer = uuid_of("c2");
        let admin = Person::new(8, "boss@example.com", "boss").role(format!("enterprise_admin:{customer}"));
        // The address as the portals have kept it.
        let path = format!(
            "/api/v1/bulk-license-enrollment?enterprise_customer_uuid={customer}&bulk_enrollment_job_uuid={}",
            uuid_of("f1")
        );
        let without = Server::start(database.url());
        assert!(
            without.client(&admin).get(&path).expect(200)["download_url"].is_null(),
            "the bucket is not configured"
        );
        let results = |path: &str| path.replace("enrollment?", "enrollment/results/?");
        without.client(&admin).get(&results(&path)).expect(404);
        drop(without);
        let server = Server::start_with(database.url(), &borrowed(&settings));
        // The other service has no results of this one either, and answers the same.
        let unfiled = path.replace(&uuid_of("f1"), &uuid_of("f2"));
        let answer = server.client(&admin).get(&unfiled).expect(200);
        assert_eq!(answer, json!({ "job_id": uuid_of("f2"), "download_url": null }));
        server.client(&admin).get(&results(&unfiled)).expect(404);
        let answer = server.client(&admin).get(&path).expect(200);
        let address = answer["download_url"].as_str().expect("an address");
        assert!(address.starts_with(&format!("{}/results/c2/results.csv?", bucket.url())), "{address}");
        let file = reqwest::blocking::get(address).expect("the bucket answers").text().expect("a text");
        assert!(file.contains("amy@example.com,done"), "{file}");
    }
}
