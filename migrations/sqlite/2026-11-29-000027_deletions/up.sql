-- Who deleted which license event, and why. An event tells itself when it was added, and never changes: only deletions are recorded.
CREATE TABLE license_event_history (
    history_id INTEGER PRIMARY KEY AUTOINCREMENT,
    history_date INTEGER NOT NULL,
    history_user TEXT,
    history_type TEXT NOT NULL,
    history_change_reason TEXT,
    id INTEGER NOT NULL,
    license_uuid TEXT NOT NULL,
    event_name TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
CREATE INDEX license_event_history_by_row ON license_event_history (id, history_date);

-- Licenses that were somebody's and were deleted from a plan: such a plan stays.
CREATE INDEX license_history_of_deleted_by_plan ON license_history (subscription_plan_uuid)
    WHERE history_type = '-' AND modified > created;
