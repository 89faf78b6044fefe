-- When recurring operations run by themselves, and how their runs went. Who runs one at the moment is in operation_lease, under the
-- nil UUID as key.
CREATE TABLE operation_schedule (
    operation text NOT NULL PRIMARY KEY,
    -- NULL: it does not run by itself.
    expression text,
    -- Since when it has been running by itself.
    scheduled_since timestamptz,
    next_run timestamptz,
    running_since timestamptz,
    -- The last run that ended.
    started timestamptz,
    finished timestamptz,
    outcome text CHECK (outcome IN ('complete', 'failed', 'interrupted')),
    summary text,
    -- When the last run began that did all there was to do.
    last_complete timestamptz,
    CHECK ((started IS NULL) = (outcome IS NULL) AND (finished IS NULL) = (outcome IS NULL) AND (summary IS NULL) = (outcome IS NULL))
);
