DROP INDEX plan_job_due;
ALTER TABLE plan_job DROP COLUMN claimed_by;
ALTER TABLE plan_job DROP COLUMN attempts;
ALTER TABLE plan_job DROP COLUMN last_error;
