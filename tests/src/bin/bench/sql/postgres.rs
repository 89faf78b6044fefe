//! The SQL for Postgres: each write is one statement.

use std::ops::Range;

use chrono::Utc;

use super::{ACTIVATED, ASSIGNED, LICENSE, NAMES};

/// The properties of an event.
const PROPERTIES: &str = "json_build_object(
    'license_uuid', changed.uuid,
    'license_activation_key', changed.activation_key,
    'previous_license_uuid', '',
    'assigned_date', to_char(changed.assigned_date AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
    'activation_date',
    coalesce(to_char(changed.activation_date AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), ''),
    'assigned_lms_user_id', coalesce(changed.lms_user_id::text, ''),
    'assigned_email', changed.user_email,
    'expiration_processed', plan.expiration_processed,
    'auto_applied', coalesce(changed.auto_applied, false),
    'enterprise_customer_uuid', agreement.enterprise_customer_uuid,
    'customer_agreement_uuid', agreement.uuid,
    'enterprise_customer_slug', agreement.enterprise_customer_slug,
    'enterprise_customer_name', agreement.enterprise_customer_name
)";

/// The messages of an assigned license besides the event.
fn assignment() -> String {
    "('assignment', json_build_object(
        'email', changed.user_email, 'activation_key', changed.activation_key, 'mail', true,
        'greeting', '', 'closing', ''
    ))"
    .to_owned()
}

/// The messages of an activated license besides the event.
const ACTIVATION: &str = "('activation', json_build_object(
    'email', changed.user_email, 'lms_user_id', changed.lms_user_id, 'mail', true
))";

pub fn assign(plan: &str, emails: &[String]) -> String {
    let (number, emails) = (emails.len(), emails.join(","));
    write_licenses(
        &format!(
            "UPDATE license
             SET status = 'assigned', user_email = learner.email, activation_key = gen_random_uuid(),
                 assigned_date = now(), modified = now()
             FROM unnest('{{{emails}}}'::text[]) WITH ORDINALITY AS learner (email, place)
             JOIN (
                 SELECT uuid, row_number() OVER (ORDER BY uuid) AS place
                 FROM license
                 WHERE subscription_plan_uuid = '{plan}' AND status = 'unassigned'
                 ORDER BY uuid LIMIT {number}
             ) AS free USING (place)
             WHERE license.uuid = free.uuid"
        ),
        ASSIGNED,
        &assignment(),
    )
}

pub fn activate(key: &str, user_id: i64) -> String {
    write_licenses(
        &format!(
            "UPDATE license
             SET status = 'activated', lms_user_id = {user_id}, activation_date = now(), modified = now()
             WHERE activation_key = '{key}' AND status = 'assigned'"
        ),
        ACTIVATED,
        ACTIVATION,
    )
}

pub fn provision(plan: &str, licenses: usize) -> String {
    format!(
        "BEGIN;
         WITH added AS (
             INSERT INTO license (uuid, subscription_plan_uuid, status, created, modified)
             SELECT gen_random_uuid(), '{plan}', 'unassigned', now(), now() FROM generate_series(1, {licenses})
             RETURNING *
         )
         INSERT INTO license_history (history_date, history_user, history_type, {LICENSE})
         SELECT now(), 'database-admin', '+', {LICENSE} FROM added;
         COMMIT;"
    )
}

/// Updates licenses and writes their history and two messages each: the event and another one.
fn write_licenses(update: &str, event: &str, other_message: &str) -> String {
    format!(
        "BEGIN;
         WITH changed AS (
             {update}
             RETURNING license.*
         ), history AS (
             INSERT INTO license_history (history_date, history_user, history_type, {LICENSE})
             SELECT now(), 'database-admin', '~', {LICENSE} FROM changed
         )
         INSERT INTO outbox
             (uuid, topic, license_uuid, subscription_plan_uuid, enterprise_customer_uuid, payload, created,
              not_before, lane, lanes)
         SELECT gen_random_uuid(), message.topic, changed.uuid, plan.uuid, agreement.enterprise_customer_uuid,
                message.payload, now(), now(),
                CASE message.topic WHEN 'license_event' THEN 'events' WHEN 'assignment' THEN 'lms' ELSE 'mail' END,
                CASE message.topic WHEN 'license_event' THEN 'events' WHEN 'assignment' THEN 'lms mail' ELSE 'mail mail' END
         FROM changed
         JOIN subscription_plan AS plan ON plan.uuid = changed.subscription_plan_uuid
         JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
         CROSS JOIN LATERAL (VALUES
             ('license_event', json_build_object(
                 'event', '{event}',
                 'properties', {PROPERTIES}
             )),
             {other_message}
         ) AS message (topic, payload);
         COMMIT;"
    )
}

/// Adds these licenses of `licenses`, every second one assigned, each with a version in the history. Their ids are in the
/// order of time, as the server's are.
pub fn fill(plan: &str, numbers: Range<usize>, licenses: usize) -> String {
    let names = NAMES.join(",");
    let (first, last, began) = (numbers.start, numbers.end - 1, Utc::now().timestamp_millis() - licenses as i64);
    format!(
        "BEGIN;
         WITH planned AS (
             SELECT number, CASE WHEN number % 2 = 1 THEN 'unassigned' WHEN number % 20 < 10 THEN 'assigned'
                                 WHEN number % 20 < 18 THEN 'activated' ELSE 'revoked' END AS status
             FROM generate_series({first}::bigint, {last}) AS number
         ), added AS (
             INSERT INTO license (uuid, subscription_plan_uuid, status, user_email, activation_key, assigned_date,
                                  activation_date, last_remind_date, revoked_date, created, modified)
             SELECT (lpad(to_hex({began} + number), 12, '0') || '7' || substr(gen_random_uuid()::text, 16, 3)
                     || substr(gen_random_uuid()::text, 20))::uuid,
                    '{plan}', status,
                    CASE WHEN status <> 'unassigned' THEN
                        'learner' || number || '.' || (string_to_array('{names}', ','))[number / 20 % 50 + 1]
                        || '@company' || (number % 97) || '.example.com' END,
                    CASE WHEN status <> 'unassigned' THEN gen_random_uuid() END,
                    CASE WHEN status <> 'unassigned' THEN now() END,
                    CASE WHEN status IN ('activated', 'revoked')
                        THEN now() - number * 7919 % 1000003 * interval '1 s' END,
                    CASE WHEN status <> 'unassigned' AND number % 3 > 0
                        THEN now() - number % 10007 * interval '1 s' END,
                    CASE WHEN status = 'revoked' THEN now() END,
                    now(), now()
             FROM planned
             RETURNING *
         )
         INSERT INTO license_history (history_date, history_user, history_type, {LICENSE})
         SELECT modified, 'database-admin', '+', {LICENSE} FROM added;
         COMMIT;"
    )
}
