//! The SQL for SQLite. A write there cannot return rows to a next statement, so the ids of the licenses are in a
//! temporary table.

use std::ops::Range;

use chrono::Utc;

use super::{ACTIVATED, ASSIGNED, LICENSE, NAMES};

/// The server's settings, so that only the statements differ. `synchronous` is a value of
/// `LM_DATABASE__SQLITE_SYNCHRONOUS`.
pub fn settings(synchronous: &str) -> String {
    format!(
        "PRAGMA busy_timeout = 60000; PRAGMA foreign_keys = ON; PRAGMA synchronous = {synchronous};
         PRAGMA cache_size = -8000; PRAGMA temp_store = MEMORY;"
    )
}

/// A random UUID as text.
const NEW_UUID: &str = "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) \
                        || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))";

/// The properties of an event.
const PROPERTIES: &str = "json_object(
    'license_uuid', license.uuid,
    'license_activation_key', license.activation_key,
    'previous_license_uuid', '',
    'assigned_date', strftime('%Y-%m-%dT%H:%M:%SZ', license.assigned_date / 1000000, 'unixepoch'),
    'activation_date',
    coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', license.activation_date / 1000000, 'unixepoch'), ''),
    'assigned_lms_user_id', coalesce(license.lms_user_id, ''),
    'assigned_email', license.user_email,
    'expiration_processed', json(iif(plan.expiration_processed, 'true', 'false')),
    'auto_applied', json(iif(license.auto_applied, 'true', 'false')),
    'enterprise_customer_uuid', agreement.enterprise_customer_uuid,
    'customer_agreement_uuid', agreement.uuid,
    'enterprise_customer_slug', agreement.enterprise_customer_slug,
    'enterprise_customer_name', agreement.enterprise_customer_name
)";

/// The topic and the payload of the message of an assigned license besides the event.
fn assignment() -> (&'static str, String) {
    let payload = "json_object('email', license.user_email, 'activation_key', license.activation_key,
                               'mail', json('true'), 'greeting', '', 'closing', '')";
    ("assignment", payload.to_owned())
}

/// The topic and the payload of the message of an activated license besides the event.
fn activation() -> (&'static str, String) {
    let payload = "json_object('email', license.user_email, 'lms_user_id', license.lms_user_id, 'mail', json('true'))";
    ("activation", payload.to_owned())
}

pub fn assign(plan: &str, emails: &[String]) -> String {
    let (now, number) = (Utc::now().timestamp_micros(), emails.len());
    let emails = serde_json::to_string(emails).expect("texts are JSON");
    write_licenses(
        now,
        &format!(
            "CREATE TEMP TABLE chosen (place INTEGER PRIMARY KEY, uuid TEXT NOT NULL, email TEXT);
             INSERT INTO chosen (uuid)
             SELECT uuid FROM license
             WHERE subscription_plan_uuid = '{plan}' AND status = 'unassigned'
             ORDER BY uuid LIMIT {number};
             UPDATE chosen SET email = learner.value
             FROM json_each('{emails}') AS learner WHERE chosen.place = learner.key + 1;"
        ),
        &format!(
            "status = 'assigned', user_email = chosen.email, activation_key = {NEW_UUID}, assigned_date = {now},
             modified = {now}"
        ),
        ASSIGNED,
        assignment(),
    )
}

pub fn activate(key: &str, user_id: i64) -> String {
    let now = Utc::now().timestamp_micros();
    write_licenses(
        now,
        &format!(
            "CREATE TEMP TABLE chosen AS
             SELECT uuid FROM license WHERE activation_key = '{key}' AND status = 'assigned';"
        ),
        &format!("status = 'activated', lms_user_id = {user_id}, activation_date = {now}, modified = {now}"),
        ACTIVATED,
        activation(),
    )
}

pub fn provision(plan: &str, licenses: usize) -> String {
    let now = Utc::now().timestamp_micros();
    format!(
        "BEGIN IMMEDIATE;
         CREATE TEMP TABLE chosen AS
         WITH RECURSIVE counted (number) AS (
             SELECT 1 UNION ALL SELECT number + 1 FROM counted WHERE number < {licenses}
         )
         SELECT {NEW_UUID} AS uuid FROM counted;
         INSERT INTO license (uuid, subscription_plan_uuid, status, created, modified)
         SELECT uuid, '{plan}', 'unassigned', {now}, {now} FROM chosen ORDER BY uuid;
         INSERT INTO license_history (history_date, history_user, history_type, {LICENSE})
         SELECT {now}, 'database-admin', '+', license.*
         FROM (SELECT uuid FROM chosen ORDER BY uuid) AS chosen CROSS JOIN license USING (uuid);
         DROP TABLE chosen;
         COMMIT;"
    )
}

/// Updates licenses and writes their history and two messages each: the event and another one. `choose` creates the
/// table `chosen` with their ids.
fn write_licenses(now: i64, choose: &str, changes: &str, event: &str, other: (&str, String)) -> String {
    let (other_topic, other_payload) = other;
    format!(
        "BEGIN IMMEDIATE;
         {choose}
         UPDATE license SET {changes} FROM chosen WHERE license.uuid = chosen.uuid;
         INSERT INTO license_history (history_date, history_user, history_type, {LICENSE})
         SELECT {now}, 'database-admin', '~', license.* FROM chosen CROSS JOIN license USING (uuid);
         INSERT INTO outbox
             (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload, created,
              not_before, lane, lanes)
         SELECT {NEW_UUID}, message.topic, license.uuid, plan.uuid, agreement.enterprise_customer_uuid,
                CASE message.topic WHEN 'license_event' THEN json_object(
                    'event', '{event}',
                    'properties', {PROPERTIES}
                ) ELSE {other_payload} END,
                {now}, {now},
                CASE message.topic WHEN 'license_event' THEN 'events' WHEN 'assignment' THEN 'lms' ELSE 'mail' END,
                CASE message.topic WHEN 'license_event' THEN 'events' WHEN 'assignment' THEN 'lms mail' ELSE 'mail mail' END
         FROM chosen
         CROSS JOIN license ON license.uuid = chosen.uuid
         CROSS JOIN subscription_plan AS plan ON plan.uuid = license.subscription_plan_uuid
         CROSS JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
         CROSS JOIN (SELECT 'license_event' AS topic UNION ALL SELECT '{other_topic}') AS message;
         DROP TABLE chosen;
         COMMIT;"
    )
}

/// Adds these licenses of `licenses`, every second one assigned, each with a version in the history. Their ids are in the
/// order of time, as the server's are.
pub fn fill(plan: &str, numbers: Range<usize>, licenses: usize) -> String {
    let (first, last, now) = (numbers.start, numbers.end - 1, Utc::now());
    let (began, now) = (now.timestamp_millis() - licenses as i64, now.timestamp_micros());
    let names = serde_json::to_string(&NAMES[..]).expect("texts are JSON");
    format!(
        "BEGIN IMMEDIATE;
         CREATE TEMP TABLE planned AS
         WITH RECURSIVE counted (number) AS (
             SELECT {first} UNION ALL SELECT number + 1 FROM counted WHERE number < {last}
         )
         SELECT number,
                printf('%08x-%04x-7', ({began} + number) >> 16, ({began} + number) & 65535)
                || substr({NEW_UUID}, 16) AS uuid,
                CASE WHEN number % 2 = 1 THEN 'unassigned' WHEN number % 20 < 10 THEN 'assigned'
                     WHEN number % 20 < 18 THEN 'activated' ELSE 'revoked' END AS status
         FROM counted;
         INSERT INTO license (uuid, subscription_plan_uuid, status, user_email, activation_key, assigned_date,
                              activation_date, last_remind_date, revoked_date, created, modified)
         SELECT uuid, '{plan}', status,
                CASE WHEN status <> 'unassigned' THEN
                    'learner' || number || '.' || ('{names}' ->> (number / 20 % 50))
                    || '@company' || (number % 97) || '.example.com' END,
                CASE WHEN status <> 'unassigned' THEN {NEW_UUID} END,
                CASE WHEN status <> 'unassigned' THEN {now} END,
                CASE WHEN status IN ('activated', 'revoked') THEN {now} - number * 7919 % 1000003 * 1000000 END,
                CASE WHEN status <> 'unassigned' AND number % 3 > 0 THEN {now} - number % 10007 * 1000000 END,
                CASE WHEN status = 'revoked' THEN {now} END,
                {now}, {now}
         FROM planned;
         INSERT INTO license_history (history_date, history_user, history_type, {LICENSE})
         SELECT modified, 'database-admin', '+', license.*
         FROM (SELECT uuid FROM planned) AS planned CROSS JOIN license USING (uuid);
         DROP TABLE planned;
         COMMIT;"
    )
}
