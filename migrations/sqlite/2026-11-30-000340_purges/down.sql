DROP INDEX license_unassigned_again;
DROP INDEX license_revoked;
DROP INDEX webhook_delivery_of_person;
DROP INDEX outbox_of_results;
DROP INDEX outbox_custom;
DROP INDEX outbox_of_address;
DROP INDEX outbox_parked_of_license;
