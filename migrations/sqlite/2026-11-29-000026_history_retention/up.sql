-- Since when histories are complete. Before, they have the last version of each row. Without a row nothing was ever removed.
CREATE TABLE history_retention (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    complete_since INTEGER NOT NULL
) STRICT;
