-- Which mail about a plan's use went to which admin: one row for each of them, with when it went last.
CREATE TABLE notification (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    enterprise_customer_uuid uuid NOT NULL,
    enterprise_customer_user_id bigint NOT NULL,
    subscription_plan_uuid uuid NOT NULL REFERENCES subscription_plan,
    notification_type text NOT NULL,
    last_sent timestamptz NOT NULL,
    created timestamptz NOT NULL,
    modified timestamptz NOT NULL,
    CONSTRAINT notification_once UNIQUE (subscription_plan_uuid, enterprise_customer_user_id, notification_type)
);
CREATE INDEX notification_by_date ON notification (last_sent DESC, id DESC);

CREATE TABLE notification_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    history_date timestamptz NOT NULL,
    history_user text,
    history_type char(1) NOT NULL,
    history_change_reason text,
    LIKE notification
);
CREATE INDEX notification_history_by_row ON notification_history (id, history_date);

-- What was done for a license, so that it is done once.
CREATE TABLE license_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    license_uuid uuid NOT NULL REFERENCES license ON DELETE CASCADE,
    event_name text NOT NULL,
    created timestamptz NOT NULL,
    CONSTRAINT license_event_once UNIQUE (license_uuid, event_name)
);
CREATE INDEX license_event_by_name ON license_event (event_name, id DESC);

-- Lists of one customer's role assignments.
CREATE INDEX role_assignment_by_customer ON role_assignment (enterprise_customer_uuid, id);
