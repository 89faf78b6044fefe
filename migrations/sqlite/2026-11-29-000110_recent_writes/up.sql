-- Who wrote lately, and so reads lists from the primary. SQLite has no replicas: it has the table because Postgres does.
CREATE TABLE recent_write (
    -- The SHA-256 of the user's name.
    user_hash BLOB NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT;
CREATE INDEX recent_write_until ON recent_write (until);
