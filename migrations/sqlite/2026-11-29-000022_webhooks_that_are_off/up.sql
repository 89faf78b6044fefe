-- Events are kept for a webhook that is off. switched_at is when it was last switched on or off; off_reason says why it is off. dropped
-- counts the events that were kept for too long. Requests are signed with previous_secret too, until previous_secret_until.
ALTER TABLE webhook ADD COLUMN previous_secret TEXT;
ALTER TABLE webhook ADD COLUMN previous_secret_until INTEGER;
ALTER TABLE webhook ADD COLUMN switched_at INTEGER;
ALTER TABLE webhook ADD COLUMN off_reason TEXT;
ALTER TABLE webhook ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;
