-- The counts of a plan are the sums of its rows of all days. The total of a plan keeps what rows add up to, so that a count reads only
-- the total and the rows that are not in it (docs/adr/0011-utilization-report.md). The rows stay as they are, because reports read them by
-- day. The row of the newest day changes with each license. Only rows of earlier days are put into the total, so a license need not
-- change both.

ALTER TABLE seat_change ADD COLUMN in_total INTEGER NOT NULL DEFAULT 0;

-- By state, the sums of the plan's rows that are in its total.
CREATE TABLE seat_total (
    subscription_plan_uuid TEXT NOT NULL PRIMARY KEY,
    unassigned INTEGER NOT NULL,
    assigned INTEGER NOT NULL,
    activated INTEGER NOT NULL,
    revoked INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO seat_total (subscription_plan_uuid, unassigned, assigned, activated, revoked)
SELECT subscription_plan_uuid, sum(unassigned), sum(assigned), sum(activated), sum(revoked)
FROM seat_change GROUP BY subscription_plan_uuid;
UPDATE seat_change SET in_total = 1;
CREATE INDEX seat_change_not_in_total ON seat_change (subscription_plan_uuid) WHERE NOT in_total;

-- The rows that a count adds up. Without the name of the index, SQLite would read the rows of all days.
CREATE VIEW seat_count AS
SELECT subscription_plan_uuid, unassigned, assigned, activated, revoked FROM seat_total
UNION ALL
SELECT subscription_plan_uuid, unassigned, assigned, activated, revoked
FROM seat_change INDEXED BY seat_change_not_in_total WHERE NOT in_total;

-- A row that is put into the total adds to it, a row that changes there changes it, and a row that is deleted leaves it.

CREATE TRIGGER seat_change_changes_total AFTER UPDATE ON seat_change WHEN OLD.in_total OR NEW.in_total BEGIN
    INSERT INTO seat_total (subscription_plan_uuid, unassigned, assigned, activated, revoked)
    SELECT OLD.subscription_plan_uuid, -OLD.unassigned, -OLD.assigned, -OLD.activated, -OLD.revoked WHERE OLD.in_total
    ON CONFLICT (subscription_plan_uuid) DO UPDATE SET
        unassigned = unassigned + excluded.unassigned, assigned = assigned + excluded.assigned,
        activated = activated + excluded.activated, revoked = revoked + excluded.revoked;
    INSERT INTO seat_total (subscription_plan_uuid, unassigned, assigned, activated, revoked)
    SELECT NEW.subscription_plan_uuid, NEW.unassigned, NEW.assigned, NEW.activated, NEW.revoked WHERE NEW.in_total
    ON CONFLICT (subscription_plan_uuid) DO UPDATE SET
        unassigned = unassigned + excluded.unassigned, assigned = assigned + excluded.assigned,
        activated = activated + excluded.activated, revoked = revoked + excluded.revoked;
END;

CREATE TRIGGER seat_change_leaves_total AFTER DELETE ON seat_change WHEN OLD.in_total BEGIN
    UPDATE seat_total SET
        unassigned = unassigned - OLD.unassigned, assigned = assigned - OLD.assigned,
        activated = activated - OLD.activated, revoked = revoked - OLD.revoked
    WHERE subscription_plan_uuid = OLD.subscription_plan_uuid;
END;
