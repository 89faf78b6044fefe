DROP TRIGGER seat_change_leaves_total ON seat_change;
DROP TRIGGER seat_change_changes_total ON seat_change;
DROP FUNCTION keep_seat_total();
DROP VIEW seat_count;
DROP TABLE seat_total;
DROP INDEX seat_change_not_in_total;
ALTER TABLE seat_change DROP COLUMN in_total;
