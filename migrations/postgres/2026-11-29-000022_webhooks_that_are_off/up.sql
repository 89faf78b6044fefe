-- Events are kept for a webhook that is off. switched_at is when it was last switched on or off; off_reason says why it is off. dropped
-- counts the events that were kept for too long. Requests are signed with previous_secret too, until previous_secret_until.
ALTER TABLE webhook
    ADD COLUMN previous_secret text,
    ADD COLUMN previous_secret_until timestamptz,
    ADD COLUMN switched_at timestamptz,
    ADD COLUMN off_reason text,
    ADD COLUMN dropped bigint NOT NULL DEFAULT 0;
