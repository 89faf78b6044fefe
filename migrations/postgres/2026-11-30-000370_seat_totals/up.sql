-- The counts of a plan are the sums of its rows of all days. The total of a plan keeps what rows add up to, so that a count reads only
-- the total and the rows that are not in it (docs/adr/0011-utilization-report.md). The rows stay as they are, because reports read them by
-- day. New rows are in no total, so that those who change seats of one plan at once do not wait for each other. Whoever adds up rows puts
-- them into the total.

-- Adding a column takes the strongest lock, so nobody changes or reads seats until this is done. What was counted before is in the
-- totals below: a column's first default is the value of all existing rows, which are not written for it.
ALTER TABLE seat_change ADD COLUMN in_total boolean NOT NULL DEFAULT true;
ALTER TABLE seat_change ALTER COLUMN in_total SET DEFAULT false;
CREATE INDEX seat_change_not_in_total ON seat_change (subscription_plan_uuid) WHERE NOT in_total;

-- By state, the sums of the plan's rows that are in its total.
CREATE TABLE seat_total (
    subscription_plan_uuid uuid PRIMARY KEY,
    unassigned integer NOT NULL,
    assigned integer NOT NULL,
    activated integer NOT NULL,
    revoked integer NOT NULL
) WITH (fillfactor = 50);

INSERT INTO seat_total (subscription_plan_uuid, unassigned, assigned, activated, revoked)
SELECT subscription_plan_uuid, sum(unassigned), sum(assigned), sum(activated), sum(revoked)
FROM seat_change GROUP BY subscription_plan_uuid;

-- The rows that a count adds up. Queries must name the plans by an array: for a join, Postgres would read the second part as a whole.
CREATE VIEW seat_count AS
SELECT subscription_plan_uuid, unassigned, assigned, activated, revoked FROM seat_total
UNION ALL
SELECT subscription_plan_uuid, unassigned, assigned, activated, revoked FROM seat_change WHERE NOT in_total;

-- A row that is deleted leaves its total, and a row that changes there changes it. Servers of earlier versions replace rows by their sum,
-- which is in no total then. Adding a row calls no trigger: whoever adds one to the total does both.
CREATE FUNCTION keep_seat_total() RETURNS trigger LANGUAGE plpgsql SET jit = off AS $$
BEGIN
    INSERT INTO seat_total AS total (subscription_plan_uuid, unassigned, assigned, activated, revoked)
    SELECT subscription_plan_uuid, -sum(unassigned), -sum(assigned), -sum(activated), -sum(revoked)
    FROM removed WHERE in_total
    GROUP BY subscription_plan_uuid ORDER BY subscription_plan_uuid
    ON CONFLICT (subscription_plan_uuid) DO UPDATE SET
        unassigned = total.unassigned + excluded.unassigned, assigned = total.assigned + excluded.assigned,
        activated = total.activated + excluded.activated, revoked = total.revoked + excluded.revoked;
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO seat_total AS total (subscription_plan_uuid, unassigned, assigned, activated, revoked)
        SELECT subscription_plan_uuid, sum(unassigned), sum(assigned), sum(activated), sum(revoked)
        FROM added WHERE in_total
        GROUP BY subscription_plan_uuid ORDER BY subscription_plan_uuid
        ON CONFLICT (subscription_plan_uuid) DO UPDATE SET
            unassigned = total.unassigned + excluded.unassigned, assigned = total.assigned + excluded.assigned,
            activated = total.activated + excluded.activated, revoked = total.revoked + excluded.revoked;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER seat_change_changes_total AFTER UPDATE ON seat_change
    REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION keep_seat_total();
CREATE TRIGGER seat_change_leaves_total AFTER DELETE ON seat_change
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION keep_seat_total();

-- Without these statistics, Postgres would expect half of the rows to be in no total. A table without statistics stays without them.
DO $$
BEGIN
    IF (SELECT reltuples > 0 FROM pg_class WHERE oid = 'seat_change'::regclass) THEN
        ANALYZE seat_change, seat_total;
    END IF;
END
$$;
