ALTER TABLE seat_change RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);
DROP INDEX seat_change_by_plan;
CREATE INDEX seat_change_by_plan ON seat_change (subscription_plan_uuid, day);
