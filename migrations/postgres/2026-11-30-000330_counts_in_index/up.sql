-- The counts of a plan are the sums of its days. The rows of these days lie as far apart as the days, so a sum read a block for each.
-- With the numbers in the index, it reads the index alone (docs/adr/0011-utilization-report.md). On SQLite the table is stored in the
-- order of its key, and needs no such index.

-- Dropping takes the strongest lock. If it came after building, whoever has read counts and waits to write some would be in the way.
DROP INDEX seat_change_by_plan;
CREATE INDEX seat_change_by_plan ON seat_change (subscription_plan_uuid, day)
    INCLUDE (unassigned, assigned, activated, revoked);

-- Of rows that were not vacuumed since they were written, the index alone does not tell who sees them.
ALTER TABLE seat_change SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_insert_scale_factor = 0.01);
