-- What people did to the service itself, where no row with a history changes (docs/adr/0022-operating-in-the-console.md).
CREATE TABLE staff_action (
    uuid TEXT NOT NULL PRIMARY KEY,
    created INTEGER NOT NULL,
    -- NULL: the service, or somebody who was retired.
    username TEXT,
    reason TEXT,
    kind TEXT NOT NULL,
    subject TEXT,
    -- The user that it is about, until they are retired.
    about_user TEXT,
    number INTEGER NOT NULL
) STRICT;
CREATE INDEX staff_action_by_date ON staff_action (created DESC, uuid DESC);
CREATE INDEX staff_action_by_user ON staff_action (username, created DESC) WHERE username IS NOT NULL;
CREATE INDEX staff_action_about_user ON staff_action (about_user) WHERE about_user IS NOT NULL;

-- When somebody asked for a run, until it has ended.
ALTER TABLE operation_schedule ADD COLUMN requested INTEGER;
