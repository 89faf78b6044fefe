DROP INDEX license_renewed_from;
ALTER TABLE license_history DROP COLUMN renewed_from_uuid;
ALTER TABLE license DROP COLUMN renewed_from_uuid;
