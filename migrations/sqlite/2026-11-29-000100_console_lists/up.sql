-- Why a job was asked for. It is recorded in the history of what the job changes.
ALTER TABLE plan_job ADD COLUMN reason TEXT;

-- The console reads its lists from indexes. Names and addresses of users are found by how they begin, in any case,
-- with the expressions of the other database, whose indexes have no room for texts of any length.
CREATE INDEX users_by_name ON users (substr(lower(username), 1, 255));
CREATE INDEX users_by_email ON users (substr(lower(email), 1, 255));
CREATE INDEX users_staff ON users (username) WHERE is_staff;
CREATE INDEX users_superusers ON users (username) WHERE is_superuser;
CREATE INDEX role_assignment_by_role ON role_assignment (role, id);
CREATE INDEX notification_by_kind ON notification (notification_type, last_sent DESC, id DESC);
CREATE INDEX staff_action_by_kind ON staff_action (kind, created DESC, uuid DESC);
CREATE INDEX outbox_parked_by_topic ON outbox (topic, position) WHERE parked_at IS NOT NULL;
CREATE INDEX bulk_enrollment_job_by_date ON bulk_enrollment_job (created DESC, uuid);
CREATE INDEX bulk_enrollment_job_unfinished ON bulk_enrollment_job (created DESC, uuid) WHERE stage IN ('enrolling', 'filing');
CREATE INDEX license_source_in_order ON license_source (source_id, license_uuid);
DROP INDEX license_source_by_opportunity;
