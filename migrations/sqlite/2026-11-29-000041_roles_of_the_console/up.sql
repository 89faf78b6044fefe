-- Viewers and operators (docs/RULES.md, "Permissions"). Versions that do not know these roles ignore them.
CREATE TABLE role_assignment_rebuilt (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN (
        'enterprise_subscriptions_admin', 'enterprise_subscriptions_learner', 'license_manager_viewer', 'license_manager_operator')),
    enterprise_customer_uuid TEXT,
    created INTEGER NOT NULL
) STRICT;
INSERT INTO role_assignment_rebuilt SELECT * FROM role_assignment;
-- Ids of removed assignments are not given again.
DELETE FROM sqlite_sequence WHERE name = 'role_assignment_rebuilt';
INSERT INTO sqlite_sequence (name, seq)
SELECT 'role_assignment_rebuilt', seq FROM sqlite_sequence WHERE name = 'role_assignment';
DROP TABLE role_assignment;
ALTER TABLE role_assignment_rebuilt RENAME TO role_assignment;
-- Two assignments without a customer are the same one.
CREATE UNIQUE INDEX role_assignment_once ON role_assignment (username, role, coalesce(enterprise_customer_uuid, ''));
CREATE INDEX role_assignment_by_customer ON role_assignment (enterprise_customer_uuid, id);
