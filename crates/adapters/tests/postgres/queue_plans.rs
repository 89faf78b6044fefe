//! Claiming and settling work of long queues in Postgres.

use std::sync::{Mutex, mpsc};

use chrono::Duration;
use diesel::prelude::*;
use diesel::sql_types::Text;
use license_manager_adapters::postgres::PostgresStore;
use license_manager_domain::model::JobKind;
use license_manager_domain::ports::{HistoryPart, StoreExt};
use license_manager_domain::queue::{Claim, Lease, Queue, Settlement};
use license_manager_domain::{ActivationKey, License, LicenseId, WebhookId};
use uuid::Uuid;

use crate::support::PostgresDatabase;
use crate::{PLAN, change, email, now, provision};

/// 100,000 rows, each about another license and person. Ten of each are due. Of the messages, one of these waits for an
/// earlier row that is not due; of the events for a webhook three: by license, by address and by account. Of the jobs,
/// nine of 10,000 are due.
const FILL: &str = "
    INSERT INTO outbox (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload, created,
                        lane, lanes, not_before)
    SELECT gen_random_uuid(), 'reminder', CASE number WHEN 100000 THEN license(1) ELSE license(number) END,
           license(0), license(0), jsonb_build_object('email', 'learner' || number || '@example.com'), $now,
           'mail', 'mail',
           CASE WHEN number > 99990 THEN $now ELSE $now + interval '1 hour' END
    FROM generate_series(1, 100000) AS numbers (number);

    INSERT INTO webhook (uuid, url, secret, event_types, is_active, created, modified)
    VALUES (license(7), 'https://hooks.example.com/', '', '{}', true, $now, $now);
    INSERT INTO webhook_delivery (webhook_uuid, uuid, event_type, license_uuid, payload, created, due_since, not_before)
    SELECT license(7), gen_random_uuid(), 'event', CASE number WHEN 100000 THEN license(1) ELSE license(number) END,
           jsonb_build_object('properties', jsonb_build_object(
               'assigned_email', 'learner' || CASE number WHEN 99999 THEN 1 ELSE number END || '@example.com',
               'assigned_lms_user_id', CASE number WHEN 99998 THEN 1 ELSE number END)),
           $now, $now, CASE WHEN number > 99990 THEN $now ELSE $now + interval '1 hour' END
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

/// The executed query plan of a statement of a queue, with row counts, with or without statistics. `run` runs the
/// statement, which begins with `start`. `parameters` are its types and values.
fn carried_out(
    run: impl FnOnce(&PostgresStore),
    start: &str,
    (types, values): (&str, &str),
    analyzed: bool,
    plans: &str,
) -> (PostgresDatabase, String) {
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
    run(&store);
    let statement = told.try_iter().find(|statement| statement.starts_with(start)).expect("the statement");
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
    for command in [format!("SET plan_cache_mode = {plans}"), format!("PREPARE prepared ({types}) AS {statement}")] {
        diesel::sql_query(command).execute(&mut connection).unwrap();
    }
    let explain = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)";
    let lines: Vec<Line> =
        diesel::sql_query(format!("{explain} EXECUTE prepared ({values})")).load(&mut connection).unwrap();
    (database, lines.into_iter().map(|line| line.text + "\n").collect())
}

/// How many of the ten due rows can be claimed.
fn claimable(queue: Queue) -> usize {
    match queue {
        Queue::Webhook(_) => 7,
        _ => 9,
    }
}

/// The executed query plan of a queue's claim.
fn claim_carried_out(queue: Queue, analyzed: bool, plans: &str) -> String {
    let lease = Lease { id: Uuid::nil(), queue };
    let claim = Claim { lease, now: now(), until: now() + Duration::hours(2), limit: 50 };
    let run = |store: &PostgresStore| match queue {
        Queue::PlanJobs(_) => assert_eq!(store.write(|unit| unit.queue().claim_job(&claim)), Ok(None)),
        _ => assert_eq!(store.write(|unit| unit.queue().claim(&claim)), Ok(Vec::new())),
    };
    let (table, name) = match queue {
        Queue::Webhook(webhook) => ("webhook_delivery", webhook.to_string()),
        Queue::PlanJobs(kind) => ("plan_job", kind.as_str().to_owned()),
        queue => ("outbox", queue.as_str().to_owned()),
    };
    let moment = now().to_rfc3339();
    let values = format!("'{moment}', '{name}', 50, '{}', '{moment}'", Uuid::max());
    let parameters = ("timestamptz, text, bigint, uuid, timestamptz", values.as_str());
    let (database, plan) = carried_out(run, "WITH chosen", parameters, analyzed, plans);
    let claimed = format!("SELECT count(*) || '' AS \"QUERY PLAN\" FROM {table} WHERE claimed_by IS NOT NULL");
    let claimed: Vec<Line> = diesel::sql_query(claimed).load(&mut database.connection()).unwrap();
    assert_eq!(claimed[0].text, claimable(queue).to_string(), "the others wait for their turn");
    plan
}

/// The index that says what is due, and those that say whether it is a row's turn.
fn assert_reads_what_is_due(queue: Queue, table: &str, due: &str, in_turn: &[&str]) {
    for (analyzed, plans) in [(true, "force_generic_plan"), (true, "force_custom_plan"), (false, "force_generic_plan")]
    {
        let plan = claim_carried_out(queue, analyzed, plans);
        let due = format!("Index Scan using {due} on {table} waiting");
        let due = plan.lines().find(|line| line.contains(&due));
        let due = due.unwrap_or_else(|| panic!("the index is not used:\n{plan}"));
        // Postgres 18 writes 9.00.
        let rows = claimable(queue);
        let read = [format!("(actual rows={rows} "), format!("(actual rows={rows}.00 ")];
        assert!(read.iter().any(|read| due.contains(read)), "{plan}");
        assert!(!plan.contains(&format!("Seq Scan on {table}")), "{plan}");
        for index in in_turn {
            let looked_up: Vec<_> = plan.lines().filter(|line| line.contains(index)).collect();
            let [looked_up] = looked_up[..] else { panic!("{index} is used once:\n{plan}") };
            let loops =
                looked_up.split("loops=").nth(1).and_then(|text| text.trim_end_matches(')').parse::<usize>().ok());
            assert!(
                loops.is_some_and(|loops| (1..=10).contains(&loops)),
                "whether it is a row's turn is asked of those that are due alone:\n{plan}"
            );
        }
    }
}

#[test]
fn a_claim_from_a_hundred_thousand_messages_reads_only_due_ones() {
    assert_reads_what_is_due(Queue::Mail, "outbox", "outbox_due", &["outbox_of_license"]);
}

#[test]
fn a_claim_from_a_hundred_thousand_events_for_a_webhook_reads_only_due_ones() {
    let webhook = Queue::Webhook(WebhookId(Uuid::from_u128(7)));
    let in_turn = ["webhook_delivery_in_turn", "webhook_delivery_of_address", "webhook_delivery_of_account"];
    assert_reads_what_is_due(webhook, "webhook_delivery", "webhook_delivery_due", &in_turn);
}

#[test]
fn a_claim_from_ten_thousand_jobs_reads_only_due_ones() {
    assert_reads_what_is_due(Queue::PlanJobs(JobKind::Provision), "plan_job", "plan_job_due", &[]);
}

/// A worker prolongs its claims while a delivery takes long.
#[test]
fn prolonging_claims_looks_messages_up_by_their_ids() {
    let (message, holder) = (Uuid::from_u128(1), Uuid::nil());
    let lease = Lease { id: holder, queue: Queue::Mail };
    let run = |store: &PostgresStore| {
        assert_eq!(store.write(|unit| unit.queue().prolong(lease, &[message], now())), Ok(0));
    };
    let values = format!("'mail', '{holder}', '{{{message}}}', '{}'", now().to_rfc3339());
    for (analyzed, plans) in [(true, "force_generic_plan"), (true, "force_custom_plan"), (false, "force_generic_plan")]
    {
        let types = "text, uuid, uuid[], timestamptz";
        let (_, plan) = carried_out(run, "UPDATE outbox", (types, &values), analyzed, plans);
        assert!(plan.contains("outbox_pkey") && !plan.contains("Seq Scan on outbox"), "{plan}");
    }
}

/// A worker settles the one job that it has done.
#[test]
fn settling_a_job_looks_it_up_by_its_plan() {
    let (plan, holder) = (Uuid::from_u128(1_000_001), Uuid::nil());
    let lease = Lease { id: holder, queue: Queue::PlanJobs(JobKind::Provision) };
    let settled = [Settlement::due(plan, now())];
    let run = |store: &PostgresStore| store.write(|unit| unit.queue().settle(lease, &settled)).unwrap();
    let types =
        "text, uuid, uuid[], smallint[], timestamptz[], text[], text[], smallint[], timestamptz[], timestamptz[]";
    let moment = now().to_rfc3339();
    let values = format!(
        "'provision', '{holder}', '{{{plan}}}', '{{1}}', '{{{moment}}}', '{{x}}', '{{x}}', '{{NULL}}', '{{NULL}}', '{{NULL}}'"
    );
    for (analyzed, plans) in [(true, "force_generic_plan"), (true, "force_custom_plan"), (false, "force_generic_plan")]
    {
        let (_, plan) = carried_out(run, "UPDATE plan_job", (types, &values), analyzed, plans);
        assert!(plan.contains("Index Scan using plan_job_pkey on plan_job"), "{plan}");
        assert!(!plan.contains("Seq Scan on plan_job"), "{plan}");
    }
}

/// A retirement looks up what a person is told, among the messages of everybody.
#[test]
fn a_retiree_s_messages_are_looked_up_by_license_and_address() {
    let [held, given] = [1, 5].map(|number| LicenseId(Uuid::from_u128(number)));
    let run = |store: &PostgresStore| {
        let license = License::unassigned(held, PLAN, now());
        let license = license.assign(email(1), ActivationKey(Uuid::from_u128(1)), now()).unwrap();
        let erased = store.write(|unit| {
            unit.licenses().add_unassigned(PLAN, &[held], &change())?;
            unit.licenses().save(std::slice::from_ref(&license), &change())?;
            unit.retirement().erase_messages(&[given], &[email(1)])
        });
        erased.unwrap();
    };
    let address = format!("'{{{}}}'", email(1).as_str());
    let values = format!("'{{{given}}}', {address}, '{{x}}', {address}");
    for (analyzed, plans) in [(true, "force_generic_plan"), (true, "force_custom_plan"), (false, "force_generic_plan")]
    {
        let parameters = ("uuid[], text[], text[], text[]", values.as_str());
        let (database, plan) = carried_out(run, "WITH told", parameters, analyzed, plans);
        for index in [
            "outbox_of_license",
            "outbox_of_address",
            "webhook_delivery_of_license",
            "webhook_delivery_of_address",
            "webhook_delivery_of_person",
        ] {
            assert!(plan.contains(index), "{index}: {plan}");
        }
        assert!(!plan.contains("Seq Scan on outbox") && !plan.contains("Seq Scan on webhook_delivery"), "{plan}");
        let left =
            "SELECT (SELECT count(*) FROM outbox) || ' ' || (SELECT count(*) FROM webhook_delivery) AS \"QUERY PLAN\"";
        let left: Vec<Line> = diesel::sql_query(left).load(&mut database.connection()).unwrap();
        // One message and one event are about the license that is given. One message about the license that the person
        // had names them, and so do two events.
        assert_eq!(left[0].text, "99998 99997", "{plan}");
    }
}

/// Versions of licenses stay while there are messages as old about them.
#[test]
fn removing_history_looks_messages_up_by_license() {
    let part = HistoryPart { table: "license", until: now(), after: 0, limit: 10 };
    let run = |store: &PostgresStore| {
        assert_eq!(store.write(|unit| unit.history().remove_superseded(&part, 10)), Ok(0));
    };
    let values = format!("'{}', 0, 10", now().to_rfc3339());
    for (analyzed, plans) in [(true, "force_generic_plan"), (true, "force_custom_plan"), (false, "force_generic_plan")]
    {
        let parameters = ("timestamptz, bigint, bigint", values.as_str());
        let (_, plan) = carried_out(run, "DELETE FROM license_history", parameters, analyzed, plans);
        assert!(plan.contains("outbox_of_license") && !plan.contains("Seq Scan on outbox"), "{plan}");
    }
}
