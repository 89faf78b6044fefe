-- How far an import from the Django service has come (docs/adr/0023-importing-again.md).

-- Whether the first import wrote all rows. It commits them in parts.
ALTER TABLE imported_versions ADD COLUMN is_filled INTEGER NOT NULL DEFAULT 1;
-- The rule by which imported activations were counted by day (docs/adr/0011-utilization-report.md). Rule 1 left out what happened before the
-- first version of a license.
ALTER TABLE imported_versions ADD COLUMN counting_rule INTEGER NOT NULL DEFAULT 1;
