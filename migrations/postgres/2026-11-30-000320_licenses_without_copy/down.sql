DROP INDEX license_without_copy;
