DROP TRIGGER outbox_removes_words ON outbox;
DROP FUNCTION remove_words;
ALTER TABLE outbox DROP COLUMN words_uuid;
DROP TABLE outbox_words;
