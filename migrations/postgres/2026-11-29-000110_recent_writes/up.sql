-- Who wrote lately, and so reads lists from the primary: a replica may not have their writes yet.
CREATE TABLE recent_write (
    -- The SHA-256 of the user's name.
    user_hash bytea PRIMARY KEY,
    -- Until when, by the clock of the primary.
    until timestamptz NOT NULL
);
CREATE INDEX recent_write_until ON recent_write (until);
