//! A few hundred requests through kills and failures; `make soak` sends more.

use std::time::Duration;

use license_manager_tests::chaos::{Chaos, Kind, random_seed};

/// Takes some twenty seconds.
fn a_little(kind: Kind) {
    let seed = random_seed();
    let chaos = Chaos {
        seed,
        requests: 400,
        duration: Duration::ZERO,
        clients: 4,
        faults: 14,
        previous: None,
        settings: Vec::new(),
    };
    let report = chaos.run(kind);
    println!("{report}");
    assert!(report.answered >= 400 && report.live > 0, "{report}");
}

#[test]
fn every_answer_comes_true_on_sqlite() {
    a_little(Kind::Sqlite);
}

#[test]
fn every_answer_comes_true_on_postgres() {
    a_little(Kind::Postgres);
}
