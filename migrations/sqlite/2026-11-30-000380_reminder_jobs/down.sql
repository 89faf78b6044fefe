-- Without the columns, these jobs cannot go on.
DELETE FROM plan_job WHERE kind = 'remind';
ALTER TABLE plan_job DROP COLUMN read_until;
ALTER TABLE plan_job DROP COLUMN reminders;
