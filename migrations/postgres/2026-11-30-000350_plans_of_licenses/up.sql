-- If one plan has nearly all licenses, the sample for the statistics has only this plan. Postgres then expects every license to be of
-- the plan that is asked for, whichever that is. It looked for a free license of a small plan among the licenses of all plans: a second
-- beside ten million. A fixed number of plans makes it expect a part of the licenses in each, and take the index that begins with the plan.
ALTER TABLE license ALTER COLUMN subscription_plan_uuid SET (n_distinct = 20);

-- The number counts from the next statistics on, which a large table gets rarely. A table without statistics stays without them.
DO $$
BEGIN
    IF (SELECT reltuples > 0 FROM pg_class WHERE oid = 'license'::regclass) THEN
        ANALYZE license (subscription_plan_uuid);
    END IF;
END
$$;
