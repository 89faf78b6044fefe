DROP TABLE operation_schedule;
