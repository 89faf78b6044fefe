ALTER TABLE bulk_enrollment_job DROP COLUMN results_file;
