-- If a few plans have nearly all licenses, the statistics know only these. Postgres then expects a large part of the licenses to be of
-- the plan that is asked for, whichever that is. It looked for a free license of a small plan among the licenses of all plans: a second
-- beside ten million. With as many plans as it expects where it has no statistics, it takes the index that begins with the plan.
ALTER TABLE license ALTER COLUMN subscription_plan_uuid SET (n_distinct = 200);

-- The number counts from the next statistics on, which a large table gets rarely. A table without statistics stays without them.
DO $$
BEGIN
    IF (SELECT reltuples > 0 FROM pg_class WHERE oid = 'license'::regclass) THEN
        ANALYZE license (subscription_plan_uuid);
    END IF;
END
$$;
