-- What is kept of answers has a quota (docs/adr/0007-idempotency-keys.md).

-- The bytes that are set aside for an answer while the work is under way.
ALTER TABLE idempotency_key ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0;
-- The body of an answer, compressed with zlib; then `body` is null. Versions that do not know this column take the body for one that was
-- too large to keep.
ALTER TABLE idempotency_key ADD COLUMN compressed BLOB
    CHECK (compressed IS NULL OR (status IS NOT NULL AND body IS NULL));

-- The bytes that each user's requests count, kept by triggers: 512 for each, and the body of its answer or what is reserved for it.
CREATE TABLE idempotency_usage (
    username TEXT NOT NULL PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT;

INSERT INTO idempotency_usage (username, bytes)
SELECT username, sum(512 + coalesce(length(body), 0)) FROM idempotency_key GROUP BY username;

CREATE TRIGGER idempotency_key_counts_added AFTER INSERT ON idempotency_key BEGIN
    INSERT INTO idempotency_usage (username, bytes)
    VALUES (NEW.username, 512 + CASE WHEN NEW.status IS NULL THEN NEW.reserved
                                     ELSE coalesce(length(NEW.body), 0) + coalesce(length(NEW.compressed), 0) END)
    ON CONFLICT (username) DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER idempotency_key_counts_changed AFTER UPDATE OF status, reserved, body, compressed ON idempotency_key BEGIN
    UPDATE idempotency_usage
    SET bytes = bytes + CASE WHEN NEW.status IS NULL THEN NEW.reserved
                             ELSE coalesce(length(NEW.body), 0) + coalesce(length(NEW.compressed), 0) END
                      - CASE WHEN OLD.status IS NULL THEN OLD.reserved
                             ELSE coalesce(length(OLD.body), 0) + coalesce(length(OLD.compressed), 0) END
    WHERE username = NEW.username;
END;

CREATE TRIGGER idempotency_key_counts_removed AFTER DELETE ON idempotency_key BEGIN
    UPDATE idempotency_usage
    SET bytes = bytes - 512 - CASE WHEN OLD.status IS NULL THEN OLD.reserved
                                   ELSE coalesce(length(OLD.body), 0) + coalesce(length(OLD.compressed), 0) END
    WHERE username = OLD.username;
    -- Nothing tells any longer that this user sent requests.
    DELETE FROM idempotency_usage WHERE username = OLD.username AND bytes <= 0;
END;
