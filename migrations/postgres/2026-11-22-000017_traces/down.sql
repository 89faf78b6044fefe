ALTER TABLE webhook_delivery DROP COLUMN trace_parent;
ALTER TABLE outbox DROP COLUMN trace_parent;
