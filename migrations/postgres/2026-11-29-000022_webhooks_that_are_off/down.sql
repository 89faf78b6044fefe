ALTER TABLE webhook
    DROP COLUMN previous_secret,
    DROP COLUMN previous_secret_until,
    DROP COLUMN switched_at,
    DROP COLUMN off_reason,
    DROP COLUMN dropped;
