//! Writes agreements, plans and licenses directly to the database, in a few statements.

use chrono::{DateTime, Duration, Utc};
use license_manager_tests::Database;

/// The number of customers.
const CUSTOMERS: i64 = 10;

/// The number of plans for this many licenses.
pub fn plans(licenses: i64) -> i64 {
    licenses / 1_000
}

/// The customers' ids.
pub fn customers() -> Vec<String> {
    (0..CUSTOMERS).map(|number| format!("c0000000-0000-4000-8000-{number:012x}")).collect()
}

/// The SQL dialect of a database.
struct Dialect {
    sqlite: bool,
}

impl Dialect {
    /// A UUID that starts with this letter, from a number computed in SQL.
    fn uuid(&self, letter: char, number: &str) -> String {
        match self.sqlite {
            true => format!("printf('{letter}0000000-0000-4000-8000-%012x', {number})"),
            false => format!("('{letter}0000000-0000-4000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"),
        }
    }

    fn random_uuid(&self) -> &'static str {
        match self.sqlite {
            true => {
                "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) \
                 || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))"
            }
            false => "gen_random_uuid()",
        }
    }

    fn moment(&self, moment: DateTime<Utc>) -> String {
        match self.sqlite {
            true => moment.timestamp_micros().to_string(),
            false => format!("'{}'::timestamptz", moment.to_rfc3339()),
        }
    }
}

/// Of ten plans, the first expired an hour ago; the second expired 100 days ago and is processed; the third is renewed
/// in two hours; the fourth has auto-applied for ten days. Of ten licenses of a plan, five are activated, one of them
/// long ago, three are assigned, and two are unassigned. Half of the agreements have auto-scaling.
pub fn fill(database: &Database, licenses: i64) {
    let dialect = Dialect { sqlite: database.url().starts_with("sqlite:") };
    let now = Utc::now();
    let at = |hours: i64| dialect.moment(now + Duration::hours(hours));
    let numbers = |number: i64| {
        format!("WITH RECURSIVE g (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM g WHERE n < {} - 1)", number)
    };
    let plans = plans(licenses);
    let [start, made] = [at(-24 * 400), at(-24 * 400)];
    database.execute(&format!(
        "INSERT INTO customer_agreement (uuid, enterprise_customer_uuid, enterprise_customer_slug,
             disable_expiration_notifications, disable_onboarding_notifications, license_duration_before_purge_seconds,
             enable_auto_applied_subscriptions_with_universal_link, enable_auto_scaling_of_current_plan,
             auto_scaling_max_licenses, auto_scaling_threshold_percentage, auto_scaling_increment_percentage,
             created, modified)
         {} SELECT {}, {}, 'customer-' || n, false, false, 7776000, false, n % 2 = 0, 2000, 70, 10, {made}, {made} FROM g",
        numbers(CUSTOMERS),
        dialect.uuid('a', "n"),
        dialect.uuid('c', "n"),
    ));
    let plan_columns = "uuid, title, start_date, expiration_date, expiration_processed, enterprise_catalog_uuid,
        customer_agreement_uuid, is_active, is_revocation_cap_enabled, revoke_max_percentage, num_revocations_applied,
        product_id, for_internal_use_only, can_freeze_unused_licenses, should_auto_apply_licenses, created, modified";
    database.execute(&format!(
        "INSERT INTO subscription_plan ({plan_columns})
         {} SELECT {}, 'Plan ' || n, {start},
                CASE n % 10 WHEN 0 THEN {} WHEN 1 THEN {} ELSE {} END, n % 10 = 1, {}, {}, true, false, 5, 0, 1, false,
                false, n % 10 = 3, {made}, {made}
         FROM g",
        numbers(plans),
        dialect.uuid('b', "n"),
        at(-1),
        at(-24 * 100),
        at(24 * 100),
        dialect.uuid('d', "n % 7"),
        dialect.uuid('a', &format!("n % {CUSTOMERS}")),
    ));
    database.execute(&format!(
        "INSERT INTO subscription_plan_history (history_date, history_type, {plan_columns})
         SELECT {}, '+', {plan_columns} FROM subscription_plan",
        at(-24 * 10)
    ));
    database.execute(&format!(
        "INSERT INTO subscription_plan_renewal (prior_subscription_plan_uuid, number_of_licenses, effective_date,
             renewed_expiration_date, processed, license_types_to_copy, disable_auto_apply_licenses,
             exempt_from_batch_processing, created, modified)
         SELECT uuid, 1000, {}, {}, false, 'assigned_and_activated', false, false, {made}, {made}
         FROM subscription_plan WHERE title LIKE '%2'",
        at(2),
        at(24 * 400)
    ));
    let license_columns =
        "uuid, subscription_plan_uuid, status, user_email, lms_user_id, activation_key, assigned_date,
        activation_date, created, modified";
    let handed_out = |value: &str| format!("CASE WHEN n / {plans} % 10 < 8 THEN {value} END");
    let activated = |value: &str| format!("CASE WHEN n / {plans} % 10 < 5 THEN {value} END");
    database.execute(&format!(
        "INSERT INTO license ({license_columns})
         {} SELECT {}, {}, CASE WHEN n / {plans} % 10 < 5 THEN 'activated' WHEN n / {plans} % 10 < 8 THEN 'assigned'
                ELSE 'unassigned' END,
                {}, {}, {}, {}, {}, {made}, {made}
         FROM g",
        numbers(licenses),
        dialect.random_uuid(),
        dialect.uuid('b', &format!("n % {plans}")),
        handed_out("'learner' || n || '@example.com'"),
        activated("n"),
        handed_out(dialect.random_uuid()),
        handed_out(&at(-24 * 30)),
        activated(&format!("CASE n / {plans} % 10 WHEN 0 THEN {} ELSE {} END", at(-24 * 200), at(-24 * 20))),
    ));
    database.execute(&format!(
        "INSERT INTO license_history (history_date, history_type, {license_columns})
         SELECT {made}, '+', {license_columns} FROM license"
    ));
    if !dialect.sqlite {
        database.execute("ANALYZE");
    }
}
