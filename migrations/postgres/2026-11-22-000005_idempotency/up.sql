-- The first request of each Idempotency-Key, and its answer, which may hold personal data: rows are removed after a day.
CREATE TABLE idempotency_key (
    username text NOT NULL,
    key text NOT NULL CHECK (length(key) <= 255),
    -- Method and path.
    operation text NOT NULL CHECK (length(operation) <= 1000),
    -- SHA-256 of all that the request says.
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    -- Who does the work, and until when they are taken to be alive.
    owner uuid NOT NULL,
    lease_until timestamptz NOT NULL,
    created timestamptz NOT NULL,
    -- The answer: null while the work is under way. A body that was too large to keep is null.
    status smallint,
    content_type text,
    body bytea,
    PRIMARY KEY (username, key, operation),
    CHECK (status IS NOT NULL OR (content_type IS NULL AND body IS NULL))
);
CREATE INDEX idempotency_key_by_age ON idempotency_key (created);
