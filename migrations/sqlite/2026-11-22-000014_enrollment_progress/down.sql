DELETE FROM outbox WHERE topic = 'enrollment_results_file';
-- Whoever knows no parts begins anew, and takes results for all of them.
UPDATE bulk_enrollment_job SET results = NULL WHERE stage = 'enrolling';
ALTER TABLE bulk_enrollment_job DROP COLUMN stage;
ALTER TABLE bulk_enrollment_job DROP COLUMN enrolled_until;
ALTER TABLE bulk_enrollment_job DROP COLUMN successes;
ALTER TABLE bulk_enrollment_job DROP COLUMN pending;
ALTER TABLE bulk_enrollment_job DROP COLUMN failures;
