DELETE FROM outbox WHERE topic = 'enrollment_results_file';
-- Whoever knows no parts begins anew, and takes results for all of them.
UPDATE bulk_enrollment_job SET results = NULL WHERE stage = 'enrolling';
ALTER TABLE bulk_enrollment_job
    DROP COLUMN stage,
    DROP COLUMN enrolled_until,
    DROP COLUMN successes,
    DROP COLUMN pending,
    DROP COLUMN failures;
