-- Licenses that lack the first field that a list is sorted by, in the order of the second one
-- (docs/adr/0018-pages-of-licenses.md). Only what is revoked without ever having been activated, and what was never reminded
-- has entries. A license that is provided or assigned has none: assigning one counts as reminding its holder.

-- Within a plan.
CREATE INDEX license_never_activated ON license (subscription_plan_uuid, user_email, uuid)
    WHERE status = 'revoked' AND activation_date IS NULL;
CREATE INDEX license_never_reminded ON license (subscription_plan_uuid, status, user_email, uuid)
    WHERE last_remind_date IS NULL AND status <> 'unassigned';
CREATE INDEX license_never_reminded_by_activation ON license (subscription_plan_uuid, status, activation_date, uuid)
    WHERE last_remind_date IS NULL AND status <> 'unassigned' AND status <> 'assigned';

-- Across plans, with the condition that only queries across plans state.
CREATE INDEX license_of_all_never_activated ON license (user_email, uuid)
    WHERE status = 'revoked' AND activation_date IS NULL AND status <> '';
CREATE INDEX license_of_all_never_reminded ON license (status, user_email, uuid)
    WHERE last_remind_date IS NULL AND status <> 'unassigned' AND status <> '';
CREATE INDEX license_of_all_never_reminded_by_activation ON license (status, activation_date, uuid)
    WHERE last_remind_date IS NULL AND status <> 'unassigned' AND status <> 'assigned' AND status <> '';
