-- The words of admins in mails: once for each request, however many messages have them. Messages from before have theirs in the payload.
CREATE TABLE outbox_words (
    uuid uuid PRIMARY KEY,
    greeting text NOT NULL,
    closing text NOT NULL
);
ALTER TABLE outbox ADD COLUMN words_uuid uuid REFERENCES outbox_words;
CREATE INDEX outbox_of_words ON outbox (words_uuid) WHERE words_uuid IS NOT NULL;

-- Words go with their last message, however it is removed. Whoever removes messages of the same words at once waits for the lock; the
-- statement after it then sees what the other has removed.
CREATE FUNCTION remove_words() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    former uuid[] := ARRAY(SELECT DISTINCT words_uuid FROM removed WHERE words_uuid IS NOT NULL);
BEGIN
    IF cardinality(former) > 0 THEN
        PERFORM FROM outbox_words WHERE uuid = ANY (former) ORDER BY uuid FOR UPDATE;
        DELETE FROM outbox_words
        WHERE uuid = ANY (former) AND NOT EXISTS (SELECT FROM outbox WHERE words_uuid = outbox_words.uuid);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER outbox_removes_words AFTER DELETE ON outbox
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION remove_words();
