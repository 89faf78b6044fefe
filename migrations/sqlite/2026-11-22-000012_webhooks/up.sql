-- Endpoints that events of licenses are told to. event_types is a JSON list of full names; none of them means all.
CREATE TABLE webhook (
    uuid TEXT PRIMARY KEY NOT NULL,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    event_types TEXT NOT NULL,
    enterprise_customer_uuid TEXT,
    is_active INTEGER NOT NULL,
    -- Until when the endpoint asked to be left alone.
    rest_until INTEGER,
    created_by TEXT,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_by_date ON webhook (created, uuid);

-- One event for one endpoint. uuid is the id of the event's message in the outbox. claimed_by names the claim under which somebody
-- delivers it now; the claim lasts until not_before. due_since is when it was promised, or when it was last replayed.
-- No foreign key to webhook: what causes an event must not fail because its endpoint is deleted at the same moment.
CREATE TABLE webhook_delivery (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_uuid TEXT NOT NULL,
    uuid TEXT NOT NULL,
    event_type TEXT NOT NULL,
    license_uuid TEXT,
    payload TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL,
    due_since INTEGER NOT NULL,
    claimed_by TEXT,
    last_status INTEGER,
    last_error TEXT,
    created INTEGER NOT NULL,
    delivered_at INTEGER,
    CONSTRAINT webhook_delivery_once UNIQUE (webhook_uuid, uuid)
) STRICT;

-- What is due for an endpoint, what of a license comes before it, what an operator lists, what is removed after a while, and what
-- somebody's retirement erases.
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_uuid, not_before, position) WHERE state = 'waiting';
CREATE INDEX webhook_delivery_in_turn ON webhook_delivery (webhook_uuid, license_uuid, position) WHERE state = 'waiting';
CREATE INDEX webhook_delivery_listed ON webhook_delivery (webhook_uuid, state, position);
CREATE INDEX webhook_delivery_delivered ON webhook_delivery (delivered_at) WHERE state = 'delivered';
CREATE INDEX webhook_delivery_of_license ON webhook_delivery (license_uuid);
