-- Jobs are claimed under a lease, as messages are: claimed_by names the lease under which somebody works on the job now, which lasts
-- until not_before. attempts counts the failures since the last batch that was done.
ALTER TABLE plan_job ADD COLUMN claimed_by TEXT;
ALTER TABLE plan_job ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE plan_job ADD COLUMN last_error TEXT;

-- What is due of a kind.
CREATE INDEX plan_job_due ON plan_job (kind, not_before, requested_at);
