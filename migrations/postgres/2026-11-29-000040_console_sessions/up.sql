-- Who is signed in to the console (docs/adr/0020-console.md). The id in the browser's cookie is not stored, only its SHA-256.
CREATE TABLE console_session (
    id_hash bytea PRIMARY KEY,
    -- Names the session in lists and forms.
    uuid uuid NOT NULL CONSTRAINT console_session_uuid UNIQUE,
    username text NOT NULL,
    -- The roles in the token, as a JSON list, until when they count, and who asks the provider for them now.
    roles text NOT NULL,
    is_staff boolean NOT NULL,
    roles_until timestamptz NOT NULL,
    renewing_until timestamptz,
    -- Encrypted with a key that only the cookie has.
    refresh_token bytea,
    user_agent text NOT NULL,
    created timestamptz NOT NULL,
    last_used timestamptz NOT NULL
);
CREATE INDEX console_session_by_user ON console_session (username, last_used DESC);
CREATE INDEX console_session_by_use ON console_session (last_used);
