-- Erasing people finds their messages and licenses by an index, so that it reads no others.

-- Dead letters of a license, beside outbox_of_license.
CREATE INDEX outbox_parked_of_license ON outbox (license_uuid) WHERE parked_at IS NOT NULL;
-- Messages that name a person. An event has the address among its properties.
CREATE INDEX outbox_of_address ON outbox (coalesce(payload::jsonb ->> 'email', payload::jsonb #>> '{properties,assigned_email}'))
    WHERE topic IN ('license_event', 'assignment', 'reminder', 'activation', 'auto_applied');
-- Messages that can name people in another way. There are few.
CREATE INDEX outbox_custom ON outbox (license_uuid) WHERE topic = 'custom';
CREATE INDEX outbox_of_results ON outbox (position) WHERE topic = 'enrollment_results_mail';
-- Events in all states. webhook_delivery_of_address has only those that wait.
CREATE INDEX webhook_delivery_of_person ON webhook_delivery ((payload::jsonb #>> '{properties,assigned_email}'));

-- Revoked licenses that still name somebody, the longest revoked first. license_idle has those that were never activated. Lists of
-- revoked licenses must not be read by this index, so only queries that erase people have the condition in these words.
CREATE INDEX license_revoked ON license (subscription_plan_uuid, revoked_date) WHERE status = 'revoked' AND (user_email IS NOT NULL) IS TRUE;
-- Unassigned licenses that somebody had before. A license that is only provided has no entry.
CREATE INDEX license_unassigned_again ON license (subscription_plan_uuid, uuid) WHERE status = 'unassigned' AND modified > created;
