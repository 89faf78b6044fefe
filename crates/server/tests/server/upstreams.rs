use license_manager::config::Config;
use license_manager::upstreams::Upstreams;

fn connected(environment: &[(&str, &str)]) -> Result<Upstreams, String> {
    let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let connected = Upstreams::from_config(&Config::load(None, environment).unwrap());
    if let Err(problem) = &connected {
        assert_eq!(problem.lines().count(), 1, "{problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
    connected
}

fn refusal(environment: &[(&str, &str)]) -> String {
    connected(environment).map(drop).unwrap_err()
}

const CATALOG: (&str, &str) = ("LM_CATALOG__URL", "http://localhost:18160");
const LMS: (&str, &str) = ("LM_LMS__URL", "http://localhost:18000");

#[test]
fn upstreams_need_no_oauth_client_but_an_oauth_client_needs_everything() {
    let url = ("LM_OAUTH__URL", "http://localhost:18000/");
    let (id, secret) = (("LM_OAUTH__CLIENT_ID", "worker"), ("LM_OAUTH__CLIENT_SECRET", "hunter2"));
    assert!(connected(&[]).unwrap().catalog.is_none());
    assert!(connected(&[CATALOG]).unwrap().catalog.is_some());
    assert!(connected(&[CATALOG, url, id, secret]).is_ok());
    assert!(refusal(&[CATALOG, url, id]).contains("oauth.client_secret"));
    assert!(refusal(&[CATALOG, url, secret]).contains("oauth.client_id"));
}

#[test]
fn one_url_configures_all_clients_of_the_lms() {
    let upstreams = connected(&[LMS]).unwrap();
    assert!(upstreams.directory.is_some() && upstreams.accounts.is_some());
    assert!(upstreams.learner_registry.is_some() && upstreams.catalog.is_none());
    let upstreams = connected(&[]).unwrap();
    assert!(upstreams.directory.is_none() && upstreams.accounts.is_none() && upstreams.learner_registry.is_none());
}

#[test]
fn validating_catalogs_needs_a_catalog_service() {
    let validate = ("LM_CATALOG__VALIDATE", "true");
    assert!(connected(&[validate, CATALOG]).is_ok());
    assert!(refusal(&[validate]).contains("catalog.url"));
}

#[tokio::test]
async fn braze_needs_an_address_a_key_and_an_app() {
    let url = ("LM_BRAZE__URL", "https://rest.example.com");
    let (key, app) = (("LM_BRAZE__API_KEY", "hunter2"), ("LM_BRAZE__APP_ID", "app"));
    let campaign = ("LM_BRAZE__CAMPAIGNS__REMINDER", "id");
    assert!(connected(&[url, key, app]).is_ok());
    assert!(connected(&[url, key, app, campaign, ("LM_SEGMENT__WRITE_KEY", "hunter2")]).is_ok());
    assert!(refusal(&[url, key]).contains("braze.app_id"));
    assert!(refusal(&[url, app]).contains("braze.api_key"));
    assert!(refusal(&[key]).contains("braze.url"));
    let line = refusal(&[campaign]);
    assert!(line.contains("braze.campaigns.reminder") && line.contains("braze.url"), "{line}");
}

#[tokio::test]
async fn a_mail_server_needs_a_sender() {
    let (url, from) = (("LM_SMTP__URL", "smtp://me:hunter2@mail:587"), ("LM_SMTP__FROM", "Seats <seats@example.com>"));
    assert!(connected(&[url, from]).is_ok());
    assert!(connected(&[("LM_SMTP__URL", "smtps://mail"), from]).is_ok());
    assert!(refusal(&[url]).contains("smtp.from is not"));
    assert!(refusal(&[from]).contains("smtp.url is not"));
    assert!(refusal(&[url, ("LM_SMTP__FROM", "nobody")]).starts_with("smtp.from: "));
    assert!(refusal(&[("LM_SMTP__URL", "smtp://me:hunter2@mail?tls=perhaps"), from]).starts_with("smtp.url: "));
}

#[test]
fn a_bucket_is_described_in_full_or_not_at_all() {
    let all = [
        ("LM_S3__URL", "https://s3.eu-west-1.amazonaws.com"),
        ("LM_S3__BUCKET", "results"),
        ("LM_S3__REGION", "eu-west-1"),
        ("LM_S3__ACCESS_KEY_ID", "key"),
        ("LM_S3__SECRET_ACCESS_KEY", "hunter2"),
    ];
    assert!(connected(&[]).unwrap().result_files.is_none());
    assert!(connected(&all).unwrap().result_files.is_some());
    for left_out in 0..all.len() {
        let name = all[left_out].0.trim_start_matches("LM_").replace("__", ".").to_lowercase();
        let others: Vec<_> = all.iter().copied().filter(|setting| *setting != all[left_out]).collect();
        assert!(refusal(&others).contains(&format!("{name} is not")), "{name}");
    }
    assert!(connected(&all[..3]).unwrap().result_files.is_some(), "the environment has the credentials");
    let path_style = ("LM_S3__PATH_STYLE", "true");
    assert_eq!(refusal(&[path_style]), "s3.path_style is set, and s3.url is not: set it, or leave both out");
    let mut odd = all;
    odd[1].1 = "Results of 2026";
    assert!(refusal(&odd).starts_with("s3.bucket: "));
    assert!(connected(&[&odd[..], &[path_style]].concat()).is_ok());
    odd[0].1 = "http://127.0.0.1:9000";
    assert!(refusal(&odd).contains("s3.path_style"));
}
