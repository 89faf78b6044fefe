//! The checks.

use license_manager_domain::model::JobKind;
use license_manager_domain::queue::Queue;

use super::{Limits, history};
use crate::rows::queue::names;

/// A rule that holds between any two transactions.
pub(super) struct Invariant {
    /// Its name on the command line's output.
    pub(super) name: &'static str,
    /// What it says, as a sentence.
    pub(super) meaning: &'static str,
    pub(super) find: Find,
}

/// How violations are found. Statements return the column `id`, one row for each violation.
pub(super) enum Find {
    /// A statement that runs on both databases.
    Rows(fn(Limits) -> String),
    /// A statement for each database.
    RowsOf { sqlite: &'static str, postgres: &'static str },
    /// Foreign keys.
    References,
    /// Messages, which code reads.
    Messages,
}

/// A statement without limits.
macro_rules! rows {
    ($statement:expr) => {
        Find::Rows(|_| $statement.to_owned())
    };
}

pub(super) const INVARIANTS: &[Invariant] = &[
    Invariant {
        name: "storage",
        meaning: "The database finds no damage in its own structure.",
        find: Find::RowsOf {
            sqlite: "SELECT integrity_check AS id FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
            postgres: "SELECT indexrelid::regclass::text AS id FROM pg_index
                       JOIN pg_class ON pg_class.oid = indexrelid
                       WHERE relnamespace = current_schema()::regnamespace AND NOT (indisvalid AND indisready)
                       UNION ALL
                       SELECT conrelid::regclass || ' ' || conname FROM pg_constraint
                       WHERE connamespace = current_schema()::regnamespace AND NOT convalidated",
        },
    },
    Invariant {
        name: "schema",
        meaning: "The index that keeps live licenses apart and the triggers that count licenses are there.",
        find: Find::RowsOf {
            sqlite: "SELECT column1 AS id
                     FROM (VALUES ('license_one_live_per_email'), ('license_history_counts_seats'),
                                  ('license_history_counts_former_seats'), ('license_history_counts_activations'),
                                  ('seat_change_changes_total'), ('seat_change_leaves_total'))
                     WHERE column1 NOT IN (SELECT name FROM sqlite_master WHERE type IN ('index', 'trigger'))",
            postgres: "SELECT needed.name AS id
                       FROM (VALUES ('license_one_live_per_email'), ('license_history_counts_seats'),
                                    ('seat_change_changes_total'), ('seat_change_leaves_total')) AS needed (name)
                       WHERE NOT EXISTS (SELECT 1 FROM pg_indexes
                                         WHERE schemaname = current_schema() AND indexname = needed.name)
                         AND NOT EXISTS (SELECT 1 FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
                                         WHERE relnamespace = current_schema()::regnamespace
                                           AND tgname = needed.name AND tgenabled <> 'D')",
        },
    },
    Invariant {
        name: "references",
        meaning: "Every row that another row refers to is there.",
        find: Find::References,
    },
    Invariant {
        name: "license-states",
        meaning: "Every license has the fields that its state needs, and no others.",
        find: rows!(LICENSE_STATES),
    },
    Invariant {
        name: "one-live-license",
        meaning: "An email has at most one live license of a plan.",
        find: rows!(
            "SELECT CAST(license.uuid AS text) AS id
             FROM license
             JOIN (SELECT subscription_plan_uuid, lower(user_email) AS email FROM license
                   WHERE status IN ('assigned', 'activated')
                   GROUP BY subscription_plan_uuid, lower(user_email) HAVING count(*) > 1) AS held_twice
                 ON held_twice.subscription_plan_uuid = license.subscription_plan_uuid
                AND held_twice.email = lower(license.user_email)
             WHERE license.status IN ('assigned', 'activated')"
        ),
    },
    Invariant {
        name: "plan-sizes",
        meaning: "A plan that is not for internal use keeps to the most licenses that a plan may have.",
        find: Find::Rows(|limits| {
            let most = limits.licenses_per_plan;
            format!(
                "SELECT CAST(uuid AS text) AS id FROM subscription_plan AS plan
                 WHERE NOT for_internal_use_only
                   AND (desired_num_licenses > {most}
                        OR (SELECT count(*) FROM license
                            WHERE subscription_plan_uuid = plan.uuid AND status <> 'revoked') > {most})"
            )
        }),
    },
    Invariant {
        name: "plan-periods",
        meaning: "Every plan expires after it starts, and every renewal after it takes effect.",
        find: rows!(
            "SELECT 'plan ' || CAST(uuid AS text) AS id FROM subscription_plan WHERE expiration_date <= start_date
             UNION ALL
             SELECT 'renewal ' || CAST(id AS text) FROM subscription_plan_renewal
             WHERE renewed_expiration_date <= effective_date"
        ),
    },
    Invariant {
        name: "renewals",
        meaning: "A renewal joins two plans of one agreement, and has a future plan and a time once it is processed.",
        find: rows!(
            "SELECT CAST(renewal.id AS text) AS id
             FROM subscription_plan_renewal AS renewal
             JOIN subscription_plan AS prior ON prior.uuid = renewal.prior_subscription_plan_uuid
             LEFT JOIN subscription_plan AS next ON next.uuid = renewal.renewed_subscription_plan_uuid
             WHERE next.customer_agreement_uuid <> prior.customer_agreement_uuid
                OR prior.uuid = next.uuid
                OR (renewal.processed AND (next.uuid IS NULL OR renewal.processed_datetime IS NULL))"
        ),
    },
    Invariant {
        name: "renewed-licenses",
        meaning: "A license that was renewed points to a license of the plan that its plan was renewed with.",
        find: rows!(RENEWED_LICENSES),
    },
    Invariant {
        name: "transfers",
        meaning: "A transfer job moves licenses between two plans of its agreement.",
        find: rows!(
            "SELECT CAST(job.id AS text) AS id
             FROM license_transfer_job AS job
             JOIN subscription_plan AS plan ON plan.uuid IN (job.old_subscription_plan_uuid, job.new_subscription_plan_uuid)
             WHERE plan.customer_agreement_uuid <> job.customer_agreement_uuid
             GROUP BY job.id"
        ),
    },
    Invariant {
        name: "missing-licenses",
        meaning: "A plan that was not frozen or transferred from has its desired number of licenses, or a job adds them.",
        find: rows!(
            "SELECT CAST(plan.uuid AS text) AS id FROM subscription_plan AS plan
             WHERE desired_num_licenses > (SELECT count(*) FROM license
                                           WHERE subscription_plan_uuid = plan.uuid
                                             -- Licenses whose time is over are revoked without a replacement.
                                             AND (status <> 'revoked' OR user_email IS NULL))
               AND last_freeze_timestamp IS NULL
               AND NOT EXISTS (SELECT 1 FROM plan_job
                               WHERE subscription_plan_uuid = plan.uuid AND kind = 'provision')
               AND NOT EXISTS (SELECT 1 FROM license_transfer_job
                               WHERE old_subscription_plan_uuid = plan.uuid AND completed_at IS NOT NULL)"
        ),
    },
    Invariant {
        name: "history-end",
        meaning: "The newest version of every row is the row. What was deleted ends with its deletion.",
        find: Find::Rows(|_| history::not_ending_in_the_row()),
    },
    Invariant {
        name: "history-order",
        meaning: "A row is created once, then changed, then deleted.",
        find: Find::Rows(|_| history::out_of_order()),
    },
    Invariant {
        name: "seat-counts",
        meaning: "The counts of a plan's licenses by state equal a recount, and the sums of its counts by day.",
        find: rows!(SEAT_COUNTS),
    },
    Invariant {
        name: "searched-addresses",
        meaning: "The search index is there, on Postgres if it has pg_trgm, and has the addresses of licenses and no others.",
        find: Find::RowsOf {
            sqlite: "SELECT uuid AS id FROM license
                     WHERE user_email IS NOT NULL AND user_email NOT IN (SELECT email FROM license_address)
                     UNION ALL
                     SELECT 'address ' || id FROM license_address
                     WHERE email NOT IN (SELECT user_email FROM license WHERE user_email IS NOT NULL)",
            postgres: "SELECT extname::text AS id FROM pg_extension
                       WHERE extname = 'pg_trgm'
                         AND NOT EXISTS (SELECT 1 FROM pg_indexes
                                         WHERE schemaname = current_schema() AND indexname = 'license_search')",
        },
    },
    Invariant {
        name: "activation-counts",
        meaning: "The counts of a plan's activations equal a recount, as long as no history was removed.",
        find: rows!(ACTIVATION_COUNTS),
    },
    Invariant {
        name: "messages",
        meaning: "Every message that is owed can be read, waits in a queue, and asks for something that is there.",
        find: Find::Messages,
    },
    Invariant {
        name: "mail-words",
        meaning: "The words of an admin go with the last message that has them.",
        find: rows!(
            "SELECT CAST(uuid AS text) AS id FROM outbox_words
             WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.words_uuid = outbox_words.uuid)"
        ),
    },
    Invariant {
        name: "webhook-events",
        meaning: "An event for a webhook waits, was delivered at a time, or is a dead letter.",
        find: rows!(
            "SELECT 'webhook ' || CAST(webhook_uuid AS text) || ' event ' || CAST(uuid AS text) AS id
             FROM webhook_delivery
             WHERE state NOT IN ('waiting', 'delivered', 'parked')
                OR (state = 'delivered') <> (delivered_at IS NOT NULL)"
        ),
    },
    Invariant {
        name: "plan-jobs",
        meaning: "Every job on a plan is one that a server does.",
        find: Find::Rows(|_| {
            let known = names(JobKind::ALL.map(Queue::PlanJobs));
            format!(
                "SELECT CAST(subscription_plan_uuid AS text) || ' ' || kind AS id FROM plan_job
                 WHERE kind NOT IN (VALUES {known})"
            )
        }),
    },
    Invariant {
        name: "enrollments",
        meaning: "A bulk enrollment is under way or has results.",
        find: rows!(
            "SELECT CAST(uuid AS text) AS id FROM bulk_enrollment_job
             WHERE stage NOT IN ('enrolling', 'filing', 'done', 'filed') OR (stage <> 'enrolling' AND results IS NULL)"
        ),
    },
];

const LICENSE_STATES: &str = "
    SELECT CAST(uuid AS text) AS id FROM license
    WHERE CASE status
        WHEN 'unassigned' THEN user_email IS NOT NULL OR lms_user_id IS NOT NULL OR activation_key IS NOT NULL
                               OR assigned_date IS NOT NULL OR activation_date IS NOT NULL
                               OR last_remind_date IS NOT NULL OR revoked_date IS NOT NULL
        WHEN 'assigned' THEN user_email IS NULL OR activation_key IS NULL OR assigned_date IS NULL
                             OR activation_date IS NOT NULL OR revoked_date IS NOT NULL
        WHEN 'activated' THEN user_email IS NULL OR activation_key IS NULL OR assigned_date IS NULL
                              OR activation_date IS NULL OR revoked_date IS NOT NULL
        WHEN 'revoked' THEN revoked_date IS NULL
        ELSE true
    END";

/// Licenses may have moved to other plans since, and the renewal may be deleted: then the history says where they were.
/// Of a license whose oldest versions were removed that is not known.
const RENEWED_LICENSES: &str = "
    SELECT CAST(original.uuid AS text) AS id
    FROM license AS original JOIN license AS copy ON copy.uuid = original.renewed_to_uuid
    WHERE NOT EXISTS (SELECT 1 FROM subscription_plan_renewal AS renewal
                      WHERE renewal.prior_subscription_plan_uuid = original.subscription_plan_uuid
                        AND renewal.renewed_subscription_plan_uuid = copy.subscription_plan_uuid)
      AND NOT EXISTS (SELECT 1 FROM license_history AS was
                      JOIN subscription_plan_renewal_history AS renewal
                          ON renewal.prior_subscription_plan_uuid = was.subscription_plan_uuid
                      JOIN license_history AS became
                          ON became.subscription_plan_uuid = renewal.renewed_subscription_plan_uuid
                      WHERE was.uuid = original.uuid AND became.uuid = copy.uuid)
      AND EXISTS (SELECT 1 FROM license_history WHERE uuid = original.uuid AND history_type = '+')
      AND EXISTS (SELECT 1 FROM license_history WHERE uuid = copy.uuid AND history_type = '+')";

const SEAT_COUNTS: &str = "
    SELECT CAST(subscription_plan_uuid AS text) AS id
    FROM (SELECT subscription_plan_uuid, unassigned, assigned, activated, revoked FROM seat_count
          UNION ALL
          SELECT subscription_plan_uuid,
                 CASE status WHEN 'unassigned' THEN -1 ELSE 0 END, CASE status WHEN 'assigned' THEN -1 ELSE 0 END,
                 CASE status WHEN 'activated' THEN -1 ELSE 0 END, CASE status WHEN 'revoked' THEN -1 ELSE 0 END
          FROM license) AS counted
    GROUP BY subscription_plan_uuid
    HAVING sum(unassigned) <> 0 OR sum(assigned) <> 0 OR sum(activated) <> 0 OR sum(revoked) <> 0
    UNION
    SELECT CAST(subscription_plan_uuid AS text)
    FROM (SELECT subscription_plan_uuid, unassigned, assigned, activated, revoked FROM seat_count
          UNION ALL
          SELECT subscription_plan_uuid, -unassigned, -assigned, -activated, -revoked FROM seat_change) AS counted
    GROUP BY subscription_plan_uuid
    HAVING sum(unassigned) <> 0 OR sum(assigned) <> 0 OR sum(activated) <> 0 OR sum(revoked) <> 0";

/// The rule of the triggers: carrying over and reverting activate nothing. Of imported history every activation counts,
/// also one before its first version.
const ACTIVATION_COUNTS: &str = "
    SELECT CAST(subscription_plan_uuid AS text) AS id
    FROM (SELECT subscription_plan_uuid, number FROM seat_activation
          UNION ALL
          SELECT subscription_plan_uuid, -1
          FROM (SELECT subscription_plan_uuid, status, activation_date, history_date, renewed_from_uuid,
                       lag(status) OVER versions AS former_status, lag(history_type) OVER versions AS former_type,
                       history_id <= (SELECT last_license_history_id FROM imported_versions)
                           OR history_change_reason = 'import' AND history_user IS NULL AS is_imported
                FROM license_history
                WINDOW versions AS (PARTITION BY uuid ORDER BY history_id)) AS version
          WHERE (status = 'activated' AND former_type <> '-' AND former_status IN ('unassigned', 'assigned')
                 AND (is_imported OR activation_date = history_date))
             OR (former_type IS NULL AND is_imported AND renewed_from_uuid IS NULL
                 AND (status = 'activated' OR activation_date IS NOT NULL))) AS counted
    WHERE NOT EXISTS (SELECT 1 FROM history_retention)
    GROUP BY subscription_plan_uuid
    HAVING sum(number) <> 0";
