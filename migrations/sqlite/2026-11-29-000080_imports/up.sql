-- Imports from the Django service are repeated until the switch (docs/adr/0023-importing-again.md). What was imported before is finished.
ALTER TABLE imported_versions ADD COLUMN own_versions_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE imported_versions ADD COLUMN checksums_of TEXT NOT NULL DEFAULT '';
ALTER TABLE imported_versions ADD COLUMN compared_at INTEGER;
ALTER TABLE imported_versions ADD COLUMN finished_at INTEGER;
UPDATE imported_versions
SET own_versions_from = last_license_history_id + 1, compared_at = imported_at, finished_at = imported_at;

-- The checksum of each row that was imported, as it was written.
CREATE TABLE imported_row (
    table_name TEXT NOT NULL,
    key TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (table_name, key)
) STRICT, WITHOUT ROWID;

-- The checksums of ranges of rows in the source, as of the last import.
CREATE TABLE imported_range (
    source_table TEXT NOT NULL,
    number INTEGER NOT NULL,
    checksum TEXT NOT NULL,
    PRIMARY KEY (source_table, number)
) STRICT, WITHOUT ROWID;

-- Values of the source that have no place in the other tables, as a JSON object by column, for the way back.
CREATE TABLE imported_value (
    source_table TEXT NOT NULL,
    source_key TEXT NOT NULL,
    kept TEXT NOT NULL,
    PRIMARY KEY (source_table, source_key)
) STRICT, WITHOUT ROWID;
