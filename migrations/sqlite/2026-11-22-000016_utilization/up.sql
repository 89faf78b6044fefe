-- What became of a plan's seats on each day in UTC, counted when it is recorded: reports add it up and need not read the history
-- (docs/adr/0011-utilization-report.md). A day is an integer of days since 1970.

-- By how much the number of seats in each state differs.
CREATE TABLE seat_change (
    subscription_plan_uuid TEXT NOT NULL,
    day INTEGER NOT NULL,
    unassigned INTEGER NOT NULL,
    assigned INTEGER NOT NULL,
    activated INTEGER NOT NULL,
    revoked INTEGER NOT NULL,
    PRIMARY KEY (subscription_plan_uuid, day)
) STRICT, WITHOUT ROWID;

-- How many seats were activated, by how many whole days they had been assigned.
CREATE TABLE seat_activation (
    subscription_plan_uuid TEXT NOT NULL,
    day INTEGER NOT NULL,
    days_assigned INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (subscription_plan_uuid, day, days_assigned)
) STRICT, WITHOUT ROWID;

-- The seats of a plan that were assigned longest ago and have yet to be activated.
CREATE INDEX license_idle ON license (subscription_plan_uuid, assigned_date, uuid) WHERE status = 'assigned';

-- What was recorded before: where each license came to stand, and where it had stood.

INSERT INTO seat_change (subscription_plan_uuid, day, unassigned, assigned, activated, revoked)
SELECT subscription_plan_uuid, history_date / 86400000000,
       status = 'unassigned', status = 'assigned', status = 'activated', status = 'revoked'
FROM license_history
WHERE history_type <> '-'
ON CONFLICT (subscription_plan_uuid, day) DO UPDATE SET
    unassigned = unassigned + excluded.unassigned, assigned = assigned + excluded.assigned,
    activated = activated + excluded.activated, revoked = revoked + excluded.revoked;

INSERT INTO seat_change (subscription_plan_uuid, day, unassigned, assigned, activated, revoked)
SELECT former.subscription_plan_uuid, version.history_date / 86400000000,
       -(former.status = 'unassigned'), -(former.status = 'assigned'),
       -(former.status = 'activated'), -(former.status = 'revoked')
FROM license_history AS version CROSS JOIN license_history AS former ON former.history_id = (
    SELECT max(history_id) FROM license_history AS earlier
    WHERE earlier.uuid = version.uuid AND earlier.history_id < version.history_id)
WHERE version.history_type <> '+' AND former.history_type <> '-'
ON CONFLICT (subscription_plan_uuid, day) DO UPDATE SET
    unassigned = unassigned + excluded.unassigned, assigned = assigned + excluded.assigned,
    activated = activated + excluded.activated, revoked = revoked + excluded.revoked;

-- Whoever brings a license back as it was, or carries it over, activates nothing.
INSERT INTO seat_activation (subscription_plan_uuid, day, days_assigned, number)
SELECT version.subscription_plan_uuid, version.history_date / 86400000000,
       max(0, (version.activation_date - version.assigned_date) / 86400000000), 1
FROM license_history AS version CROSS JOIN license_history AS former ON former.history_id = (
    SELECT max(history_id) FROM license_history AS earlier
    WHERE earlier.uuid = version.uuid AND earlier.history_id < version.history_id)
WHERE version.history_type = '~' AND version.status = 'activated' AND version.activation_date = version.history_date
    AND former.history_type <> '-' AND former.status IN ('unassigned', 'assigned')
ON CONFLICT (subscription_plan_uuid, day, days_assigned) DO UPDATE SET number = number + 1;

-- What is recorded from now on, likewise.

CREATE TRIGGER license_history_counts_seats AFTER INSERT ON license_history WHEN NEW.history_type <> '-' BEGIN
    INSERT INTO seat_change (subscription_plan_uuid, day, unassigned, assigned, activated, revoked)
    VALUES (NEW.subscription_plan_uuid, NEW.history_date / 86400000000,
            NEW.status = 'unassigned', NEW.status = 'assigned', NEW.status = 'activated', NEW.status = 'revoked')
    ON CONFLICT (subscription_plan_uuid, day) DO UPDATE SET
        unassigned = unassigned + excluded.unassigned, assigned = assigned + excluded.assigned,
        activated = activated + excluded.activated, revoked = revoked + excluded.revoked;
END;

CREATE TRIGGER license_history_counts_former_seats AFTER INSERT ON license_history WHEN NEW.history_type <> '+' BEGIN
    INSERT INTO seat_change (subscription_plan_uuid, day, unassigned, assigned, activated, revoked)
    SELECT subscription_plan_uuid, NEW.history_date / 86400000000,
           -(status = 'unassigned'), -(status = 'assigned'), -(status = 'activated'), -(status = 'revoked')
    FROM license_history
    WHERE history_type <> '-' AND history_id = (
        SELECT max(history_id) FROM license_history WHERE uuid = NEW.uuid AND history_id < NEW.history_id)
    ON CONFLICT (subscription_plan_uuid, day) DO UPDATE SET
        unassigned = unassigned + excluded.unassigned, assigned = assigned + excluded.assigned,
        activated = activated + excluded.activated, revoked = revoked + excluded.revoked;
END;

CREATE TRIGGER license_history_counts_activations AFTER INSERT ON license_history
WHEN NEW.history_type = '~' AND NEW.status = 'activated' AND NEW.activation_date = NEW.history_date BEGIN
    INSERT INTO seat_activation (subscription_plan_uuid, day, days_assigned, number)
    SELECT NEW.subscription_plan_uuid, NEW.history_date / 86400000000,
           max(0, (NEW.activation_date - NEW.assigned_date) / 86400000000), 1
    FROM license_history
    WHERE history_type <> '-' AND status IN ('unassigned', 'assigned') AND history_id = (
        SELECT max(history_id) FROM license_history WHERE uuid = NEW.uuid AND history_id < NEW.history_id)
    ON CONFLICT (subscription_plan_uuid, day, days_assigned) DO UPDATE SET number = number + 1;
END;
