-- Lists of licenses are merged from ranges of indexes, each with the licenses of one state
-- (docs/adr/0018-pages-of-licenses.md). Unassigned licenses have no value to sort by, and few entries, so that providing many
-- stays cheap.

-- Within a plan, beside license_by_plan.
CREATE INDEX license_by_status ON license (subscription_plan_uuid, status, uuid) WHERE status <> 'unassigned';
CREATE INDEX license_by_activation ON license (subscription_plan_uuid, status, activation_date, uuid)
    WHERE status <> 'unassigned' AND status <> 'assigned';
CREATE INDEX license_by_reminder ON license (subscription_plan_uuid, status, last_remind_date, uuid)
    WHERE status <> 'unassigned';

-- Across plans. The first one also finds people.
-- The condition status <> '' is always true. Only queries across plans state it, so SQLite takes these indexes for no other.
DROP INDEX license_by_email;
CREATE INDEX license_by_email ON license (user_email, uuid, status, subscription_plan_uuid) WHERE user_email IS NOT NULL;
CREATE INDEX license_of_all_unassigned ON license (uuid) WHERE status = 'unassigned' AND status <> '';
CREATE INDEX license_of_all_by_status ON license (status, uuid) WHERE status <> 'unassigned' AND status <> '';
CREATE INDEX license_of_all_by_activation ON license (status, activation_date, uuid)
    WHERE status <> 'unassigned' AND status <> 'assigned' AND status <> '';
CREATE INDEX license_of_all_by_reminder ON license (status, last_remind_date, uuid)
    WHERE status <> 'unassigned' AND status <> '';
CREATE INDEX license_of_all_retired ON license (user_email, uuid) WHERE status = 'revoked' AND user_email IS NULL;
