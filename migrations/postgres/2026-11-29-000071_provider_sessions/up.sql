-- Which session and which person of the OpenID Connect provider a session is of, so that the provider can end it.
ALTER TABLE console_session ADD COLUMN provider_session text;
ALTER TABLE console_session ADD COLUMN provider_subject text;
CREATE INDEX console_session_of_provider ON console_session (provider_session) WHERE provider_session IS NOT NULL;
CREATE INDEX console_session_of_subject ON console_session (provider_subject) WHERE provider_subject IS NOT NULL;
-- The logout tokens that were used, by the SHA-256 of their ids. Each ends sessions once.
CREATE TABLE console_logout (
    token_hash bytea PRIMARY KEY,
    -- Until when the token could be used.
    until timestamptz NOT NULL
);
CREATE INDEX console_logout_until ON console_logout (until);
