-- The live licenses of a plan that have no copy in the plan that follows: only these may wait for a license of that plan
-- (docs/adr/0016-a-following-plan.md). Without this index, each change of the following plan reads all licenses of its
-- prior plan. Queries must state the condition in the same words.
CREATE INDEX license_without_copy ON license (subscription_plan_uuid, status, uuid)
    WHERE (COALESCE(renewed_to_uuid, uuid) = uuid) IS TRUE AND status <> 'unassigned' AND status <> 'revoked';
