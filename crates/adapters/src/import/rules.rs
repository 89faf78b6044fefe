//! What is mended in the temporary tables, where a rule takes more than one row. `docs/MIGRATION.md` explains the
//! rules.

use super::ImportError;
use super::database::Database;

/// The rules that take a license from its holder.
pub(super) const FREEING: [&str; 2] = ["held_twice", "live_without_address"];

/// Applies all rules. Each statement is about whole tables.
pub(super) fn apply<C: Database>(connection: &mut C) -> Result<(), ImportError> {
    for (about, statements) in RULES {
        connection.run(statements).map_err(|error| ImportError::about(about, error))?;
    }
    Ok(())
}

/// The statements, by what they are about, in their order.
const RULES: &[(&str, &str)] = &[
    ("plans without a product", PRODUCTS),
    ("missing dates", DATES),
    ("missing keys", KEYS),
    ("licenses without an address", NO_ADDRESS),
    ("persons with several licenses", HELD_TWICE),
    ("renewed licenses", RENEWED_FROM),
    ("sizes of plans", SIZES),
    ("events that stand twice", EVENTS),
    ("roles that stand twice", ROLES),
    ("notifications", NOTIFICATIONS),
];

const PRODUCTS: &str = "
    INSERT INTO staged_finding
    SELECT 'plan_without_product', 'mended', 'subscription_plan ' || CAST(uuid AS text)
    FROM staged_subscription_plan WHERE product_id IS NULL;

    CREATE TEMPORARY TABLE staged_default_product AS
    SELECT kind.internal_use_only, min(product.id) AS id
    FROM staged_product AS product JOIN staged_plan_type AS kind ON kind.id = product.plan_type_id
    GROUP BY kind.internal_use_only;

    UPDATE staged_subscription_plan SET product_id = coalesce(
        (SELECT id FROM staged_default_product WHERE internal_use_only = for_internal_use_only),
        (SELECT min(id) FROM staged_product))
    WHERE product_id IS NULL;

    UPDATE staged_subscription_plan_history SET product_id = coalesce(
        (SELECT product_id FROM staged_subscription_plan AS plan
         WHERE plan.uuid = staged_subscription_plan_history.uuid),
        (SELECT id FROM staged_default_product WHERE internal_use_only = for_internal_use_only), 0)
    WHERE product_id IS NULL;";

/// The history tells when a license came into its state; where it does not, another date of the license does.
const DATES: &str = "
    CREATE TEMPORARY TABLE staged_dates AS
    SELECT license.uuid,
           min(CASE WHEN version.status IN ('assigned', 'activated') AND version.user_email = license.user_email
               THEN version.history_date END) AS assigned,
           min(CASE WHEN version.status = 'activated' AND version.user_email = license.user_email
               THEN version.history_date END) AS activated,
           min(CASE WHEN version.status = 'revoked' THEN version.history_date END) AS revoked
    FROM staged_license AS license JOIN staged_license_history AS version ON version.uuid = license.uuid
    WHERE (license.status IN ('assigned', 'activated') AND license.assigned_date IS NULL)
       OR (license.status = 'activated' AND license.activation_date IS NULL)
       OR (license.status = 'revoked' AND license.revoked_date IS NULL)
    GROUP BY license.uuid;
    CREATE UNIQUE INDEX staged_dates_by_license ON staged_dates (uuid);

    INSERT INTO staged_finding
    SELECT 'missing_activation_date', 'mended', 'license ' || CAST(uuid AS text)
    FROM staged_license WHERE status = 'activated' AND activation_date IS NULL
    UNION ALL
    SELECT 'missing_assigned_date', 'mended', 'license ' || CAST(uuid AS text)
    FROM staged_license WHERE status IN ('assigned', 'activated') AND assigned_date IS NULL
    UNION ALL
    SELECT 'missing_revoked_date', 'mended', 'license ' || CAST(uuid AS text)
    FROM staged_license WHERE status = 'revoked' AND revoked_date IS NULL;

    UPDATE staged_license SET activation_date = coalesce(
        (SELECT activated FROM staged_dates WHERE staged_dates.uuid = staged_license.uuid), assigned_date, modified)
    WHERE status = 'activated' AND activation_date IS NULL;

    UPDATE staged_license SET assigned_date = coalesce(
        (SELECT assigned FROM staged_dates WHERE staged_dates.uuid = staged_license.uuid),
        activation_date, last_remind_date, modified)
    WHERE status IN ('assigned', 'activated') AND assigned_date IS NULL;

    UPDATE staged_license SET revoked_date = coalesce(
        (SELECT revoked FROM staged_dates WHERE staged_dates.uuid = staged_license.uuid), modified)
    WHERE status = 'revoked' AND revoked_date IS NULL;";

const KEYS: &str = "
    INSERT INTO staged_finding
    SELECT 'missing_activation_key', 'mended', 'license ' || CAST(uuid AS text)
    FROM staged_license WHERE status IN ('assigned', 'activated') AND activation_key IS NULL;

    UPDATE staged_license SET activation_key = $NEW_UUID
    WHERE status IN ('assigned', 'activated') AND activation_key IS NULL;";

const NO_ADDRESS: &str = "
    CREATE TEMPORARY TABLE staged_freed AS
    SELECT uuid, 'live_without_address' AS rule, 'import: the license had no address' AS reason
    FROM staged_license WHERE status IN ('assigned', 'activated') AND user_email IS NULL;";

const HELD_TWICE: &str = "
    INSERT INTO staged_freed
    SELECT uuid, 'held_twice', 'import: the person has another license of the plan'
    FROM (SELECT uuid, row_number() OVER (
              PARTITION BY subscription_plan_uuid, user_email
              ORDER BY CASE status WHEN 'activated' THEN 0 ELSE 1 END, assigned_date DESC, uuid) AS place
          FROM staged_license
          WHERE status IN ('assigned', 'activated') AND user_email IS NOT NULL) AS held
    WHERE place > 1;
    CREATE UNIQUE INDEX staged_freed_by_license ON staged_freed (uuid);

    INSERT INTO staged_finding SELECT rule, 'mended', 'license ' || CAST(uuid AS text) FROM staged_freed;

    UPDATE staged_license
    SET status = 'unassigned', user_email = NULL, lms_user_id = NULL, activation_key = NULL, assigned_date = NULL,
        activation_date = NULL, last_remind_date = NULL, revoked_date = NULL
    WHERE uuid IN (SELECT uuid FROM staged_freed);";

/// A license continues the one that was renewed to it until it loses its holder.
const RENEWED_FROM: &str = "
    CREATE TEMPORARY TABLE staged_renewed AS
    SELECT copy, original, min(since) AS since
    FROM (SELECT renewed_to_uuid AS copy, uuid AS original, history_date AS since
          FROM staged_license_history WHERE renewed_to_uuid IS NOT NULL
          UNION ALL
          SELECT license.renewed_to_uuid, license.uuid, min(version.history_date)
          FROM staged_license AS license JOIN staged_license_history AS version
              ON version.uuid = license.renewed_to_uuid AND version.status <> 'unassigned'
          WHERE license.renewed_to_uuid IS NOT NULL
          GROUP BY license.renewed_to_uuid, license.uuid) AS link
    GROUP BY copy, original;
    CREATE INDEX staged_renewed_by_copy ON staged_renewed (copy);

    CREATE TEMPORARY TABLE staged_lost AS
    SELECT uuid, history_id, history_date FROM staged_license_history
    WHERE status = 'unassigned' AND uuid IN (SELECT copy FROM staged_renewed);
    CREATE INDEX staged_lost_by_license ON staged_lost (uuid, history_id);

    UPDATE staged_license_history SET renewed_from_uuid = (
        SELECT renewed.original FROM staged_renewed AS renewed
        WHERE renewed.copy = staged_license_history.uuid AND renewed.since <= staged_license_history.history_date
            AND NOT EXISTS (
                SELECT 1 FROM staged_lost AS lost
                WHERE lost.uuid = staged_license_history.uuid AND lost.history_date > renewed.since
                    AND lost.history_id < staged_license_history.history_id)
        ORDER BY renewed.since DESC LIMIT 1)
    WHERE status <> 'unassigned' AND uuid IN (SELECT copy FROM staged_renewed);

    CREATE TEMPORARY TABLE staged_newest AS
    SELECT uuid, max(history_id) AS history_id FROM staged_license_history
    WHERE uuid IN (SELECT copy FROM staged_renewed
                   UNION SELECT renewed_to_uuid FROM staged_license WHERE renewed_to_uuid IS NOT NULL)
    GROUP BY uuid;
    CREATE UNIQUE INDEX staged_newest_by_license ON staged_newest (uuid);

    CREATE TEMPORARY TABLE staged_continued AS
    SELECT newest.uuid, version.renewed_from_uuid AS original
    FROM staged_newest AS newest JOIN staged_license_history AS version ON version.history_id = newest.history_id
    WHERE version.status <> 'unassigned'
    UNION ALL
    SELECT renewed_to_uuid, uuid FROM staged_license
    WHERE renewed_to_uuid IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM staged_newest AS newest
        JOIN staged_license_history AS version ON version.history_id = newest.history_id
        WHERE newest.uuid = staged_license.renewed_to_uuid AND version.status <> 'unassigned');
    CREATE INDEX staged_continued_by_license ON staged_continued (uuid);

    UPDATE staged_license SET renewed_from_uuid = (
        SELECT min(CAST(original AS text)) FROM staged_continued
        WHERE staged_continued.uuid = staged_license.uuid)$AS_UUID
    WHERE status <> 'unassigned' AND uuid IN (SELECT uuid FROM staged_continued);";

const SIZES: &str = "
    CREATE TEMPORARY TABLE staged_size AS
    SELECT plan.uuid, count(license.uuid) AS licenses
    FROM staged_subscription_plan AS plan LEFT JOIN staged_license AS license
        ON license.subscription_plan_uuid = plan.uuid AND (license.status <> 'revoked' OR license.user_email IS NULL)
    WHERE plan.desired_num_licenses IS NOT NULL AND plan.last_freeze_timestamp IS NULL
        AND NOT EXISTS (SELECT 1 FROM staged_license_transfer_job AS job
                        WHERE job.old_subscription_plan_uuid = plan.uuid AND job.completed_at IS NOT NULL)
    GROUP BY plan.uuid, plan.desired_num_licenses
    HAVING plan.desired_num_licenses > count(license.uuid);

    INSERT INTO staged_finding
    SELECT 'desired_licenses', 'mended', mended.about
    FROM (SELECT 'subscription_plan ' || CAST(uuid AS text) AS about FROM staged_size) AS mended
    WHERE mended.about NOT IN (SELECT found.about FROM staged_finding AS found WHERE found.rule = 'desired_licenses');

    UPDATE staged_subscription_plan SET desired_num_licenses = (
        SELECT licenses FROM staged_size WHERE staged_size.uuid = staged_subscription_plan.uuid)
    WHERE uuid IN (SELECT uuid FROM staged_size);";

const EVENTS: &str = "
    CREATE TEMPORARY TABLE staged_event_twice AS
    SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY license_uuid, event_name ORDER BY id) AS place
                    FROM staged_license_event) AS event
    WHERE place > 1;

    INSERT INTO staged_finding
    SELECT 'event_twice', 'left', 'license_event ' || CAST(id AS text) FROM staged_event_twice;

    DELETE FROM staged_license_event WHERE id IN (SELECT id FROM staged_event_twice);";

const ROLES: &str = "
    CREATE TEMPORARY TABLE staged_role_twice AS
    SELECT id FROM (SELECT id, row_number() OVER (
                        PARTITION BY username, role, enterprise_customer_uuid ORDER BY id) AS place
                    FROM staged_role_assignment) AS role
    WHERE place > 1;

    INSERT INTO staged_finding
    SELECT 'role_twice', 'left', 'role_assignment ' || CAST(id AS text) FROM staged_role_twice;

    DELETE FROM staged_role_assignment WHERE id IN (SELECT id FROM staged_role_twice);";

/// A notification without a plan belongs to the plan that its customer auto-applied licenses from at that time, as far
/// as that is known. Of several for one admin, plan and kind, the latest counts.
const NOTIFICATIONS: &str = "
    INSERT INTO staged_finding
    SELECT 'notification_without_plan', 'mended', 'notification ' || CAST(id AS text)
    FROM staged_notification WHERE subscription_plan_uuid IS NULL;

    CREATE TEMPORARY TABLE staged_attributed AS
    SELECT id, plan FROM (
        SELECT told.id, plan.uuid AS plan, row_number() OVER (
            PARTITION BY told.id
            ORDER BY CASE WHEN plan.start_date <= told.last_sent THEN 0 ELSE 1 END,
                     CASE WHEN plan.should_auto_apply_licenses THEN 0 ELSE 1 END,
                     plan.start_date DESC, plan.uuid) AS place
        FROM staged_notification AS told
        JOIN staged_customer_agreement AS agreement
            ON agreement.enterprise_customer_uuid = told.enterprise_customer_uuid
        JOIN staged_subscription_plan AS plan ON plan.customer_agreement_uuid = agreement.uuid
        WHERE told.subscription_plan_uuid IS NULL) AS candidate
    WHERE place = 1;
    CREATE INDEX staged_attributed_by_id ON staged_attributed (id);

    UPDATE staged_notification SET subscription_plan_uuid = (
        SELECT plan FROM staged_attributed AS attributed WHERE attributed.id = staged_notification.id)
    WHERE subscription_plan_uuid IS NULL;

    CREATE TEMPORARY TABLE staged_superseded AS
    SELECT id FROM (
        SELECT id, row_number() OVER (
            PARTITION BY subscription_plan_uuid, enterprise_customer_user_id, notification_type
            ORDER BY last_sent DESC, id) AS place
        FROM staged_notification WHERE subscription_plan_uuid IS NOT NULL) AS told
    WHERE place > 1;

    INSERT INTO staged_finding
    SELECT 'notification_twice', 'left', 'notification ' || CAST(id AS text) FROM staged_superseded
    UNION ALL
    SELECT 'notification_of_no_plan', 'left', 'notification ' || CAST(id AS text)
    FROM staged_notification WHERE subscription_plan_uuid IS NULL;

    DELETE FROM staged_notification
    WHERE subscription_plan_uuid IS NULL OR id IN (SELECT id FROM staged_superseded);

    UPDATE staged_notification_history SET subscription_plan_uuid = (
        SELECT own.subscription_plan_uuid FROM staged_notification AS own
        WHERE own.id = staged_notification_history.id)
    WHERE subscription_plan_uuid = $NIL
        AND id IN (SELECT id FROM staged_notification);";
