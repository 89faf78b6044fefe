-- Imports from the Django service are repeated until the switch (docs/adr/0023-importing-again.md). What was imported before is finished.
ALTER TABLE imported_versions ADD COLUMN own_versions_from bigint NOT NULL DEFAULT 0;
ALTER TABLE imported_versions ADD COLUMN checksums_of text NOT NULL DEFAULT '';
ALTER TABLE imported_versions ADD COLUMN compared_at timestamptz;
ALTER TABLE imported_versions ADD COLUMN finished_at timestamptz;
UPDATE imported_versions
SET own_versions_from = last_license_history_id + 1, compared_at = imported_at, finished_at = imported_at;

-- The checksum of each row that was imported, as it was written.
CREATE TABLE imported_row (
    table_name text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    checksum bigint NOT NULL,
    PRIMARY KEY (table_name, key)
);

-- The checksums of ranges of rows in the source, as of the last import.
CREATE TABLE imported_range (
    source_table text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    checksum text NOT NULL,
    PRIMARY KEY (source_table, number)
);

-- Values of the source that have no place in the other tables, as a JSON object by column, for the way back.
CREATE TABLE imported_value (
    source_table text COLLATE "C" NOT NULL,
    source_key text COLLATE "C" NOT NULL,
    kept text NOT NULL,
    PRIMARY KEY (source_table, source_key)
);
