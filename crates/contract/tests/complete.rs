//! The suite has every obligation.

/// Fails if an obligation is in no group: it would never be tested.
#[test]
fn every_obligation_is_in_its_group() {
    let suite = include_str!("../src/suite/groups.rs");
    let sources = [
        ("agreements", include_str!("../src/agreements.rs")),
        (
            "concurrency",
            concat!(
                include_str!("../src/concurrency/idempotency.rs"),
                include_str!("../src/concurrency/learners.rs"),
                include_str!("../src/concurrency/locks.rs"),
                include_str!("../src/concurrency/renewals.rs"),
                include_str!("../src/concurrency/transfers.rs"),
            ),
        ),
        ("deletions", include_str!("../src/deletions.rs")),
        ("deliveries", include_str!("../src/deliveries.rs")),
        ("enrollment_jobs", include_str!("../src/enrollment_jobs.rs")),
        ("following", include_str!("../src/following.rs")),
        ("history", include_str!("../src/history.rs")),
        ("idempotency", include_str!("../src/idempotency.rs")),
        ("jobs", include_str!("../src/jobs.rs")),
        ("license_pages", include_str!("../src/license_pages.rs")),
        ("license_reads", include_str!("../src/license_reads.rs")),
        ("license_writes", include_str!("../src/license_writes.rs")),
        ("lookups", include_str!("../src/lookups.rs")),
        ("operations", include_str!("../src/operations.rs")),
        ("outbox", include_str!("../src/outbox.rs")),
        ("plans", include_str!("../src/plans.rs")),
        ("products", include_str!("../src/products.rs")),
        ("purge", include_str!("../src/purge.rs")),
        ("renewals", include_str!("../src/renewals.rs")),
        ("retirement", include_str!("../src/retirement.rs")),
        ("schedule", include_str!("../src/schedule.rs")),
        ("staff_actions", include_str!("../src/staff_actions.rs")),
        ("staff_records", include_str!("../src/staff_records.rs")),
        ("transfers", include_str!("../src/transfers.rs")),
        ("units_of_work", include_str!("../src/units_of_work.rs")),
        ("users", include_str!("../src/users.rs")),
        ("utilization", include_str!("../src/utilization.rs")),
        (
            "webhooks",
            concat!(
                include_str!("../src/webhooks.rs"),
                include_str!("../src/webhooks/claims.rs"),
                include_str!("../src/webhooks/stored.rs"),
            ),
        ),
    ];
    for (group, source) in sources {
        let listed = suite
            .split_once(&format!("($make:path; {group}) => {{"))
            .and_then(|(_, arm)| arm.split_once(&format!("{group} {{")))
            .and_then(|(_, names)| names.split_once('}'))
            .map(|(names, _)| names.split_whitespace().collect::<Vec<_>>())
            .unwrap_or_else(|| panic!("there is no group {group}"));
        let obligations =
            source.lines().filter_map(|line| line.strip_prefix("pub fn ")?.strip_suffix("(db: &dyn Database) {"));
        let mut obligations: Vec<&str> = obligations.collect();
        let mut sorted = listed;
        sorted.sort_unstable();
        obligations.sort_unstable();
        assert_eq!(sorted, obligations, "{group}");
    }
}
