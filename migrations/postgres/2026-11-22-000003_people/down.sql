DROP INDEX license_history_by_lms_user;
DROP INDEX license_history_by_email;
