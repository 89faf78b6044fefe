//! Claiming messages from a long outbox in Postgres.

use std::sync::{Mutex, mpsc};

use chrono::Duration;
use diesel::prelude::*;
use diesel::sql_types::Text;
use license_manager_domain::delivery::{DeliveryClaim, Lane};
use license_manager_domain::ports::StoreExt;
use uuid::Uuid;

use crate::now;
use crate::support::PostgresDatabase;

/// 100,000 mails, each about another license. One of the due ones waits for an earlier message that is not due.
const FILL: &str = "
    INSERT INTO outbox (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload, created,
                        lane, lanes, not_before)
    SELECT gen_random_uuid(), 'reminder', CASE number WHEN 100000 THEN license(1) ELSE license(number) END,
           license(0), license(0), '{}', $now, 'mail', 'mail',
           CASE WHEN number > 99990 THEN $now ELSE $now + interval '1 hour' END
    FROM generate_series(1, 100000) AS numbers (number)";

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    text: String,
}

/// The executed query plan of a queue's claim, with row counts, with or without statistics.
fn claim_carried_out(analyzed: bool, plans: &str) -> String {
    let database = PostgresDatabase::create();
    let (statements, told) = mpsc::channel();
    let statements = Mutex::new(statements);
    let store = database.observed_store(move |statement| {
        let _ = statements.lock().unwrap().send(statement.to_owned());
    });
    database.execute("ALTER TABLE outbox SET (autovacuum_enabled = off)");
    let claim =
        DeliveryClaim { id: Uuid::nil(), lane: Lane::Mail, now: now(), until: now() + Duration::hours(2), limit: 50 };
    assert_eq!(store.write(|unit| unit.outbox().claim(&claim)), Ok(Vec::new()));
    let statement = told.try_iter().find(|statement| statement.starts_with("WITH chosen")).expect("a claim");
    let moment = now().to_rfc3339();
    database.execute(&format!(
        "CREATE FUNCTION license(number bigint) RETURNS uuid IMMUTABLE LANGUAGE sql
             RETURN lpad(to_hex(number), 32, '0')::uuid;
         {}",
        FILL.replace("$now", &format!("'{moment}'::timestamptz"))
    ));
    if analyzed {
        database.execute("ANALYZE");
    }
    let mut connection = database.connection();
    for command in [
        format!("SET plan_cache_mode = {plans}"),
        format!("PREPARE claim (uuid, timestamptz, text, timestamptz, bigint) AS {statement}"),
    ] {
        diesel::sql_query(command).execute(&mut connection).unwrap();
    }
    let lines: Vec<Line> = diesel::sql_query(format!(
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
         EXECUTE claim ('{}', '{moment}', 'mail', '{moment}', 50)",
        Uuid::max()
    ))
    .load(&mut connection)
    .unwrap();
    let claimed = "SELECT count(*) || '' AS \"QUERY PLAN\" FROM outbox WHERE claimed_by IS NOT NULL";
    let claimed: Vec<Line> = diesel::sql_query(claimed).load(&mut connection).unwrap();
    assert_eq!(claimed[0].text, "9", "the tenth waits for its turn");
    lines.into_iter().map(|line| line.text + "\n").collect()
}

#[test]
fn a_claim_from_a_hundred_thousand_messages_reads_only_due_ones() {
    for (analyzed, plans) in [(true, "force_generic_plan"), (true, "force_custom_plan"), (false, "force_generic_plan")]
    {
        let plan = claim_carried_out(analyzed, plans);
        let due = plan.lines().find(|line| line.contains("Index Scan using outbox_due on outbox waiting"));
        let due = due.unwrap_or_else(|| panic!("the index is not used:\n{plan}"));
        // Postgres 18 writes 9.00.
        assert!(due.contains("(actual rows=9 ") || due.contains("(actual rows=9.00 "), "{plan}");
        assert!(!plan.contains("Seq Scan on outbox"), "{plan}");
        let ranks = plan.lines().filter(|line| line.contains("outbox_of_license") && line.contains("loops=10"));
        assert_eq!(ranks.count(), 1, "whether it is a message's turn is asked of those that are due alone:\n{plan}");
    }
}
