DROP TRIGGER license_history_counts_seats ON license_history;
DROP FUNCTION count_seats();
DROP INDEX license_idle;
DROP TABLE seat_activation, seat_change;
