DROP TRIGGER idempotency_key_counts_added;
DROP TRIGGER idempotency_key_counts_changed;
DROP TRIGGER idempotency_key_counts_removed;
DROP TABLE idempotency_usage;
ALTER TABLE idempotency_key DROP COLUMN compressed;
ALTER TABLE idempotency_key DROP COLUMN reserved;
