-- An LMS user id below 1 is nobody's. Code puts the addresses into their normal form after this: SQL cannot
-- (crates/adapters/src/addresses.rs).
UPDATE license SET lms_user_id = NULL WHERE lms_user_id < 1;
UPDATE license_history SET lms_user_id = NULL WHERE lms_user_id < 1;
UPDATE bulk_enrollment_job SET lms_user_id = NULL WHERE lms_user_id < 1;
