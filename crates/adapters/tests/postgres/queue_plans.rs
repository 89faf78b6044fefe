//! Claiming messages from a long outbox in Postgres.

use std::sync::{Mutex, mpsc};

use chrono::Duration;
use diesel::prelude::*;
use diesel::sql_types::Text;
use license_manager_domain::WebhookId;
use license_manager_domain::model::JobKind;
use license_manager_domain::ports::StoreExt;
use license_manager_domain::queue::{Claim, Lease, Queue};
use uuid::Uuid;

use crate::support::PostgresDatabase;
use crate::{now, provision};

/// 100,000 rows, each about another license. Ten of each are due; one of these waits for an earlier row that is not
/// due. Of the jobs, nine of 10,000 are due.
const FILL: &str = "
    INSERT INTO outbox (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload, created,
                        lane, lanes, not_before)
    SELECT gen_random_uuid(), 'reminder', CASE number WHEN 100000 THEN license(1) ELSE license(number) END,
           license(0), license(0), '{}', $now, 'mail', 'mail',
           CASE WHEN number > 99990 THEN $now ELSE $now + interval '1 hour' END
    FROM generate_series(1, 100000) AS numbers (number);

    INSERT INTO webhook (uuid, url, secret, event_types, is_active, created, modified)
    VALUES (license(7), 'https://hooks.example.com/', '', '{}', true, $now, $now);
    INSERT INTO webhook_delivery (webhook_uuid, uuid, event_type, license_uuid, payload, created, due_since, not_before)
    SELECT license(7), gen_random_uuid(), 'event', CASE number WHEN 100000 THEN license(1) ELSE license(number) END,
           '{}', $now, $now, CASE WHEN number > 99990 THEN $now ELSE $now + interval '1 hour' END
    FROM generate_series(1, 100000) AS numbers (number);

    INSERT INTO subscription_plan
    SELECT (jsonb_populate_record(plan, jsonb_build_object('uuid', license(number + 1000000), 'title', number::text))).*
    FROM subscription_plan AS plan, generate_series(1, 10000) AS numbers (number);
    INSERT INTO plan_job (subscription_plan_uuid, kind, requested_at, not_before)
    SELECT license(number + 1000000), 'provision', $now, CASE WHEN number > 9991 THEN $now ELSE $now + interval '1 hour' END
    FROM generate_series(1, 10000) AS numbers (number)";

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    text: String,
}

/// The executed query plan of a queue's claim, with row counts, with or without statistics.
fn claim_carried_out(queue: Queue, analyzed: bool, plans: &str) -> String {
    let database = PostgresDatabase::create();
    let (statements, told) = mpsc::channel();
    let statements = Mutex::new(statements);
    let store = database.observed_store(move |statement| {
        let _ = statements.lock().unwrap().send(statement.to_owned());
    });
    provision(&store, 1);
    for table in ["outbox", "webhook_delivery", "plan_job"] {
        database.execute(&format!("ALTER TABLE {table} SET (autovacuum_enabled = off)"));
    }
    told.try_iter().for_each(drop);
    let lease = Lease { id: Uuid::nil(), queue };
    let claim = Claim { lease, now: now(), until: now() + Duration::hours(2), limit: 50 };
    match queue {
        Queue::PlanJobs(_) => assert_eq!(store.write(|unit| unit.queue().claim_job(&claim)), Ok(None)),
        _ => assert_eq!(store.write(|unit| unit.queue().claim(&claim)), Ok(Vec::new())),
    }
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
        format!("PREPARE claim (timestamptz, text, bigint, uuid, timestamptz) AS {statement}"),
    ] {
        diesel::sql_query(command).execute(&mut connection).unwrap();
    }
    let (table, name) = match queue {
        Queue::Webhook(webhook) => ("webhook_delivery", webhook.to_string()),
        Queue::PlanJobs(kind) => ("plan_job", kind.as_str().to_owned()),
        queue => ("outbox", queue.as_str().to_owned()),
    };
    let lines: Vec<Line> = diesel::sql_query(format!(
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
         EXECUTE claim ('{moment}', '{name}', 50, '{}', '{moment}')",
        Uuid::max()
    ))
    .load(&mut connection)
    .unwrap();
    let claimed = format!("SELECT count(*) || '' AS \"QUERY PLAN\" FROM {table} WHERE claimed_by IS NOT NULL");
    let claimed: Vec<Line> = diesel::sql_query(claimed).load(&mut connection).unwrap();
    assert_eq!(claimed[0].text, "9", "the tenth waits for its turn");
    lines.into_iter().map(|line| line.text + "\n").collect()
}

/// The index that says what is due, and the one that says whether it is a row's turn.
fn assert_reads_what_is_due(queue: Queue, table: &str, due: &str, in_turn: Option<&str>) {
    for (analyzed, plans) in [(true, "force_generic_plan"), (true, "force_custom_plan"), (false, "force_generic_plan")]
    {
        let plan = claim_carried_out(queue, analyzed, plans);
        let due = format!("Index Scan using {due} on {table} waiting");
        let due = plan.lines().find(|line| line.contains(&due));
        let due = due.unwrap_or_else(|| panic!("the index is not used:\n{plan}"));
        // Postgres 18 writes 9.00.
        assert!(due.contains("(actual rows=9 ") || due.contains("(actual rows=9.00 "), "{plan}");
        assert!(!plan.contains(&format!("Seq Scan on {table}")), "{plan}");
        if let Some(in_turn) = in_turn {
            let ranks = plan.lines().filter(|line| line.contains(in_turn) && line.contains("loops=10"));
            assert_eq!(ranks.count(), 1, "whether it is a row's turn is asked of those that are due alone:\n{plan}");
        }
    }
}

#[test]
fn a_claim_from_a_hundred_thousand_messages_reads_only_due_ones() {
    assert_reads_what_is_due(Queue::Mail, "outbox", "outbox_due", Some("outbox_of_license"));
}

#[test]
fn a_claim_from_a_hundred_thousand_events_for_a_webhook_reads_only_due_ones() {
    let webhook = Queue::Webhook(WebhookId(Uuid::from_u128(7)));
    let in_turn = Some("webhook_delivery_in_turn");
    assert_reads_what_is_due(webhook, "webhook_delivery", "webhook_delivery_due", in_turn);
}

#[test]
fn a_claim_from_ten_thousand_jobs_reads_only_due_ones() {
    assert_reads_what_is_due(Queue::PlanJobs(JobKind::Provision), "plan_job", "plan_job_due", None);
}
