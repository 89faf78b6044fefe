-- Every message that is stored is compared with the webhooks. There are few, so Postgres never collects statistics about
-- them, and takes a table without statistics for a larger one: it would plan the statement anew for each message.
ANALYZE webhook;
