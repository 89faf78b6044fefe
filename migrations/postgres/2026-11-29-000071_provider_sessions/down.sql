DROP TABLE console_logout;
DROP INDEX console_session_of_subject;
DROP INDEX console_session_of_provider;
ALTER TABLE console_session DROP COLUMN provider_subject;
ALTER TABLE console_session DROP COLUMN provider_session;
