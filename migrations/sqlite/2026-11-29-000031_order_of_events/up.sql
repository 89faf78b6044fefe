-- Events of one person wait for each other too, whichever license they are about: those with the same address, or with the same account.
CREATE INDEX webhook_delivery_of_address ON webhook_delivery (webhook_uuid, nullif(payload ->> '$.properties.assigned_email', ''), position)
    WHERE state = 'waiting';
CREATE INDEX webhook_delivery_of_account ON webhook_delivery (webhook_uuid, nullif(payload ->> '$.properties.assigned_lms_user_id', ''), position)
    WHERE state = 'waiting';
