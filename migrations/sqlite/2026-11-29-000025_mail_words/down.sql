DROP TRIGGER outbox_removes_words;
DROP INDEX outbox_of_words;
ALTER TABLE outbox DROP COLUMN words_uuid;
DROP TABLE outbox_words;
