-- What became of a plan's seats on each day in UTC, counted when it is recorded: reports add it up and need not read the history
-- (docs/adr/0011-utilization-report.md). Rows are only added, one for each statement, plan and day, so that those who change seats of
-- one plan at once do not wait for each other; a report adds them up.

-- By how much the number of seats in each state differs.
CREATE TABLE seat_change (
    subscription_plan_uuid uuid NOT NULL,
    day date NOT NULL,
    unassigned integer NOT NULL,
    assigned integer NOT NULL,
    activated integer NOT NULL,
    revoked integer NOT NULL
);
CREATE INDEX seat_change_by_plan ON seat_change (subscription_plan_uuid, day);

-- How many seats were activated, by how many whole days they had been assigned.
CREATE TABLE seat_activation (
    subscription_plan_uuid uuid NOT NULL,
    day date NOT NULL,
    days_assigned integer NOT NULL,
    number integer NOT NULL
);
CREATE INDEX seat_activation_by_plan ON seat_activation (subscription_plan_uuid, day);

-- The seats of a plan that were assigned longest ago and have yet to be activated.
CREATE INDEX license_idle ON license (subscription_plan_uuid, assigned_date, uuid) WHERE status = 'assigned';

-- Without statistics of what a statement added, Postgres would compile for longer than the work takes.
CREATE FUNCTION count_seats() RETURNS trigger LANGUAGE plpgsql SET jit = off AS $$
BEGIN
    -- Each entry with how the license was before; what is new was nowhere, and need not be looked up. Whoever changes a license holds its
    -- lock until the end of the transaction, so what was before is committed, and this statement sees it.
    WITH step AS (
        SELECT history_date, history_type, subscription_plan_uuid, status, assigned_date, activation_date,
               NULL::uuid AS former_plan, NULL AS former_status
        FROM added
        WHERE history_type = '+'
        UNION ALL
        SELECT added.history_date, added.history_type, added.subscription_plan_uuid, added.status, added.assigned_date,
               added.activation_date, former.subscription_plan_uuid, former.status
        FROM added
        LEFT JOIN LATERAL (
            SELECT * FROM (
                -- OFFSET 0 keeps Postgres from walking through the whole history by its number.
                SELECT history_id, history_type, subscription_plan_uuid, status FROM license_history
                WHERE license_history.uuid = added.uuid
                OFFSET 0
            ) AS earlier
            WHERE earlier.history_id < added.history_id
            ORDER BY earlier.history_id DESC LIMIT 1
        ) AS former ON former.history_type <> '-'
        WHERE added.history_type <> '+'
    ), activation AS (
        -- Whoever brings a license back as it was, or carries it over, activates nothing.
        INSERT INTO seat_activation (subscription_plan_uuid, day, days_assigned, number)
        SELECT subscription_plan_uuid, (history_date AT TIME ZONE 'UTC')::date,
               greatest(0, floor(extract(epoch FROM activation_date - assigned_date) / 86400)), count(*)
        FROM step
        WHERE status = 'activated' AND former_status IN ('unassigned', 'assigned') AND activation_date = history_date
        GROUP BY 1, 2, 3
    )
    INSERT INTO seat_change (subscription_plan_uuid, day, unassigned, assigned, activated, revoked)
    SELECT plan, (history_date AT TIME ZONE 'UTC')::date AS on_day,
           coalesce(sum(seats) FILTER (WHERE status = 'unassigned'), 0) AS unassigned,
           coalesce(sum(seats) FILTER (WHERE status = 'assigned'), 0) AS assigned,
           coalesce(sum(seats) FILTER (WHERE status = 'activated'), 0) AS activated,
           coalesce(sum(seats) FILTER (WHERE status = 'revoked'), 0) AS revoked
    FROM (
        SELECT subscription_plan_uuid AS plan, history_date, status, 1 AS seats FROM step WHERE history_type <> '-'
        UNION ALL
        SELECT former_plan, history_date, former_status, -1 FROM step WHERE former_plan IS NOT NULL
    ) AS seat
    GROUP BY plan, on_day
    -- Changes that leave every seat in its state and plan count nothing.
    HAVING sum(seats) FILTER (WHERE status = 'unassigned') <> 0
        OR sum(seats) FILTER (WHERE status = 'assigned') <> 0
        OR sum(seats) FILTER (WHERE status = 'activated') <> 0
        OR sum(seats) FILTER (WHERE status = 'revoked') <> 0;
    RETURN NULL;
END
$$;

CREATE TRIGGER license_history_counts_seats AFTER INSERT ON license_history
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_seats();

-- What was recorded before. The trigger above keeps everybody from recording more until this is done.
CREATE TEMPORARY VIEW step AS
SELECT history_date, history_type, subscription_plan_uuid, status, assigned_date, activation_date,
       CASE WHEN is_next THEN former_plan END AS former_plan, CASE WHEN is_next THEN former_status END AS former_status
FROM (
    SELECT *, lag(subscription_plan_uuid) OVER versions AS former_plan, lag(status) OVER versions AS former_status,
           history_type <> '+' AND lag(history_type) OVER versions <> '-' AS is_next
    FROM license_history
    WINDOW versions AS (PARTITION BY uuid ORDER BY history_id)
) AS version;

INSERT INTO seat_activation (subscription_plan_uuid, day, days_assigned, number)
SELECT subscription_plan_uuid, (history_date AT TIME ZONE 'UTC')::date,
       greatest(0, floor(extract(epoch FROM activation_date - assigned_date) / 86400)), count(*)
FROM step
WHERE status = 'activated' AND former_status IN ('unassigned', 'assigned') AND activation_date = history_date
GROUP BY 1, 2, 3;

INSERT INTO seat_change (subscription_plan_uuid, day, unassigned, assigned, activated, revoked)
SELECT plan, (history_date AT TIME ZONE 'UTC')::date AS on_day,
       coalesce(sum(seats) FILTER (WHERE status = 'unassigned'), 0),
       coalesce(sum(seats) FILTER (WHERE status = 'assigned'), 0),
       coalesce(sum(seats) FILTER (WHERE status = 'activated'), 0),
       coalesce(sum(seats) FILTER (WHERE status = 'revoked'), 0)
FROM (
    SELECT subscription_plan_uuid AS plan, history_date, status, 1 AS seats FROM step WHERE history_type <> '-'
    UNION ALL
    SELECT former_plan, history_date, former_status, -1 FROM step WHERE former_plan IS NOT NULL
) AS seat
GROUP BY plan, on_day;

DROP VIEW step;
