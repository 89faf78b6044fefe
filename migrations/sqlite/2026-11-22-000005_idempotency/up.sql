-- The first request of each Idempotency-Key, and its answer, which may hold personal data: rows are removed after a day.
CREATE TABLE idempotency_key (
    username TEXT NOT NULL,
    key TEXT NOT NULL CHECK (length(key) <= 255),
    -- Method and path.
    operation TEXT NOT NULL CHECK (length(operation) <= 1000),
    -- SHA-256 of all that the request says.
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    -- Who does the work, and until when they are taken to be alive.
    owner TEXT NOT NULL,
    lease_until INTEGER NOT NULL,
    created INTEGER NOT NULL,
    -- The answer: null while the work is under way. A body that was too large to keep is null.
    status INTEGER,
    content_type TEXT,
    body BLOB,
    PRIMARY KEY (username, key, operation),
    CHECK (status IS NOT NULL OR (content_type IS NULL AND body IS NULL))
) STRICT;
CREATE INDEX idempotency_key_by_age ON idempotency_key (created);
