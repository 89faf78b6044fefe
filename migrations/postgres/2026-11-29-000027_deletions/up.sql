-- Who deleted which license event, and why. An event tells itself when it was added, and never changes: only deletions are recorded.
CREATE TABLE license_event_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    history_date timestamptz NOT NULL,
    history_user text,
    history_type char(1) NOT NULL,
    history_change_reason text,
    LIKE license_event
);
CREATE INDEX license_event_history_by_row ON license_event_history (id, history_date);

-- Licenses that were somebody's and were deleted from a plan: such a plan stays.
CREATE INDEX license_history_of_deleted_by_plan ON license_history (subscription_plan_uuid)
    WHERE history_type = '-' AND modified > created;
