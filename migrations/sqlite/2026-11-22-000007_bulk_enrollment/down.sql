DELETE FROM outbox WHERE topic = 'bulk_enrollment';
-- SQLite adds a column that is NOT NULL only with a default.
ALTER TABLE outbox ADD COLUMN required_plan_uuid TEXT NOT NULL DEFAULT '';
UPDATE outbox SET required_plan_uuid = subscription_plan_uuid;
ALTER TABLE outbox DROP COLUMN subscription_plan_uuid;
ALTER TABLE outbox RENAME COLUMN required_plan_uuid TO subscription_plan_uuid;
DROP TABLE bulk_enrollment_job;
