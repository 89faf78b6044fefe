DROP TABLE imported_value;
DROP TABLE imported_range;
DROP TABLE imported_row;
ALTER TABLE imported_versions
    DROP COLUMN own_versions_from, DROP COLUMN checksums_of, DROP COLUMN compared_at, DROP COLUMN finished_at;
