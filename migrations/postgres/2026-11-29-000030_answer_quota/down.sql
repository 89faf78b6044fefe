DROP TRIGGER idempotency_key_counts_added ON idempotency_key;
DROP TRIGGER idempotency_key_counts_changed ON idempotency_key;
DROP TRIGGER idempotency_key_counts_removed ON idempotency_key;
DROP FUNCTION count_kept_answers();
DROP TABLE idempotency_usage;
ALTER TABLE idempotency_key DROP COLUMN compressed;
ALTER TABLE idempotency_key DROP COLUMN reserved;
