-- Events of one person wait for each other too, whichever license they are about: those with the same address, or with the same account.
-- webhook_delivery_listed, which begins with the state, cannot be used for this condition. Without statistics, Postgres would prefer it.
CREATE INDEX webhook_delivery_of_address
    ON webhook_delivery (webhook_uuid, nullif(payload::jsonb #>> '{properties,assigned_email}', ''), position)
    WHERE state NOT IN ('delivered', 'parked');
CREATE INDEX webhook_delivery_of_account
    ON webhook_delivery (webhook_uuid, nullif(payload::jsonb #>> '{properties,assigned_lms_user_id}', ''), position)
    WHERE state NOT IN ('delivered', 'parked');
