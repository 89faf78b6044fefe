-- The words of admins in mails: once for each request, however many messages have them. Messages from before have theirs in the payload.
CREATE TABLE outbox_words (
    uuid TEXT NOT NULL PRIMARY KEY,
    greeting TEXT NOT NULL,
    closing TEXT NOT NULL
) STRICT;
ALTER TABLE outbox ADD COLUMN words_uuid TEXT REFERENCES outbox_words;
CREATE INDEX outbox_of_words ON outbox (words_uuid) WHERE words_uuid IS NOT NULL;

-- Words go with their last message, however it is removed.
CREATE TRIGGER outbox_removes_words AFTER DELETE ON outbox
WHEN OLD.words_uuid IS NOT NULL AND NOT EXISTS (SELECT 1 FROM outbox WHERE words_uuid = OLD.words_uuid) BEGIN
    DELETE FROM outbox_words WHERE uuid = OLD.words_uuid;
END;
