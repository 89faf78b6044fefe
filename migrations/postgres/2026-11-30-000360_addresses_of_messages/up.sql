-- Nearly all messages are delivered soon. An index would compute the address in each when it is written, and again when it is
-- claimed. So messages that wait are found by the licenses that had the address, as the history tells.

-- All tables first, so that no writer who holds one of them waits for the other.
LOCK TABLE outbox, webhook_delivery IN ACCESS EXCLUSIVE MODE;

-- The messages that are not found so: events about no license, and dead letters that are older than the history.
DROP INDEX outbox_of_address;
CREATE INDEX outbox_of_address ON outbox (coalesce(payload::jsonb ->> 'email', payload::jsonb #>> '{properties,assigned_email}'))
    WHERE topic IN ('license_event', 'assignment', 'reminder', 'activation', 'auto_applied')
        AND (parked_at IS NOT NULL OR license_uuid IS NULL);

-- The order of events has an index on the address of those that wait. With the address first, it finds them without the endpoint too.
DROP INDEX webhook_delivery_of_address;
CREATE INDEX webhook_delivery_of_address
    ON webhook_delivery (nullif(payload::jsonb #>> '{properties,assigned_email}', ''), webhook_uuid, position)
    WHERE state NOT IN ('delivered', 'parked');
-- Those that do not wait. The address is computed once, at the end.
DROP INDEX webhook_delivery_of_person;
CREATE INDEX webhook_delivery_of_person ON webhook_delivery ((payload::jsonb #>> '{properties,assigned_email}'))
    WHERE state IN ('delivered', 'parked');
