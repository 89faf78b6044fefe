DROP INDEX webhook_delivery_of_person;
CREATE INDEX webhook_delivery_of_person ON webhook_delivery (payload ->> '$.properties.assigned_email');
DROP INDEX webhook_delivery_of_address;
CREATE INDEX webhook_delivery_of_address ON webhook_delivery (webhook_uuid, nullif(payload ->> '$.properties.assigned_email', ''), position)
    WHERE state = 'waiting';
DROP INDEX outbox_of_address;
CREATE INDEX outbox_of_address ON outbox (coalesce(payload ->> 'email', payload ->> '$.properties.assigned_email'))
    WHERE topic IN ('license_event', 'assignment', 'reminder', 'activation', 'auto_applied');
