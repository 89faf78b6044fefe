-- Results of bulk enrollments that the Django service wrote stay in their bucket, under names of its own.
ALTER TABLE bulk_enrollment_job ADD COLUMN results_file text;
