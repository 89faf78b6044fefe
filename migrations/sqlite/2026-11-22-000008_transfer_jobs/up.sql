-- Moves licenses from one plan of an agreement to another. license_uuids is a JSON array of the licenses named, or null where every
-- license moves; processed_results is a JSON array with one entry per run.
CREATE TABLE license_transfer_job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    customer_agreement_uuid TEXT NOT NULL REFERENCES customer_agreement,
    old_subscription_plan_uuid TEXT NOT NULL REFERENCES subscription_plan,
    new_subscription_plan_uuid TEXT NOT NULL REFERENCES subscription_plan,
    notes TEXT,
    is_dry_run INTEGER NOT NULL,
    license_uuids TEXT,
    processed_results TEXT NOT NULL,
    completed_at INTEGER,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    CHECK (old_subscription_plan_uuid <> new_subscription_plan_uuid)
) STRICT;

CREATE TABLE license_transfer_job_history (
    history_id INTEGER PRIMARY KEY AUTOINCREMENT,
    history_date INTEGER NOT NULL,
    history_user TEXT,
    history_type TEXT NOT NULL,
    history_change_reason TEXT,
    id INTEGER NOT NULL,
    customer_agreement_uuid TEXT NOT NULL,
    old_subscription_plan_uuid TEXT NOT NULL,
    new_subscription_plan_uuid TEXT NOT NULL,
    notes TEXT,
    is_dry_run INTEGER NOT NULL,
    license_uuids TEXT,
    processed_results TEXT NOT NULL,
    completed_at INTEGER,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT;
CREATE INDEX license_transfer_job_history_by_row ON license_transfer_job_history (id, history_date);

CREATE TABLE subscription_plan_renewal_history (
    history_id INTEGER PRIMARY KEY AUTOINCREMENT,
    history_date INTEGER NOT NULL,
    history_user TEXT,
    history_type TEXT NOT NULL,
    history_change_reason TEXT,
    id INTEGER NOT NULL,
    prior_subscription_plan_uuid TEXT NOT NULL,
    renewed_subscription_plan_uuid TEXT,
    salesforce_opportunity_id TEXT,
    number_of_licenses INTEGER NOT NULL,
    effective_date INTEGER NOT NULL,
    renewed_expiration_date INTEGER NOT NULL,
    processed INTEGER NOT NULL,
    processed_datetime INTEGER,
    renewed_plan_title TEXT,
    license_types_to_copy TEXT NOT NULL,
    disable_auto_apply_licenses INTEGER NOT NULL,
    exempt_from_batch_processing INTEGER NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT;
CREATE INDEX subscription_plan_renewal_history_by_row ON subscription_plan_renewal_history (id, history_date);
