//! Claiming messages from a long outbox in SQLite.

use chrono::Duration;
use diesel::connection::SimpleConnection;
use license_manager_domain::delivery::{DeliveryClaim, Lane};
use license_manager_domain::ports::StoreExt;
use uuid::Uuid;

use crate::contract::fixtures::day;
use crate::{Watched, plans_of, stranger};

/// 100,000 mails, each about another license. Ten are due; one of these waits for an earlier message that is not due.
fn fill(watched: &Watched) {
    let now = day(2).timestamp_micros();
    let license = "'00000000-0000-4000-8000-' || printf('%012x', iif(number = 100000, 1, number))";
    let fill = format!(
        "INSERT INTO outbox (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload, created,
                             lane, lanes, not_before)
         WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 100000)
         SELECT '10000000-0000-4000-8000-' || printf('%012x', number), 'reminder', {license}, {license}, {license}, '{{}}',
                {now}, 'mail', 'mail', iif(number > 99990, {now}, {now} + 3600000000)
         FROM numbers"
    );
    stranger(&watched.store).batch_execute(&fill).unwrap();
}

#[test]
fn a_claim_from_a_hundred_thousand_messages_reads_only_due_ones() {
    for analyzed in [false, true] {
        let watched = Watched::new();
        fill(&watched);
        if analyzed {
            stranger(&watched.store).batch_execute("ANALYZE").unwrap();
        }
        let claim = |id| DeliveryClaim {
            id: Uuid::from_u128(id),
            lane: Lane::Mail,
            now: day(2),
            until: day(2) + Duration::hours(2),
            limit: 50,
        };
        let plan = plans_of(&watched, || {
            let claimed = watched.store.write(|unit| unit.outbox().claim(&claim(1))).unwrap();
            assert_eq!(claimed.len(), 9, "the tenth waits for its turn");
        });
        let reads_due =
            |step: &String| step.contains("SEARCH waiting USING INDEX outbox_due (lane=? AND not_before<?)");
        assert!(plan.iter().any(reads_due), "{plan:#?}");
        assert!(plan.iter().any(|step| step.contains("USING INDEX outbox_of_license")), "{plan:#?}");
        let scans =
            |step: &&String| step.starts_with("SCAN") && !step.contains("json_each") && !step.contains("VIRTUAL");
        assert_eq!(plan.iter().find(scans), None, "{plan:#?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE FOR ORDER BY")), "{plan:#?}");
    }
}
