-- The history that was imported from the Django service. Its activations are recorded a little after they happened, so they are counted
-- by the date of the activation. Without a row nothing was imported.
CREATE TABLE imported_versions (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    imported_at INTEGER NOT NULL,
    last_license_history_id INTEGER NOT NULL
) STRICT;
