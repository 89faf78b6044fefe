use std::path::Path;

use license_manager::config::{Config, LogFormat, SqliteSynchronous, Timing};
use license_manager_domain::operations::RecurringOperation;
use license_manager_domain::ports::MailKind;
use serde_json::Value;

fn load(file: Option<&str>, environment: &[(&str, &str)]) -> Result<Config, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("license-manager.toml");
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
    }
    let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Config::load(file.map(|_| path.as_path()), environment).map_err(|error| {
        let line = error.to_string();
        assert_eq!(line.lines().count(), 1, "not one line: {line}");
        line.replace(&directory.path().display().to_string(), "DIR")
    })
}

fn refusal(file: Option<&str>, environment: &[(&str, &str)]) -> String {
    load(file, environment).map(|config| config.effective()).unwrap_err()
}

#[test]
fn without_any_setting_the_defaults_hold() {
    let config = load(None, &[]).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.body_limit_bytes, 5_242_880);
    assert!(config.database.url.is_none());
    assert_eq!(config.database.url_or_default().to_string(), "sqlite:./license-manager.db");
    assert!(config.auth.hs256_secret.is_none() && config.auth.jwk_set.is_none());
    assert_eq!(config.portals.learner_url, "http://localhost:8734");
    assert_eq!(config.operations.renewal_lock_hours, 12);
}

#[test]
fn the_environment_overrides_the_file_and_the_file_the_defaults() {
    let file = "[server]\nworkers = 3\nshutdown_timeout_seconds = 7\n[throttle]\nexempt_user_ids = [4, 5]\n";
    let config = load(Some(file), &[("LM_SERVER__WORKERS", "2"), ("HOME", "/root")]).unwrap();
    assert_eq!(config.server.workers, 2);
    assert_eq!(config.server.shutdown_timeout_seconds, 7);
    assert_eq!(config.server.listen.port(), 8080);
    assert_eq!(config.throttle.exempt_user_ids, [4, 5]);
}

#[test]
fn text_from_the_environment_is_parsed_by_its_key() {
    let config = load(
        None,
        &[
            ("LM_AUTH__HS256_SECRET", "0123456789"),
            ("LM_AUTH__ISSUER", "42"),
            ("LM_THROTTLE__ENABLED", "false"),
            ("LM_THROTTLE__EXEMPT_USER_IDS", "7, 8,9"),
            ("LM_SERVER__LISTEN", "[::1]:0"),
            ("LM_LOGGING__FORMAT", "json"),
            ("LM_PORTALS__ADMIN_URL", "https://admin.example.com/"),
            ("LM_TELEMETRY__OTLP_ENDPOINT", "http://localhost:4318/"),
            ("LM_TELEMETRY__SAMPLE_RATIO", " 0.25"),
        ],
    )
    .unwrap();
    assert_eq!(config.auth.hs256_secret.unwrap().expose(), "0123456789");
    assert_eq!(config.auth.issuer, "42");
    assert!(!config.throttle.enabled);
    assert_eq!(config.throttle.exempt_user_ids, [7, 8, 9]);
    assert_eq!(config.server.listen.to_string(), "[::1]:0");
    assert_eq!(config.telemetry.otlp_endpoint.as_deref(), Some("http://localhost:4318"));
    assert_eq!(config.telemetry.sample_ratio, 0.25);
    for whole in ["0", "1"] {
        let file = format!("[telemetry]\nsample_ratio = {whole}\n");
        assert_eq!(load(Some(&file), &[]).unwrap().telemetry.sample_ratio.to_string(), whole);
    }
    assert_eq!(config.logging.format, LogFormat::Json);
    assert_eq!(config.portals.admin_url, "https://admin.example.com");
    assert_eq!(load(None, &[("LM_THROTTLE__EXEMPT_USER_IDS", "7")]).unwrap().throttle.exempt_user_ids, [7]);
}

#[test]
fn origins_are_kept_as_browsers_write_them() {
    let origins =
        |text: &str| load(None, &[("LM_SERVER__ALLOWED_ORIGINS", text)]).map(|config| config.server.allowed_origins);
    let kept = origins("https://Portal.example.com:443/, http://localhost:1991").unwrap();
    assert_eq!(kept, ["https://portal.example.com", "http://localhost:1991"]);
    let file = "[server]\nallowed_origins = [\"https://a.example.com\", \"https://b.example.com\"]";
    assert_eq!(load(Some(file), &[]).unwrap().server.allowed_origins.len(), 2);
    for text in ["*", "portal.example.com", "https://a.example.com/path", "https://*.example.com/", "null", "ftp://a.b"]
    {
        let line = origins(text).unwrap_err();
        assert!(line.starts_with("LM_SERVER__ALLOWED_ORIGINS: ") && line.contains(text), "{line}");
    }
}

#[test]
fn the_database_comes_from_either_variable_and_the_more_exact_one_wins() {
    let sqlite = |environment| {
        load(Some("[database]\nurl = \"sqlite:f.db\""), environment).unwrap().database.url.unwrap().to_string()
    };
    assert_eq!(sqlite(&[]), "sqlite:f.db");
    assert_eq!(sqlite(&[("DATABASE_URL", "sqlite:e.db")]), "sqlite:e.db");
    assert_eq!(sqlite(&[("DATABASE_URL", "sqlite:e.db"), ("LM_DATABASE__URL", "sqlite:l.db")]), "sqlite:l.db");
}

#[test]
fn sqlite_waits_for_the_disk_unless_it_is_told_not_to() {
    let variable = "LM_DATABASE__SQLITE_SYNCHRONOUS";
    let synchronous = |value| load(None, &[(variable, value)]).map(|config| config.database.sqlite_synchronous);
    assert_eq!(synchronous(""), Ok(SqliteSynchronous::Full));
    assert_eq!(synchronous("full"), Ok(SqliteSynchronous::Full));
    assert_eq!(synchronous("normal"), Ok(SqliteSynchronous::Normal));
    let line = synchronous("off").unwrap_err();
    assert!(line.starts_with(&format!("{variable}: `off` ")) && line.contains("`full` or `normal`"), "{line}");
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let file = "[auth]\nhs256_secret = \"kept\"";
    let config =
        load(Some(file), &[("LM_AUTH__HS256_SECRET", ""), ("DATABASE_URL", ""), ("LM_SERVER__WORKERS", "")]).unwrap();
    assert_eq!(config.auth.hs256_secret.unwrap().expose(), "kept");
    assert!(config.database.url.is_none());
}

#[test]
fn every_key_can_be_set_by_the_variable_that_is_shown_beside_it() {
    let shown = load(None, &[]).unwrap().effective();
    let mut variables = 0;
    for line in shown.lines().filter(|line| line.contains("  # LM_")) {
        let (_, variable) = line.rsplit_once("  # ").unwrap();
        // A value that few keys accept. Some keys accept any text.
        match load(None, &[(variable, "\u{1}")]) {
            Err(line) => assert!(line.starts_with(&format!("{variable}: ")), "{line}"),
            Ok(config) => assert_ne!(config.effective(), shown, "{variable} changes nothing"),
        }
        variables += 1;
    }
    assert!(variables > 20, "{variables}");
}

#[test]
fn an_unknown_key_is_named_with_the_known_ones() {
    let line = refusal(None, &[("LM_SERVER__LISTN", "x")]);
    assert!(line.starts_with("LM_SERVER__LISTN: ") && line.contains("LM_SERVER__LISTEN"), "{line}");
    let line = refusal(None, &[("LM_SERVER_LISTEN", "x")]);
    assert!(line.starts_with("LM_SERVER_LISTEN: ") && line.contains("LM_SERVER__LISTEN"), "{line}");
    let line = refusal(None, &[("LM_SERVR__LISTEN", "")]);
    assert!(line.starts_with("LM_SERVR__LISTEN: ") && line.contains("SERVER"), "{line}");
    let line = refusal(Some("[server]\nlistn = 1"), &[]);
    assert!(line.starts_with("server.listn in DIR/license-manager.toml: ") && line.contains("listen, "), "{line}");
    let line = refusal(Some("[servr]\nlisten = 1"), &[]);
    assert!(line.starts_with("servr in DIR/license-manager.toml: ") && line.contains("server"), "{line}");
    let line = refusal(Some("server = 1"), &[]);
    assert!(line.starts_with("server in DIR/license-manager.toml: ") && line.contains("[server]"), "{line}");
}

#[test]
fn a_bad_value_is_named_with_what_is_allowed() {
    for (variable, value, expected) in [
        ("LM_SERVER__LISTEN", "localhost", "127.0.0.1:8080"),
        ("LM_SERVER__WORKERS", "true", "`true` is not a whole number from 0 to 1024"),
        ("LM_DATABASE__POOL_SIZE", "0", "`0` is not a whole number from 1 to 1000"),
        ("LM_DATABASE__POOL_SIZE", "-3", "from 1 to 1000"),
        ("LM_THROTTLE__ENABLED", "perhaps", "boolean"),
        ("LM_THROTTLE__EXEMPT_USER_IDS", "1,x", "`x` is not a user id"),
        ("LM_LOGGING__FORMAT", "xml", "`text` or `json`"),
        ("LM_LOGGING__FILTER", "a=b=c", "not a log filter"),
        ("LM_PORTALS__LEARNER_URL", "javascript:alert(1)", "http or https"),
        ("LM_AUTH__ISSUER", " ", "empty"),
        ("LM_AUTH__JWK_SET", "ftp://x", "`ftp`"),
        ("LM_AUTH__COOKIE_SIGNATURE", "a;b", "not the name of a cookie"),
        ("LM_AUTH__COOKIE_SIGNATURE", "edx-jwt-cookie-header-payload", "auth.cookie_header_payload too"),
        ("LM_SERVER__CSRF_COOKIE_NAME", "edx-jwt-cookie-signature", "need different names"),
        ("LM_AUTH__ROLE_NAMES", "seat_admin=admin", "enterprise_admin"),
        ("LM_SERVER__ALLOWED_HOSTS", "a.example.com, b.example.com:80", "`b.example.com:80` is not a host name"),
        ("LM_SERVER__ALLOWED_HEADERS", "x-debug, x y", "`x y` is not the name of a header"),
        ("LM_DATABASE__URL", "mysql://x", "`mysql`"),
        ("DATABASE_URL", "mysql://u:hunter2@x", "`mysql`"),
    ] {
        let line = refusal(None, &[(variable, value)]);
        assert!(line.starts_with(&format!("{variable}: ")) && line.contains(expected), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
    for (file, expected) in [
        ("[server]\nworkers = 2.5", "server.workers in DIR/license-manager.toml: "),
        ("[throttle]\nexempt_user_ids = [1, \"x\"]", "throttle.exempt_user_ids[1] in DIR/license-manager.toml: "),
        ("[auth]\nhs256_secret = \"\"", "auth.hs256_secret in DIR/license-manager.toml: "),
        ("[database]\nurl = \"oracle:x\"", "database.url in DIR/license-manager.toml: "),
    ] {
        let line = refusal(Some(file), &[("LM_SERVER__LISTEN", "127.0.0.1:1")]);
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let missing = Config::load(Some(Path::new("/nonexistent/lm.toml")), std::iter::empty()).unwrap_err().to_string();
    assert!(missing.contains("/nonexistent/lm.toml") && missing.lines().count() == 1, "{missing}");
    let line = refusal(Some("[server]\nlisten = \n"), &[]);
    assert!(line.starts_with("DIR/license-manager.toml is not valid TOML: ") && line.contains("line 2"), "{line}");
}

#[test]
fn the_effective_configuration_can_be_read_back_and_holds_no_secret() {
    let config = load(
        None,
        &[
            ("LM_AUTH__HS256_SECRET", "hunter2"),
            ("DATABASE_URL", "postgres://me:hunter2@db/l"),
            ("LM_AUTH__AUDIENCE", "a \"quoted\"\n\u{7f} one"),
            ("LM_THROTTLE__EXEMPT_USER_IDS", "1,2"),
        ],
    )
    .unwrap();
    let shown = config.effective();
    assert!(!shown.contains("hunter2") && !format!("{config:?}").contains("hunter2"), "{shown}");
    assert!(shown.contains("hs256_secret = \"***\"  # LM_AUTH__HS256_SECRET\n"), "{shown}");
    assert!(shown.contains("url = \"postgres://***@db/l\"  # LM_DATABASE__URL\n"), "{shown}");
    assert!(shown.contains("# jwk_set is not set  # LM_AUTH__JWK_SET\n"), "{shown}");
    let again = load(Some(&shown), &[]).unwrap();
    assert_eq!(again.auth.audience, "a \"quoted\"\n\u{7f} one");
    assert_eq!(again.throttle.exempt_user_ids, [1, 2]);
    assert_eq!(again.effective(), shown);
}

#[test]
fn issuers_are_tables_of_the_file_or_json() {
    let file =
        "[auth]\nissuer = \"one\"\n[[auth.issuers]]\nissuer = \"two\"\njwk_set = \"https://two.example.com/keys\"\n";
    let json = r#"[{"issuer": "two", "audience": "seats", "hs256_secret": "hunter2"}, {"issuer": "three", "jwk_set": "f.json"}]"#;
    assert_eq!(load(Some(file), &[]).unwrap().auth.issuers[0].issuer, "two");
    let config = load(Some(file), &[("LM_AUTH__ISSUERS", json)]).unwrap();
    let names: Vec<_> = config.auth.issuers.iter().map(|issuer| issuer.issuer.as_str()).collect();
    assert_eq!((names, config.auth.issuer.as_str()), (vec!["two", "three"], "one"));
    let shown = config.effective();
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(load(Some(&shown), &[]).unwrap().effective(), shown);
    for wrong in ["x", "{}", r#"[{"audience": "hunter2"}]"#, r#"[{"issuer": "two", "secret": "hunter2"}]"#] {
        let line = refusal(None, &[("LM_AUTH__ISSUERS", wrong)]);
        assert!(line.starts_with("LM_AUTH__ISSUERS: ") && !line.contains("hunter2"), "{line}");
    }
}

#[test]
fn no_address_shows_its_password() {
    for variable in [
        "LM_LMS__URL",
        "LM_CATALOG__URL",
        "LM_OAUTH__URL",
        "LM_BRAZE__URL",
        "LM_SEGMENT__URL",
        "LM_S3__URL",
        "LM_TELEMETRY__OTLP_ENDPOINT",
        "LM_AUTH__JWK_SET",
        "LM_PORTALS__ADMIN_URL",
    ] {
        let shown = load(None, &[(variable, "https://me:hunter2@example.com/x")]).unwrap().effective();
        assert!(shown.contains("https://***@example.com/x") && !shown.contains("hunter2"), "{shown}");
        let shown = load(None, &[(variable, "https://hunter2@example.com/x?token=hunter2")]).unwrap().effective();
        assert!(shown.contains("https://***@example.com/x?token=***") && !shown.contains("hunter2"), "{shown}");
        let line = refusal(None, &[(variable, "ftp://me:hunter2@example.com/x")]);
        assert!(line.starts_with(&format!("{variable}: ")) && !line.contains("hunter2"), "{line}");
    }
}

#[test]
fn no_other_setting_shows_the_secrets_of_an_address() {
    let url = "https://me:hunter2@example.com/x?token=hunter2";
    let issuers = format!(r#"[{{"issuer": "{url}", "audience": "{url}", "jwk_set": "{url}"}}]"#);
    for (variable, value) in
        [("LM_AUTH__ISSUERS", issuers.as_str()), ("LM_AUTH__ISSUER", url), ("LM_AUTH__AUDIENCE", url)]
    {
        let shown = load(None, &[(variable, value)]).unwrap().effective();
        assert!(shown.contains("https://***@example.com/x?token=***") && !shown.contains("hunter2"), "{shown}");
    }
    for variable in ["LM_SERVER__ALLOWED_ORIGINS", "LM_SERVER__ALLOWED_HOSTS", "LM_SERVER__LISTEN"] {
        let line = refusal(None, &[(variable, "https://me:hunter2@example.com")]);
        assert!(line.starts_with(&format!("{variable}: ")) && !line.contains("hunter2"), "{line}");
        assert!(line.contains("`https://***@example.com`"), "{line}");
    }
}

#[test]
fn upstreams_are_absent_until_they_have_an_address() {
    let config = load(None, &[]).unwrap();
    assert_eq!((config.catalog.url, config.lms.url, config.oauth.url), (None, None, None));
    let config =
        load(Some("[lms]\nurl = \"https://lms.example.com/\"\n"), &[("LM_CATALOG__URL", "http://c:1/")]).unwrap();
    assert_eq!(config.lms.url.as_deref(), Some("https://lms.example.com"));
    assert_eq!(config.catalog.url.as_deref(), Some("http://c:1"));
    assert!(refusal(None, &[("LM_CATALOG__URL", "catalog")]).starts_with("LM_CATALOG__URL: "));
}

#[test]
fn subsidies_are_signed_with_their_own_secret_or_that_of_the_tokens() {
    let secret = |environment: &[(&str, &str)]| {
        load(None, environment).unwrap().auth.subsidy_secret().map(|secret| secret.expose().to_owned())
    };
    let (tokens, own) = (("LM_AUTH__HS256_SECRET", "tokens"), ("LM_AUTH__SUBSIDY_CHECKSUM_SECRET", "own"));
    assert_eq!(secret(&[]), None);
    assert_eq!(secret(&[tokens]).as_deref(), Some("tokens"));
    assert_eq!(secret(&[tokens, own]).as_deref(), Some("own"));
}

#[test]
fn a_section_within_a_section_is_set_like_any_other() {
    let file = "[braze.campaigns]\nassignment = \"one\"\nreminder = \"two\"\n[braze]\napp_id = \"app\"\n";
    let config = load(Some(file), &[("LM_BRAZE__CAMPAIGNS__REMINDER", "three")]).unwrap();
    let campaigns = config.braze.campaigns.by_kind();
    assert_eq!(campaigns, [(MailKind::Assignment, "one".to_owned()), (MailKind::Reminder, "three".to_owned())].into());
    let shown = config.effective();
    assert!(shown.contains("campaigns.reminder = \"three\"  # LM_BRAZE__CAMPAIGNS__REMINDER\n"), "{shown}");
    assert_eq!(load(Some(&shown), &[]).unwrap().effective(), shown);
    let line = refusal(Some("[braze.campaigns]\nasignment = \"one\""), &[]);
    assert!(line.starts_with("braze.campaigns.asignment in DIR/license-manager.toml: "), "{line}");
    assert!(line.contains("campaigns.assignment, "), "{line}");
    let line = refusal(None, &[("LM_BRAZE__CAMPAIGNS__ASIGNMENT", "one")]);
    assert!(line.contains("LM_BRAZE__CAMPAIGNS__ASSIGNMENT, "), "{line}");
    assert!(refusal(None, &[("LM_BRAZE__CAMPAIGNS__REMINDER", " ")]).starts_with("LM_BRAZE__CAMPAIGNS__REMINDER: "));
    assert!(refusal(Some("[braze]\ncampaigns = 1"), &[]).starts_with("braze.campaigns in DIR/license-manager.toml: "));
}

#[test]
fn every_kind_of_mail_has_a_campaign_of_its_name() {
    for kind in MailKind::ALL {
        let variable = format!("LM_BRAZE__CAMPAIGNS__{}", kind.as_str().to_uppercase());
        let config = load(None, &[(&variable, "id")]).unwrap();
        assert_eq!(config.braze.campaigns.by_kind(), [(kind, "id".to_owned())].into(), "{variable}");
    }
}

#[test]
fn secrets_of_upstreams_are_not_shown() {
    let config = load(
        None,
        &[
            ("LM_BRAZE__API_KEY", "hunter2"),
            ("LM_SEGMENT__WRITE_KEY", "hunter2"),
            ("LM_SMTP__URL", "smtp://me:hunter2@mail"),
            ("LM_OAUTH__CLIENT_SECRET", "hunter2"),
        ],
    )
    .unwrap();
    let shown = format!("{} {config:?}", config.effective());
    assert!(!shown.contains("hunter2") && shown.contains("smtp://***@mail"), "{shown}");
    assert_eq!(config.segment.url, "https://api.segment.io");
    let line = refusal(None, &[("LM_SMTP__URL", "http://me:hunter2@mail")]);
    assert!(line.starts_with("LM_SMTP__URL: ") && !line.contains("hunter2"), "{line}");
}

#[test]
fn only_postgres_has_a_replica() {
    let (primary, replica) =
        (("DATABASE_URL", "postgres://me@db/l"), ("LM_DATABASE__REPLICA_URL", "postgres://me:hunter2@standby/l"));
    let config = load(None, &[primary, replica]).unwrap();
    let shown = config.effective();
    assert!(shown.contains("replica_url = \"postgres://***@standby/l\"  # LM_DATABASE__REPLICA_URL\n"), "{shown}");
    assert_eq!(config.database.replica_max_lag().as_secs(), 5);
    let line = refusal(None, &[replica]);
    assert!(line.starts_with("LM_DATABASE__REPLICA_URL: the database is SQLite"), "{line}");
    let line = refusal(None, &[primary, (replica.0, "sqlite:copy.db")]);
    assert!(line.starts_with("LM_DATABASE__REPLICA_URL: a replica is a standby of Postgres"), "{line}");
    let line = refusal(Some("[database]\nreplica_url = \"postgres://standby/l\""), &[("DATABASE_URL", "sqlite:a.db")]);
    assert!(line.starts_with("database.replica_url"), "{line}");
}

#[test]
fn operations_run_on_schedule_if_enabled() {
    let config = load(None, &[]).unwrap().schedule;
    assert!(!config.enabled, "an outside cron may run them");
    assert_eq!(config.timetable().len(), RecurringOperation::ALL.len());
    assert_eq!(config.timetable()[&RecurringOperation::ProcessRenewals].as_str(), "0 */6 * * *");
    let file = "[schedule]\nenabled = true\nprocess_renewals = \"off\"\nretire_old_licenses = \"0  3 * * SUN\"";
    let config = load(Some(file), &[("LM_SCHEDULE__EXPIRE_SUBSCRIPTIONS", "0 1 * * * Europe/Berlin")]).unwrap();
    let timetable = config.schedule.timetable();
    assert!(config.schedule.enabled && !timetable.contains_key(&RecurringOperation::ProcessRenewals));
    assert_eq!(timetable[&RecurringOperation::RetireOldLicenses].as_str(), "0 3 * * SUN");
    assert_eq!(timetable[&RecurringOperation::ExpireSubscriptions].as_str(), "0 1 * * * Europe/Berlin");
    let shown = config.effective();
    assert!(shown.contains("process_renewals = \"off\"  # LM_SCHEDULE__PROCESS_RENEWALS\n"), "{shown}");
    assert_eq!(load(Some(&shown), &[]).unwrap().effective(), shown);
}

#[test]
fn every_operation_has_a_key_of_its_name() {
    for operation in RecurringOperation::ALL {
        let variable = format!("LM_SCHEDULE__{}", operation.as_str().replace('-', "_").to_uppercase());
        let schedule = load(None, &[(&variable, "off")]).unwrap().schedule;
        assert_eq!(schedule.timing(operation), &Timing::Off, "{variable}");
        assert_eq!(schedule.timetable().len(), RecurringOperation::ALL.len() - 1, "{variable}");
        for wrong in ["daily", "0 25 * * *", "0 0 30 2 *", "0 0 * * * *"] {
            let line = refusal(None, &[(&variable, wrong)]);
            assert!(line.starts_with(&format!("{variable}: `{wrong}` is not a cron expression")), "{line}");
        }
    }
}

/// The rows of docs/SETTINGS.md: variable, default and values.
fn documented() -> Vec<(String, String, String)> {
    let page = include_str!("../../../../docs/SETTINGS.md");
    let rows = page.lines().filter(|line| line.starts_with("| `LM_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 6, "four cells: {row}");
        assert!(!cells[3].is_empty() && !cells[4].is_empty(), "{row}");
        (cells[1].replace('`', ""), cells[2].replace('`', ""), cells[3].to_owned())
    })
    .collect()
}

#[test]
fn every_key_is_documented_with_its_default() {
    let shown = Config::default().effective();
    let known = shown.lines().filter_map(|line| line.rsplit_once("  # ")).map(|(setting, variable)| {
        let default = setting.split_once(" = ").map(|(_, value)| serde_json::from_str(value).unwrap());
        let default = match default {
            None => String::new(),
            Some(Value::Array(items)) if items.is_empty() => String::new(),
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
        };
        (variable.to_owned(), default)
    });
    let mut known: Vec<_> = known.collect();
    let mut documented: Vec<_> = documented().into_iter().map(|(variable, default, _)| (variable, default)).collect();
    known.sort();
    documented.sort();
    let missing: Vec<_> = known.iter().filter(|key| !documented.contains(key)).collect();
    let strange: Vec<_> = documented.iter().filter(|key| !known.contains(key)).collect();
    assert!(missing.is_empty() && strange.is_empty(), "docs/SETTINGS.md lacks {missing:?}, and has {strange:?}");
    assert_eq!(known.len(), documented.len(), "each once");
}

#[test]
fn numbers_have_the_limits_that_are_documented() {
    let mut checked = 0;
    for (variable, default, values) in documented() {
        let is_number = default.parse::<f64>().is_ok();
        let limits = values.split_once(" to ").map(|(least, rest)| (least, rest.split(' ').next().unwrap_or(rest)));
        let number = |text: &str| text.replace(',', "").parse::<i64>().ok();
        let limits = limits.and_then(|(least, most)| Some((number(least)?, number(most)?)));
        assert_eq!(limits.is_some(), is_number, "{variable} with the default {default:?} may be {values}");
        let Some((least, most)) = limits else { continue };
        for (value, is_allowed) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
            let loaded = load(None, &[(variable.as_str(), &value.to_string())]);
            assert_eq!(loaded.is_ok(), is_allowed, "{variable} {value}: {values}");
        }
        checked += 1;
    }
    assert!(checked > 15, "{checked} numbers");
}
