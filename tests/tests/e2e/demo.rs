//! Pastes the walkthrough that `make run` prints into a shell.

use std::process::Command;
use std::time::Duration;

use license_manager_tests::{Database, Server, on_both_databases, poll};
use regex_lite::Regex;
use serde_json::Value;

on_both_databases!(
    the_printed_walk_can_be_pasted,
    and_pasted_again_after_a_restart,
    the_readme_shows_the_printed_walk,
    a_demo_opens_nothing_else,
);

/// The commands of the walkthrough, which are indented by two spaces, after so many starts.
fn commands(server: &Server, starts: usize) -> String {
    let walk = poll(Duration::from_secs(30), || {
        let log = server.log();
        (log.matches("Ctrl-C stops the server").count() == starts)
            .then(|| log.split("The demo customer is ready").last().map(str::to_owned))
    });
    let walk = walk.flatten().expect("the walk is printed");
    // The log continues after it, with indented mails.
    let walk = walk.split("Ctrl-C stops the server").next().unwrap_or_default();
    walk.lines().filter(|line| line.starts_with("  ")).collect::<Vec<_>>().join("\n")
}

/// The answers, in order.
fn paste(commands: &str) -> Vec<Value> {
    let done = Command::new("bash")
        .args(["-e", "-u", "-o", "pipefail", "-c", commands])
        .output()
        .expect("bash, curl and sed are needed to paste the walk: install them");
    let (printed, complaints) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{printed}\n{complaints}");
    serde_json::Deserializer::from_str(&printed)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{error}: {printed}"))
}

fn the_printed_walk_can_be_pasted(database: Database) {
    let server = Server::start_demo(database.url());
    let [plan, assigned, activated, revoked, renewed, dry_run, transferred] =
        <[Value; 7]>::try_from(paste(&commands(&server, 1))).unwrap();
    assert_eq!((&plan["title"], &plan["licenses"]["total"]), (&"Data Science".into(), &20.into()));
    assert_eq!(assigned["num_successful_assignments"], 1);
    assert_eq!(activated["status"], "activated");
    assert_eq!(revoked["successful_revocations"].as_array().map(Vec::len), Some(1));
    assert_eq!(renewed["processed"], true);
    assert!(renewed["renewed_subscription_plan"].is_string());
    assert_eq!(
        (&dry_run["completed_at"], dry_run["processed_results"][0]["is_dry_run"].as_bool()),
        (&Value::Null, Some(true))
    );
    assert!(transferred["completed_at"].is_string());
    assert_eq!(transferred["processed_results"][1]["modified_licenses"].as_array().map(Vec::len), Some(1));
}

fn and_pasted_again_after_a_restart(database: Database) {
    let mut server = Server::start_demo(database.url());
    paste(&commands(&server, 1));
    server.restart();
    let answers = paste(&commands(&server, 2));
    assert_eq!(answers[0]["title"], "Data Science", "the same plan");
    assert_eq!(answers[2]["status"], "activated");
    assert_eq!(answers[4]["processed"], true);
}

/// The lines without what differs between runs.
fn alike(lines: &str) -> Vec<String> {
    let varying =
        Regex::new(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|eyJ[^']*|\d{4}-\d\d-\d\d|127\.0\.0\.1:\d+").unwrap();
    lines.lines().map(str::trim).map(|line| varying.replace_all(line, "…").into_owned()).collect()
}

fn the_readme_shows_the_printed_walk(database: Database) {
    let server = Server::start_demo(database.url());
    let readme = alike(include_str!("../../../README.md"));
    let mut rest = readme.iter();
    for command in alike(&commands(&server, 1)) {
        assert!(rest.any(|line| *line == command), "README.md lacks, or has in another place: {command}");
    }
}

/// The demo prints tokens, so it accepts no secret that others use and listens to nobody else.
fn a_demo_opens_nothing_else(database: Database) {
    for (settings, named) in [
        (vec![("LM_AUTH__JWK_SET", "/keys.json"), ("LM_AUTH__HS256_SECRET", "")], "auth.jwk_set"),
        (vec![("LM_AUTH__HS256_SECRET", "a-secret-of-the-platform-0123456789")], "auth.hs256_secret"),
        (vec![("LM_SERVER__LISTEN", "0.0.0.0:0"), ("LM_AUTH__HS256_SECRET", "")], "server.listen"),
        (vec![("LM_METRICS__LISTEN", "0.0.0.0:0"), ("LM_AUTH__HS256_SECRET", "")], "metrics.listen"),
        (vec![("LM_METRICS__WORKER_LISTEN", "[::]:0"), ("LM_AUTH__HS256_SECRET", "")], "metrics.worker_listen"),
    ] {
        let refusal = Server::start_refused(database.url(), &settings, &["serve", "--demo"]);
        assert!(!refusal.status.success() && refusal.stderr.contains(named), "{}", refusal.stderr);
        assert!(!refusal.stderr.contains("0123456789"), "{}", refusal.stderr);
    }
}
