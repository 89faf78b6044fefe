-- How far each message is. lanes holds the lane of each step that is left, in their order, separated by spaces; lane is the first of
-- them. claimed_by names the claim under which somebody delivers the message now; the claim lasts until not_before.
-- SQLite adds a column that is NOT NULL only with a default.
ALTER TABLE outbox ADD COLUMN lane TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN lanes TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN claimed_by TEXT;
ALTER TABLE outbox ADD COLUMN last_error TEXT;
ALTER TABLE outbox ADD COLUMN parked_at INTEGER;

UPDATE outbox SET
    not_before = created,
    lanes = CASE
        WHEN topic = 'license_event' THEN 'events'
        WHEN topic = 'bulk_enrollment' THEN 'enrollment'
        WHEN topic = 'end_enrollments' THEN 'lms'
        WHEN topic = 'assignment' AND instr(payload, '"mail":false') > 0 THEN 'lms'
        WHEN topic = 'assignment' THEN 'lms mail'
        WHEN topic IN ('activation', 'auto_applied') AND instr(payload, '"mail":false') = 0 THEN 'mail mail'
        ELSE 'mail'
    END;
UPDATE outbox SET lane = substr(lanes, 1, instr(lanes || ' ', ' ') - 1);

-- What is due in a lane, what of a license comes before it, and what asks for the same look at a plan. Parked messages are in none
-- of them: they hold up nobody.
CREATE INDEX outbox_due ON outbox (lane, not_before, position) WHERE parked_at IS NULL;
CREATE INDEX outbox_of_license ON outbox (license_uuid, position) WHERE parked_at IS NULL;
CREATE INDEX outbox_of_plan ON outbox (subscription_plan_uuid, position)
    WHERE parked_at IS NULL AND topic = 'utilization_thresholds';
CREATE INDEX outbox_parked ON outbox (position) WHERE parked_at IS NOT NULL;
