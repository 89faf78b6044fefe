-- Bulk enrollments that were asked for. parameters is what was asked for, as JSON; results what came of it, as CSV.
CREATE TABLE bulk_enrollment_job (
    uuid TEXT NOT NULL PRIMARY KEY,
    enterprise_customer_uuid TEXT NOT NULL,
    lms_user_id INTEGER,
    parameters TEXT NOT NULL,
    results TEXT,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT;

-- A bulk enrollment is about a customer, and not always about one plan. SQLite cannot take NOT NULL from a column, so another
-- column takes its place.
ALTER TABLE outbox ADD COLUMN optional_plan_uuid TEXT;
UPDATE outbox SET optional_plan_uuid = subscription_plan_uuid;
ALTER TABLE outbox DROP COLUMN subscription_plan_uuid;
ALTER TABLE outbox RENAME COLUMN optional_plan_uuid TO subscription_plan_uuid;
