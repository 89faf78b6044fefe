-- Endpoints that events of licenses are told to. event_types are full names; none of them means all.
CREATE TABLE webhook (
    uuid uuid PRIMARY KEY,
    url text NOT NULL,
    secret text NOT NULL,
    event_types text[] NOT NULL,
    enterprise_customer_uuid uuid,
    is_active boolean NOT NULL,
    -- Until when the endpoint asked to be left alone.
    rest_until timestamptz,
    created_by text,
    created timestamptz NOT NULL,
    modified timestamptz NOT NULL
);
CREATE INDEX webhook_by_date ON webhook (created, uuid);

-- One event for one endpoint. uuid is the id of the event's message in the outbox. claimed_by names the claim under which somebody
-- delivers it now; the claim lasts until not_before. due_since is when it was promised, or when it was last replayed.
-- No foreign key to webhook: what causes an event must not fail because its endpoint is deleted at the same moment.
CREATE TABLE webhook_delivery (
    webhook_uuid uuid NOT NULL,
    uuid uuid NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    event_type text NOT NULL,
    license_uuid uuid,
    payload text NOT NULL,
    state text NOT NULL DEFAULT 'waiting',
    attempts smallint NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL,
    due_since timestamptz NOT NULL,
    claimed_by uuid,
    last_status smallint,
    last_error text,
    created timestamptz NOT NULL,
    delivered_at timestamptz,
    PRIMARY KEY (webhook_uuid, uuid)
);

-- What is due for an endpoint, what of a license comes before it, what an operator lists, what is removed after a while, and what
-- somebody's retirement erases.
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_uuid, not_before, position) WHERE state = 'waiting';
CREATE INDEX webhook_delivery_in_turn ON webhook_delivery (webhook_uuid, license_uuid, position) WHERE state = 'waiting';
CREATE INDEX webhook_delivery_listed ON webhook_delivery (webhook_uuid, state, position);
CREATE INDEX webhook_delivery_delivered ON webhook_delivery (delivered_at) WHERE state = 'delivered';
CREATE INDEX webhook_delivery_of_license ON webhook_delivery (license_uuid);
