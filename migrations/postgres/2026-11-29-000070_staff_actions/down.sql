ALTER TABLE operation_schedule DROP COLUMN requested;
DROP TABLE staff_action;
