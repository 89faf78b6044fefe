DROP TRIGGER license_history_counts_activations;
DROP TRIGGER license_history_counts_former_seats;
DROP TRIGGER license_history_counts_seats;
DROP INDEX license_idle;
DROP TABLE seat_activation;
DROP TABLE seat_change;
