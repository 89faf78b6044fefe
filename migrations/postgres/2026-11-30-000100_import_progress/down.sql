ALTER TABLE imported_versions DROP COLUMN is_filled;
ALTER TABLE imported_versions DROP COLUMN counting_rule;
