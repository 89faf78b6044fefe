-- What is kept of answers has a quota (docs/adr/0007-idempotency-keys.md).

-- The bytes that are set aside for an answer while the work is under way.
ALTER TABLE idempotency_key ADD COLUMN reserved integer NOT NULL DEFAULT 0;
-- The body of an answer, compressed with zlib; then `body` is null. Versions that do not know this column take the body for one that was
-- too large to keep.
ALTER TABLE idempotency_key ADD COLUMN compressed bytea
    CHECK (compressed IS NULL OR (status IS NOT NULL AND body IS NULL));

-- The bytes that each user's requests count, kept by triggers: 512 for each, and the body of its answer or what is reserved for it.
CREATE TABLE idempotency_usage (
    username text PRIMARY KEY,
    bytes bigint NOT NULL
);

INSERT INTO idempotency_usage (username, bytes)
SELECT username, sum(512 + coalesce(octet_length(body), 0)) FROM idempotency_key GROUP BY username;

CREATE FUNCTION count_kept_answers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- In the order of the names, so that two statements never wait for each other.
    IF TG_OP = 'INSERT' THEN
        INSERT INTO idempotency_usage AS usage (username, bytes)
        SELECT username, sum(512 + CASE WHEN status IS NULL THEN reserved
                                        ELSE coalesce(octet_length(body), 0) + coalesce(octet_length(compressed), 0) END)
        FROM added
        GROUP BY username
        ORDER BY username
        ON CONFLICT (username) DO UPDATE SET bytes = usage.bytes + excluded.bytes;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO idempotency_usage AS usage (username, bytes)
        SELECT username, sum(size)
        FROM (
            SELECT username, CASE WHEN status IS NULL THEN reserved
                                  ELSE coalesce(octet_length(body), 0) + coalesce(octet_length(compressed), 0) END AS size
            FROM added
            UNION ALL
            SELECT username, -CASE WHEN status IS NULL THEN reserved
                                   ELSE coalesce(octet_length(body), 0) + coalesce(octet_length(compressed), 0) END
            FROM removed
        ) AS change
        GROUP BY username
        HAVING sum(size) <> 0
        ORDER BY username
        ON CONFLICT (username) DO UPDATE SET bytes = usage.bytes + excluded.bytes;
    ELSE
        INSERT INTO idempotency_usage AS usage (username, bytes)
        SELECT username, -sum(512 + CASE WHEN status IS NULL THEN reserved
                                         ELSE coalesce(octet_length(body), 0) + coalesce(octet_length(compressed), 0) END)
        FROM removed
        GROUP BY username
        ORDER BY username
        ON CONFLICT (username) DO UPDATE SET bytes = usage.bytes + excluded.bytes;
        -- Nothing tells any longer that this user sent requests.
        DELETE FROM idempotency_usage WHERE bytes <= 0 AND username IN (SELECT username FROM removed);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER idempotency_key_counts_added AFTER INSERT ON idempotency_key
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_kept_answers();
CREATE TRIGGER idempotency_key_counts_changed AFTER UPDATE ON idempotency_key
    REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_kept_answers();
CREATE TRIGGER idempotency_key_counts_removed AFTER DELETE ON idempotency_key
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_kept_answers();
