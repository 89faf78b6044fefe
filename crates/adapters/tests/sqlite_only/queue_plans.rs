//! Claims from long queues in SQLite.

use chrono::Duration;
use diesel::connection::SimpleConnection;
use license_manager_domain::model::JobKind;
use license_manager_domain::ports::{HistoryPart, StoreExt};
use license_manager_domain::queue::{Claim, Lease, Queue, Settlement};
use license_manager_domain::{LicenseId, LmsUserId, WebhookId};
use uuid::Uuid;

use crate::{Watched, plans_of, plans_of_some, stranger};
use license_manager_contract::fixtures::{day, email};

/// 100,000 rows of each table, each about another license and person. Ten of each are due. Of the messages, one of these
/// waits for an earlier row that is not due; of the events for a webhook three: by license, by address and by account.
/// Of the jobs, nine are due.
fn fill(watched: &Watched) {
    let now = day(2).timestamp_micros();
    let numbers = "WITH RECURSIVE numbers (number) AS
                       (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 100000)";
    let id = |number: &str| format!("'00000000-0000-4000-8000-' || printf('%012x', {number})");
    let (own, license, webhook) = (id("number"), id("iif(number = 100000, 1, number)"), id("7"));
    let person = "json_object('properties', json_object(
                      'assigned_email', iif(number = 99999, 1, number) || '@example.com',
                      'assigned_lms_user_id', iif(number = 99998, 1, number)))";
    let due = |first: u32| format!("iif(number > {first}, {now}, {now} + 3600000000)");
    let (ten, nine) = (due(99_990), due(99_991));
    let fill = format!(
        "PRAGMA foreign_keys = OFF;
         INSERT INTO outbox (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload, created,
                             lane, lanes, not_before)
         {numbers} SELECT {own}, 'reminder', {license}, {license}, {license},
                          json_object('email', number || '@example.com'), {now}, 'mail', 'mail', {ten} FROM numbers;

         INSERT INTO webhook (uuid, url, secret, event_types, is_active, created, modified)
         VALUES ({webhook}, 'https://hooks.example.com/', '', '[]', true, {now}, {now});
         INSERT INTO webhook_delivery (webhook_uuid, uuid, event_type, license_uuid, payload, created, due_since, not_before)
         {numbers} SELECT {webhook}, {own}, 'event', {license}, {person}, {now}, {now}, {ten} FROM numbers;

         INSERT INTO plan_job (subscription_plan_uuid, kind, requested_at, not_before)
         {numbers} SELECT {own}, 'provision', {now}, {nine} FROM numbers"
    );
    stranger(&watched.store).batch_execute(&fill).unwrap();
}

/// The index that says what is due, with what is looked up in it, and those that say whether it is a row's turn.
fn assert_reads_what_is_due(queue: Queue, due: &str, in_turn: &[&str]) {
    for analyzed in [false, true] {
        let watched = Watched::new();
        fill(&watched);
        if analyzed {
            stranger(&watched.store).batch_execute("ANALYZE").unwrap();
        }
        let lease = Lease { id: Uuid::from_u128(1), queue };
        let claim = Claim { lease, now: day(2), until: day(2) + Duration::hours(2), limit: 50 };
        let plan = plans_of(&watched, || match queue {
            Queue::PlanJobs(_) => {
                assert!(watched.store.write(|unit| unit.queue().claim_job(&claim)).unwrap().is_some());
            }
            _ => {
                let claimed = watched.store.write(|unit| unit.queue().claim(&claim)).unwrap();
                let claimable = if matches!(queue, Queue::Webhook(_)) { 7 } else { 9 };
                assert_eq!(claimed.len(), claimable, "the others wait for their turn");
            }
        });
        let due = format!("SEARCH waiting USING INDEX {due} AND not_before<?)");
        assert!(plan.iter().any(|step| step.contains(&due)), "{plan:#?}");
        for index in in_turn {
            let looked_up = format!("INDEX {index} (");
            let is_looked_up = |step: &String| step.starts_with("SEARCH earlier") && step.contains(&looked_up);
            assert!(plan.iter().any(is_looked_up), "{index}: {plan:#?}");
        }
        let scans =
            |step: &&String| step.starts_with("SCAN") && !step.contains("json_each") && !step.contains("VIRTUAL");
        assert_eq!(plan.iter().find(scans), None, "{plan:#?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE FOR ORDER BY")), "{plan:#?}");
    }
}

#[test]
fn a_claim_from_a_hundred_thousand_messages_reads_only_due_ones() {
    assert_reads_what_is_due(Queue::Mail, "outbox_due (lane=?", &["outbox_of_license"]);
}

#[test]
fn a_claim_from_a_hundred_thousand_events_for_a_webhook_reads_only_due_ones() {
    let webhook = Uuid::parse_str("00000000-0000-4000-8000-000000000007").unwrap();
    let queue = Queue::Webhook(WebhookId(webhook));
    let in_turn = ["webhook_delivery_in_turn", "webhook_delivery_of_address", "webhook_delivery_of_account"];
    assert_reads_what_is_due(queue, "webhook_delivery_due (webhook_uuid=?", &in_turn);
}

#[test]
fn a_claim_from_a_hundred_thousand_jobs_reads_only_due_ones() {
    assert_reads_what_is_due(Queue::PlanJobs(JobKind::Provision), "plan_job_due (kind=?", &[]);
}

/// Settles a row of a queue, and checks that SQLite looks it up by this.
fn assert_settles_by_id(queue: Queue, lookup: &str) {
    for analyzed in [false, true] {
        let watched = Watched::new();
        fill(&watched);
        if analyzed {
            stranger(&watched.store).batch_execute("ANALYZE").unwrap();
        }
        let id = Uuid::parse_str("00000000-0000-4000-8000-00000001869f").unwrap();
        let settlements = [Settlement::due(id, day(3))];
        let lease = Lease { id: Uuid::from_u128(1), queue };
        let plan = plans_of(&watched, || watched.store.write(|unit| unit.queue().settle(lease, &settlements)).unwrap());
        assert!(plan.iter().any(|step| step.starts_with("SEARCH") && step.contains(lookup)), "{plan:#?}");
        let scans =
            |step: &&String| step.starts_with("SCAN") && !step.contains("VIRTUAL") && !step.contains("json_each");
        assert_eq!(plan.iter().find(scans), None, "{plan:#?}");
    }
}

#[test]
fn work_is_settled_by_its_id() {
    let webhook = Uuid::parse_str("00000000-0000-4000-8000-000000000007").unwrap();
    assert_settles_by_id(Queue::Mail, "(uuid=?)");
    assert_settles_by_id(Queue::Webhook(WebhookId(webhook)), "webhook_uuid=? AND uuid=?)");
    assert_settles_by_id(Queue::PlanJobs(JobKind::Provision), "subscription_plan_uuid=?");
}

/// A retirement looks up what a person is told, among the messages of everybody.
#[test]
fn a_retiree_s_messages_are_looked_up_by_license_and_address() {
    let watched = Watched::new();
    fill(&watched);
    let license = LicenseId(Uuid::parse_str("00000000-0000-4000-8000-000000000005").unwrap());
    let gone = [email("1@example.com")];
    let steps = plans_of_some(&watched, &["DELETE"], || {
        let erased = watched.store.write(|unit| {
            unit.retirement().erase_messages(&[license], &gone)?;
            unit.retirement().erase_requester(LmsUserId(1))?;
            unit.purge().erase_traces(&[license], &gone)
        });
        erased.unwrap();
    });
    for index in [
        "outbox_of_license (license_uuid=?)",
        "outbox_parked_of_license (license_uuid=?)",
        "outbox_of_address (<expr>=?)",
        "outbox_custom",
        "outbox_of_results",
        "license_history_by_email (user_email=?)",
        "webhook_delivery_of_license (license_uuid=?)",
        "webhook_delivery_of_address (<expr>=?)",
        "webhook_delivery_of_person (<expr>=?)",
    ] {
        assert!(steps.iter().any(|step| step.contains(index)), "{index}: {steps:#?}");
    }
    // An index of few messages may be read as a whole.
    let scans =
        |step: &&String| ["SCAN outbox", "SCAN webhook_delivery", "SCAN license_history"].contains(&step.as_str());
    assert_eq!(steps.iter().find(scans), None, "{steps:#?}");
}

/// Versions of licenses stay while there are messages as old about them.
#[test]
fn removing_history_looks_messages_up_by_license() {
    let watched = Watched::new();
    fill(&watched);
    let part = HistoryPart { table: "license", until: day(2), after: 0, limit: 10 };
    let reads = plans_of(&watched, || {
        watched.store.read(|unit| unit.history().superseded(&part)).unwrap();
    });
    let writes = plans_of_some(&watched, &["DELETE"], || {
        assert_eq!(watched.store.write(|unit| unit.history().remove_superseded(&part, 10)), Ok(0));
    });
    for steps in [reads, writes] {
        for index in ["outbox_of_license (license_uuid=?)", "outbox_parked_of_license (license_uuid=?)"] {
            assert!(steps.iter().any(|step| step.contains(index)), "{index}: {steps:#?}");
        }
        assert!(!steps.iter().any(|step| step == "SCAN outbox"), "{steps:#?}");
    }
}
