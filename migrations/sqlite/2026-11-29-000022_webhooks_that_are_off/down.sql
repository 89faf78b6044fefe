ALTER TABLE webhook DROP COLUMN previous_secret;
ALTER TABLE webhook DROP COLUMN previous_secret_until;
ALTER TABLE webhook DROP COLUMN switched_at;
ALTER TABLE webhook DROP COLUMN off_reason;
ALTER TABLE webhook DROP COLUMN dropped;
