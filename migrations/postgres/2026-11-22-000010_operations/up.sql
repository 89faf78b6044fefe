-- Work of recurring operations that spans calls to neighbours: who does it, until when they are taken to be alive, and how far it is,
-- so that whoever takes it over repeats nothing. The row goes when the work is done.
CREATE TABLE operation_lease (
    operation text NOT NULL,
    key uuid NOT NULL,
    owner uuid NOT NULL,
    until timestamptz NOT NULL,
    position text,
    PRIMARY KEY (operation, key)
);

-- What was done for a plan, so that it is done once.
CREATE TABLE plan_mark (
    subscription_plan_uuid uuid NOT NULL REFERENCES subscription_plan ON DELETE CASCADE,
    name text NOT NULL,
    created timestamptz NOT NULL,
    PRIMARY KEY (subscription_plan_uuid, name)
);

-- Plans that expired in a span of time, and renewals that take effect in one.
CREATE INDEX subscription_plan_by_expiration ON subscription_plan (expiration_date, uuid);
CREATE INDEX subscription_plan_renewal_due ON subscription_plan_renewal (effective_date, id) WHERE NOT processed;
