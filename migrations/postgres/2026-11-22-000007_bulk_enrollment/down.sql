DELETE FROM outbox WHERE topic = 'bulk_enrollment';
ALTER TABLE outbox ALTER COLUMN subscription_plan_uuid SET NOT NULL;
DROP TABLE bulk_enrollment_job;
