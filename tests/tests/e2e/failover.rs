//! A database that fails over while everybody works; `make failover` does it with more load.

use license_manager_tests::failover::{Failover, Pair};

#[test]
fn nothing_that_was_answered_is_lost_when_a_synchronous_standby_takes_over() {
    let report = Failover { clients: 4, assignments: 60, settings: Vec::new() }.run(&mut Pair::start());
    println!("{report}");
    assert!(report.before >= 60 && report.after >= 60, "{report}");
}
