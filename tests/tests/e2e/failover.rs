//! A database that fails over while everybody works; `make failover` does it with more load. And one whose standby is away.

use std::sync::atomic::{AtomicBool, Ordering};

use license_manager_tests::failover::{Failover, Pair};
use license_manager_tests::{Cluster, Customer, PATIENCE, Server, poll};

/// How many requests of a server with eight connections write at once.
const TURNS: usize = 5;

/// How many clients write at once.
const WRITERS: usize = TURNS + 2;

#[test]
fn nothing_that_was_answered_is_lost_when_a_synchronous_standby_takes_over() {
    let report = Failover { clients: 4, assignments: 60, settings: Vec::new() }.run(&mut Pair::start());
    println!("{report}");
    assert!(report.before >= 60 && report.after >= 60, "{report}");
}

#[test]
fn readers_go_on_while_commits_wait_for_a_standby_that_is_away() {
    let cluster = Cluster::new();
    let server =
        Server::start_with(&cluster.url(), &[("LM_WORKER__ENABLED", "false"), ("LM_DATABASE__POOL_SIZE", "8")]);
    let customer = Customer::new(&server);
    let plan = customer.plan(20_000);
    // The admin is stored with their first request, which is none of those that read below.
    plan.assign(&[customer.email("first")]).expect(200);
    let is_over = AtomicBool::new(false);
    let write = |writer: usize| {
        let mut answered = 0_u64;
        while !is_over.load(Ordering::SeqCst) {
            plan.assign(&[customer.email(&format!("learner-{writer}-{answered}"))]).expect(200);
            answered += 1;
        }
        answered
    };
    let all_wait = || {
        let sessions = cluster.texts(
            "SELECT CASE WHEN wait_event = 'SyncRep' OR wait_event_type = 'Lock' THEN 'waits' END AS text
             FROM pg_stat_activity WHERE application_name = 'license-manager' AND state <> 'idle'",
        );
        sessions.len() >= TURNS && sessions.iter().all(|session| session == "waits")
    };
    std::thread::scope(|scope| {
        let write = &write;
        let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        cluster.set_standbys("away");
        let waiting = poll(PATIENCE, || all_wait().then_some(()));
        let ready = server.anonymous().get("/health/ready/").status;
        let seen = plan.admin.get(&plan.path(""));
        let is_named = || server.command(&["doctor"]).stdout.contains("wait for a synchronous standby");
        let named = poll(PATIENCE, || is_named().then_some(()));
        // Before anything is asserted, so that the writers end.
        is_over.store(true, Ordering::SeqCst);
        cluster.set_standbys("");
        let answered: u64 = writers.into_iter().map(|writer| writer.join().expect("a writer is answered")).sum();
        waiting.expect("commits wait for the standby");
        assert_eq!(ready, 200, "the proxy goes on sending requests");
        named.expect("doctor names what waits");
        let seen = seen.expect(200)["licenses"]["assigned"].as_u64().expect("a count");
        // The first assignment is seen and not counted.
        assert!(seen - 1 + TURNS as u64 <= answered, "what waits is not seen: {seen} of {answered}");
        assert_eq!(plan.counts().assigned, 1 + answered, "what waited is done when nobody is waited for");
    });
}
