//! Commands that create data: dry runs, concurrent runs, and runs that were stopped.

use std::time::Duration;

use license_manager_tests::{Database, FakeUpstreams, Server, at_once, on_both_databases, poll};
use serde_json::{Value, json};

use super::{QUIET, count, run, start};

on_both_databases!(
    development_data_is_made_once,
    a_devstack_customer_gets_a_plan_of_each_size_once,
    data_is_manufactured_once_by_two_runs,
    interrupted_manufacturing_is_finished_by_the_next_run,
);

/// Runs a command that creates data: a dry run, which creates nothing and reports the same, then twice; the second run
/// creates nothing more.
#[track_caller]
fn made_once(server: &Server, database: &Database, command: &str, arguments: &[&str]) -> Value {
    let there_is = || {
        ["customer_agreement", "subscription_plan", "license", "license_history", "outbox"]
            .map(|table| count(database, &format!("SELECT CAST(count(*) AS text) AS text FROM {table}")))
    };
    let before = there_is();
    let preview = run(server, command, &[arguments, &["--dry-run"]].concat());
    assert_eq!(there_is(), before, "a dry run makes nothing");
    let made = run(server, command, arguments);
    assert_eq!((&preview["counts"], &preview["dry_run"]), (&made["counts"], &json!(true)));
    let after = there_is();
    for number in [0, 1, 2] {
        let name = ["agreements", "plans", "licenses"][number];
        assert_eq!(made["counts"][name], after[number] - before[number], "{name}");
    }
    let again = run(server, command, arguments);
    assert_eq!((there_is(), &again["uuids"]), (after, &json!([])), "once");
    for name in ["agreements", "plans"] {
        let both = ["", "existing_"].map(|which| made["counts"][format!("{which}{name}")].as_i64().unwrap_or(-1));
        assert_eq!(again["counts"][format!("existing_{name}")], both[0] + both[1], "{name}");
    }
    made
}

fn development_data_is_made_once(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let made = made_once(&server, &database, "seed-development-data", &[]);
    assert_eq!(
        made["counts"],
        json!({ "agreements": 1, "plans": 4, "licenses": 110, "assigned": 43, "existing_agreements": 0, "existing_plans": 0 })
    );
    database.execute("DELETE FROM outbox");
    database.execute("DELETE FROM license WHERE status = 'assigned'");
    // Without an entry of history, nothing counts the deletion.
    database.execute("UPDATE seat_change SET assigned = 0");
    let mended = run(&server, "seed-development-data", &[]);
    assert_eq!((&mended["counts"]["licenses"], &mended["counts"]["assigned"]), (&json!(43), &json!(43)));
    assert_eq!(mended["uuids"].as_array().map(Vec::len), Some(3), "the plans that lacked some");
}

fn a_devstack_customer_gets_a_plan_of_each_size_once(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let command = "seed-enterprise-devstack-data";
    let made = made_once(&server, &database, command, &[]);
    assert_eq!((&made["counts"]["agreements"], &made["counts"]["licenses"]), (&json!(1), &json!(10)));
    let larger = made_once(&server, &database, command, &["--num-licenses", "100"]);
    let counts = &larger["counts"];
    assert_eq!(
        (&counts["existing_agreements"], &counts["plans"], &counts["licenses"]),
        (&json!(1), &json!(1), &json!(100))
    );
    let other = "00000000-0000-4000-8000-000000000077";
    for dry_run in [&["--dry-run"][..], &[]] {
        let arguments = [&[command, "--output", "json", "--enterprise-customer-uuid", other], dry_run].concat();
        let refused = server.command(&arguments);
        assert_eq!(refused.code, Some(1), "the slug is another customer's: {refused:?}");
        let told: Value = serde_json::from_str(&refused.stdout).expect("JSON");
        assert_eq!((told["errors"].as_array().map(Vec::len), &told["uuids"]), (Some(1), &json!([])));
    }
    let theirs = ["--enterprise-customer-uuid", other, "--enterprise-customer-slug", "other-enterprise"];
    made_once(&server, &database, command, &theirs);
    assert_eq!(run(&server, command, &theirs[..2])["counts"]["existing_agreements"], 1, "known by the id");
}

fn data_is_manufactured_once_by_two_runs(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let size = ["--customers", "2", "--plans", "2", "--licenses", "90"];
    let made = made_once(&server, &database, "manufacture-data", &size);
    assert_eq!((&made["counts"]["licenses"], &made["counts"]["assigned"]), (&json!(360), &json!(180)));
    let others = [&size[..], &["--name", "others"]].concat();
    let both = at_once(2, |_| run(&server, "manufacture-data", &others));
    for name in ["agreements", "plans", "licenses", "assigned"] {
        let sum: i64 = both.iter().map(|summary| summary["counts"][name].as_i64().unwrap_or(-1)).sum();
        assert_eq!(made["counts"][name], sum, "{name}");
    }
}

fn interrupted_manufacturing_is_finished_by_the_next_run(database: Database) {
    let upstreams = FakeUpstreams::start();
    let server = start(&database, &upstreams, &QUIET);
    let size = ["--customers", "5", "--plans", "10", "--licenses", "400"];
    let all = [&["manufacture-data"], &size[..]].concat();
    let licenses = || count(&database, "SELECT CAST(count(*) AS text) AS text FROM license");
    let begin = |more_than: usize| {
        let run = server.run_beside(&all);
        assert!(poll(Duration::from_secs(60), || (licenses() > more_than).then_some(())).is_some(), "nothing was made");
        run
    };
    assert_eq!(begin(0).stop_with_sigterm().code(), Some(1), "not everything was done");
    let stopped = licenses();
    assert!(stopped < 20_000, "stopped in between");
    begin(stopped).kill();
    let killed = licenses();
    assert!(stopped < killed && killed < 20_000, "killed in between: {killed}");
    let rest = run(&server, "manufacture-data", &size);
    assert_eq!(rest["counts"]["licenses"], 20_000 - killed);
    let assigned = "SELECT CAST(count(*) AS text) AS text FROM license WHERE status = 'assigned'";
    assert_eq!((licenses(), count(&database, assigned)), (20_000, 10_000));
    let twice = "SELECT CAST(count(*) AS text) AS text FROM (SELECT 1 FROM license WHERE user_email IS NOT NULL
                 GROUP BY subscription_plan_uuid, user_email HAVING count(*) > 1) AS twice";
    assert_eq!(count(&database, twice), 0);
    database.assert_sound();
}
