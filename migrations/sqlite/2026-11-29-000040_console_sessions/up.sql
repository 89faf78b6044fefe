-- Who is signed in to the console (docs/adr/0020-console.md). The id in the browser's cookie is not stored, only its SHA-256.
CREATE TABLE console_session (
    id_hash BLOB NOT NULL PRIMARY KEY,
    -- Names the session in lists and forms.
    uuid TEXT NOT NULL,
    username TEXT NOT NULL,
    -- The roles in the token, as a JSON list, until when they count, and who asks the provider for them now.
    roles TEXT NOT NULL,
    is_staff INTEGER NOT NULL,
    roles_until INTEGER NOT NULL,
    renewing_until INTEGER,
    -- Encrypted with a key that only the cookie has.
    refresh_token BLOB,
    user_agent TEXT NOT NULL,
    created INTEGER NOT NULL,
    last_used INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX console_session_uuid ON console_session (uuid);
CREATE INDEX console_session_by_user ON console_session (username, last_used DESC);
CREATE INDEX console_session_by_use ON console_session (last_used);
