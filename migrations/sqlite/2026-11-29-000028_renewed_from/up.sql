-- The license of the prior plan that a license continues. It stays when that one is given to somebody else or deleted, so it
-- is no foreign key.
ALTER TABLE license ADD COLUMN renewed_from_uuid TEXT;
ALTER TABLE license_history ADD COLUMN renewed_from_uuid TEXT;

-- Which licenses were renewed to which, and since when. History has at least the newest version of each license.
CREATE TEMPORARY TABLE renewed AS
    SELECT renewed_to_uuid AS copy, uuid AS original, min(history_date) AS since
    FROM license_history WHERE renewed_to_uuid IS NOT NULL
    GROUP BY renewed_to_uuid, uuid;
CREATE INDEX renewed_by_copy ON renewed (copy);

-- A license continues another until it loses its holder.
UPDATE license_history SET renewed_from_uuid = (
    SELECT renewed.original FROM renewed
    WHERE renewed.copy = license_history.uuid AND renewed.since <= license_history.history_date
        AND NOT EXISTS (
            SELECT 1 FROM license_history AS freed
            WHERE freed.uuid = license_history.uuid AND freed.status = 'unassigned'
                AND freed.history_date > renewed.since AND freed.history_id < license_history.history_id)
    ORDER BY renewed.since DESC LIMIT 1)
WHERE status <> 'unassigned' AND uuid IN (SELECT copy FROM renewed);

UPDATE license SET renewed_from_uuid = (
    SELECT newest.renewed_from_uuid FROM license_history AS newest
    WHERE newest.uuid = license.uuid
    ORDER BY newest.history_id DESC LIMIT 1)
WHERE status <> 'unassigned' AND uuid IN (SELECT copy FROM renewed);

DROP TABLE renewed;

CREATE INDEX license_renewed_from ON license (renewed_from_uuid) WHERE renewed_from_uuid IS NOT NULL;
