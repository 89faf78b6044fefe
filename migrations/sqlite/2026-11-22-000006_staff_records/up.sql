-- Which mail about a plan's use went to which admin: one row for each of them, with when it went last.
CREATE TABLE notification (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    enterprise_customer_uuid TEXT NOT NULL,
    enterprise_customer_user_id INTEGER NOT NULL,
    subscription_plan_uuid TEXT NOT NULL REFERENCES subscription_plan,
    notification_type TEXT NOT NULL,
    last_sent INTEGER NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    CONSTRAINT notification_once UNIQUE (subscription_plan_uuid, enterprise_customer_user_id, notification_type)
) STRICT;
CREATE INDEX notification_by_date ON notification (last_sent DESC, id DESC);

CREATE TABLE notification_history (
    history_id INTEGER PRIMARY KEY AUTOINCREMENT,
    history_date INTEGER NOT NULL,
    history_user TEXT,
    history_type TEXT NOT NULL,
    history_change_reason TEXT,
    id INTEGER NOT NULL,
    enterprise_customer_uuid TEXT NOT NULL,
    enterprise_customer_user_id INTEGER NOT NULL,
    subscription_plan_uuid TEXT NOT NULL,
    notification_type TEXT NOT NULL,
    last_sent INTEGER NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT;
CREATE INDEX notification_history_by_row ON notification_history (id, history_date);

-- What was done for a license, so that it is done once.
CREATE TABLE license_event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    license_uuid TEXT NOT NULL REFERENCES license ON DELETE CASCADE,
    event_name TEXT NOT NULL,
    created INTEGER NOT NULL,
    CONSTRAINT license_event_once UNIQUE (license_uuid, event_name)
) STRICT;
CREATE INDEX license_event_by_name ON license_event (event_name, id DESC);

-- Lists of one customer's role assignments.
CREATE INDEX role_assignment_by_customer ON role_assignment (enterprise_customer_uuid, id);
