-- Jobs that remind the learners of a plan. reminders is JSON: whom, and the texts of the mail. read_until is the last license that
-- the finished batches have read.
ALTER TABLE plan_job ADD COLUMN reminders TEXT;
ALTER TABLE plan_job ADD COLUMN read_until TEXT;
