DROP INDEX plan_job_due;
ALTER TABLE plan_job DROP COLUMN claimed_by, DROP COLUMN attempts, DROP COLUMN last_error;
