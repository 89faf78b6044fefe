-- Moves licenses from one plan of an agreement to another. license_uuids is a JSON array of the licenses named, or null where every
-- license moves; processed_results is a JSON array with one entry per run.
CREATE TABLE license_transfer_job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_agreement_uuid uuid NOT NULL REFERENCES customer_agreement,
    old_subscription_plan_uuid uuid NOT NULL REFERENCES subscription_plan,
    new_subscription_plan_uuid uuid NOT NULL REFERENCES subscription_plan,
    notes text,
    is_dry_run boolean NOT NULL,
    license_uuids text,
    processed_results text NOT NULL,
    completed_at timestamptz,
    created timestamptz NOT NULL,
    modified timestamptz NOT NULL,
    CHECK (old_subscription_plan_uuid <> new_subscription_plan_uuid)
);

CREATE TABLE license_transfer_job_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    history_date timestamptz NOT NULL,
    history_user text,
    history_type char(1) NOT NULL,
    history_change_reason text,
    LIKE license_transfer_job
);
CREATE INDEX license_transfer_job_history_by_row ON license_transfer_job_history (id, history_date);

CREATE TABLE subscription_plan_renewal_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    history_date timestamptz NOT NULL,
    history_user text,
    history_type char(1) NOT NULL,
    history_change_reason text,
    LIKE subscription_plan_renewal
);
CREATE INDEX subscription_plan_renewal_history_by_row ON subscription_plan_renewal_history (id, history_date);
