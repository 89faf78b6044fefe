-- When recurring operations run by themselves, and how their runs went. Who runs one at the moment is in operation_lease, under the
-- nil UUID as key.
CREATE TABLE operation_schedule (
    operation TEXT NOT NULL PRIMARY KEY,
    -- NULL: it does not run by itself.
    expression TEXT,
    -- Since when it has been running by itself.
    scheduled_since INTEGER,
    next_run INTEGER,
    running_since INTEGER,
    -- The last run that ended.
    started INTEGER,
    finished INTEGER,
    outcome TEXT CHECK (outcome IN ('complete', 'failed', 'interrupted')),
    summary TEXT,
    -- When the last run began that did all there was to do.
    last_complete INTEGER,
    CHECK ((started IS NULL) = (outcome IS NULL) AND (finished IS NULL) = (outcome IS NULL) AND (summary IS NULL) = (outcome IS NULL))
) STRICT;
