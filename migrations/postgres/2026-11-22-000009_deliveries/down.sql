DELETE FROM outbox WHERE topic = 'enrollment_results_mail';
DROP INDEX outbox_due, outbox_of_license, outbox_of_plan, outbox_parked;
ALTER TABLE outbox
    DROP COLUMN lane,
    DROP COLUMN lanes,
    DROP COLUMN attempts,
    DROP COLUMN not_before,
    DROP COLUMN claimed_by,
    DROP COLUMN last_error,
    DROP COLUMN parked_at;
