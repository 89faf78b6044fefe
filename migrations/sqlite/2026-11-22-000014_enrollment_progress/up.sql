-- How far each bulk enrollment is: 'enrolling', 'filing' (its results wait to be put into their file), 'done', 'filed'. enrolled_until is the
-- license of the last holder that was enrolled, while there may be more; the numbers count what came of the enrollments so far.
ALTER TABLE bulk_enrollment_job ADD COLUMN stage TEXT NOT NULL DEFAULT 'enrolling';
ALTER TABLE bulk_enrollment_job ADD COLUMN enrolled_until TEXT;
ALTER TABLE bulk_enrollment_job ADD COLUMN successes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bulk_enrollment_job ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bulk_enrollment_job ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;

UPDATE bulk_enrollment_job SET stage = 'done' WHERE results IS NOT NULL;
