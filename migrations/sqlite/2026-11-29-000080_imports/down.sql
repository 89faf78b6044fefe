DROP TABLE imported_value;
DROP TABLE imported_range;
DROP TABLE imported_row;
ALTER TABLE imported_versions DROP COLUMN own_versions_from;
ALTER TABLE imported_versions DROP COLUMN checksums_of;
ALTER TABLE imported_versions DROP COLUMN compared_at;
ALTER TABLE imported_versions DROP COLUMN finished_at;
