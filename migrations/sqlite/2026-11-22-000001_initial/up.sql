-- Entities as docs/RULES.md lists them; tables, columns and indexes are named as in migrations/postgres.
-- A uuid is text in lowercase with hyphens, a moment is an integer of microseconds since 1970 UTC, a boolean is 0 or 1.
-- SQLite reports the columns of a broken uniqueness rule: crates/adapters/src/sqlite/error.rs maps them to the domain's conflict.

CREATE TABLE plan_type (
    id INTEGER PRIMARY KEY,
    label TEXT NOT NULL,
    description TEXT NOT NULL,
    is_paid_subscription INTEGER NOT NULL,
    ns_id_required INTEGER NOT NULL,
    sf_id_required INTEGER NOT NULL,
    internal_use_only INTEGER NOT NULL
) STRICT;

CREATE TABLE product (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    netsuite_id INTEGER CONSTRAINT product_netsuite_id UNIQUE,
    salesforce_product_id TEXT,
    plan_type_id INTEGER NOT NULL REFERENCES plan_type
) STRICT;

CREATE TABLE customer_agreement (
    uuid TEXT NOT NULL PRIMARY KEY,
    enterprise_customer_uuid TEXT NOT NULL CONSTRAINT customer_agreement_customer UNIQUE,
    enterprise_customer_slug TEXT CONSTRAINT customer_agreement_slug UNIQUE,
    enterprise_customer_name TEXT,
    default_enterprise_catalog_uuid TEXT,
    disable_expiration_notifications INTEGER NOT NULL,
    disable_onboarding_notifications INTEGER NOT NULL,
    license_duration_before_purge_seconds INTEGER NOT NULL,
    enable_auto_applied_subscriptions_with_universal_link INTEGER NOT NULL,
    enable_auto_scaling_of_current_plan INTEGER NOT NULL,
    auto_scaling_max_licenses INTEGER,
    auto_scaling_threshold_percentage INTEGER CHECK (auto_scaling_threshold_percentage BETWEEN 1 AND 100),
    auto_scaling_increment_percentage INTEGER CHECK (auto_scaling_increment_percentage BETWEEN 1 AND 100),
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT;

CREATE TABLE expiration_message (
    customer_agreement_uuid TEXT NOT NULL PRIMARY KEY REFERENCES customer_agreement ON DELETE CASCADE,
    modal_header_text TEXT NOT NULL,
    modal_messaging TEXT NOT NULL,
    button_label TEXT NOT NULL,
    button_url TEXT NOT NULL
) STRICT;

CREATE TABLE subscription_plan (
    uuid TEXT NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    start_date INTEGER NOT NULL,
    expiration_date INTEGER NOT NULL,
    expiration_processed INTEGER NOT NULL,
    enterprise_catalog_uuid TEXT NOT NULL,
    customer_agreement_uuid TEXT NOT NULL REFERENCES customer_agreement,
    is_active INTEGER NOT NULL,
    is_revocation_cap_enabled INTEGER NOT NULL,
    revoke_max_percentage INTEGER NOT NULL CHECK (revoke_max_percentage BETWEEN 0 AND 100),
    num_revocations_applied INTEGER NOT NULL CHECK (num_revocations_applied >= 0),
    salesforce_opportunity_line_item TEXT,
    product_id INTEGER NOT NULL REFERENCES product,
    for_internal_use_only INTEGER NOT NULL,
    can_freeze_unused_licenses INTEGER NOT NULL,
    last_freeze_timestamp INTEGER,
    should_auto_apply_licenses INTEGER,
    desired_num_licenses INTEGER,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    CONSTRAINT subscription_plan_title UNIQUE (customer_agreement_uuid, title)
) STRICT;
-- Lists of plans, the latest start first.
CREATE INDEX subscription_plan_by_start ON subscription_plan (start_date DESC, uuid);

CREATE TABLE license (
    uuid TEXT NOT NULL PRIMARY KEY,
    subscription_plan_uuid TEXT NOT NULL REFERENCES subscription_plan,
    status TEXT NOT NULL,
    user_email TEXT,
    lms_user_id INTEGER,
    activation_key TEXT,
    assigned_date INTEGER,
    activation_date INTEGER,
    last_remind_date INTEGER,
    revoked_date INTEGER,
    renewed_to_uuid TEXT CONSTRAINT license_renewed_to UNIQUE REFERENCES license,
    auto_applied INTEGER,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    -- A state carries its data: what the domain's LicenseState spells as a type.
    CONSTRAINT license_state CHECK (CASE status
        WHEN 'unassigned' THEN coalesce(user_email, lms_user_id, activation_key, assigned_date, activation_date,
                                        last_remind_date, revoked_date) IS NULL
        WHEN 'assigned' THEN user_email IS NOT NULL AND activation_key IS NOT NULL AND assigned_date IS NOT NULL
                             AND activation_date IS NULL AND revoked_date IS NULL
        WHEN 'activated' THEN user_email IS NOT NULL AND activation_key IS NOT NULL AND assigned_date IS NOT NULL
                              AND activation_date IS NOT NULL AND revoked_date IS NULL
        WHEN 'revoked' THEN revoked_date IS NOT NULL
        ELSE false
    END)
) STRICT;
-- A person has at most one live license of a plan.
CREATE UNIQUE INDEX license_one_live_per_email ON license (subscription_plan_uuid, user_email)
    WHERE status IN ('assigned', 'activated');
-- Claiming takes the free licenses of a plan in the order of their ids.
CREATE INDEX license_unassigned ON license (subscription_plan_uuid, uuid) WHERE status = 'unassigned';
-- Streams read the licenses that were ever handed out in the order of their ids.
CREATE INDEX license_handed_out ON license (subscription_plan_uuid, uuid) WHERE status <> 'unassigned';
-- Pages of a plan's licenses in the usual order, and counts by status from the index alone.
CREATE INDEX license_by_plan ON license (subscription_plan_uuid, status, user_email, uuid);
CREATE INDEX license_by_email ON license (user_email) WHERE user_email IS NOT NULL;
CREATE INDEX license_by_lms_user ON license (lms_user_id) WHERE lms_user_id IS NOT NULL;
CREATE INDEX license_by_activation_key ON license (activation_key) WHERE activation_key IS NOT NULL;

CREATE TABLE license_source (
    license_uuid TEXT NOT NULL PRIMARY KEY REFERENCES license ON DELETE CASCADE,
    source_id TEXT NOT NULL CHECK (length(source_id) = 18),
    source_type TEXT NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT;

CREATE TABLE subscription_plan_renewal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    prior_subscription_plan_uuid TEXT NOT NULL CONSTRAINT renewal_prior_plan UNIQUE REFERENCES subscription_plan,
    renewed_subscription_plan_uuid TEXT CONSTRAINT renewal_renewed_plan UNIQUE REFERENCES subscription_plan,
    salesforce_opportunity_id TEXT,
    number_of_licenses INTEGER NOT NULL CHECK (number_of_licenses > 0),
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

-- Whoever has called, by the user name in their token.
CREATE TABLE users (
    username TEXT NOT NULL PRIMARY KEY,
    email TEXT,
    is_staff INTEGER NOT NULL,
    is_superuser INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT;

CREATE TABLE role_assignment (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('enterprise_subscriptions_admin', 'enterprise_subscriptions_learner')),
    enterprise_customer_uuid TEXT,
    created INTEGER NOT NULL
) STRICT;
-- Two assignments without a customer are the same one.
CREATE UNIQUE INDEX role_assignment_once ON role_assignment (username, role, coalesce(enterprise_customer_uuid, ''));

-- What is owed to the outside. position is the order of promising, which deliveries of one license keep.
CREATE TABLE outbox (
    uuid TEXT NOT NULL UNIQUE,
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    license_uuid TEXT,
    subscription_plan_uuid TEXT NOT NULL,
    enterprise_customer_uuid TEXT NOT NULL,
    payload TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;

-- Work on a plan that is too large for a request.
CREATE TABLE plan_job (
    subscription_plan_uuid TEXT NOT NULL REFERENCES subscription_plan,
    kind TEXT NOT NULL,
    requested_by TEXT,
    requested_at INTEGER NOT NULL,
    -- A job that failed rests until then, so that it does not hold up the others.
    not_before INTEGER NOT NULL,
    PRIMARY KEY (subscription_plan_uuid, kind)
) STRICT;

-- History: after every change a copy of the whole row, with when, who, kind (+ new, ~ changed, - deleted) and why.
-- The copied columns stand in the same order as in the table they are copied from.
-- No foreign keys: history outlives what it tells of.

CREATE TABLE product_history (
    history_id INTEGER PRIMARY KEY AUTOINCREMENT,
    history_date INTEGER NOT NULL,
    history_user TEXT,
    history_type TEXT NOT NULL,
    history_change_reason TEXT,
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    netsuite_id INTEGER,
    salesforce_product_id TEXT,
    plan_type_id INTEGER NOT NULL
) STRICT;
CREATE INDEX product_history_by_row ON product_history (id, history_date);

CREATE TABLE customer_agreement_history (
    history_id INTEGER PRIMARY KEY AUTOINCREMENT,
    history_date INTEGER NOT NULL,
    history_user TEXT,
    history_type TEXT NOT NULL,
    history_change_reason TEXT,
    uuid TEXT NOT NULL,
    enterprise_customer_uuid TEXT NOT NULL,
    enterprise_customer_slug TEXT,
    enterprise_customer_name TEXT,
    default_enterprise_catalog_uuid TEXT,
    disable_expiration_notifications INTEGER NOT NULL,
    disable_onboarding_notifications INTEGER NOT NULL,
    license_duration_before_purge_seconds INTEGER NOT NULL,
    enable_auto_applied_subscriptions_with_universal_link INTEGER NOT NULL,
    enable_auto_scaling_of_current_plan INTEGER NOT NULL,
    auto_scaling_max_licenses INTEGER,
    auto_scaling_threshold_percentage INTEGER,
    auto_scaling_increment_percentage INTEGER,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT;
CREATE INDEX customer_agreement_history_by_row ON customer_agreement_history (uuid, history_date);

CREATE TABLE expiration_message_history (
    history_id INTEGER PRIMARY KEY AUTOINCREMENT,
    history_date INTEGER NOT NULL,
    history_user TEXT,
    history_type TEXT NOT NULL,
    history_change_reason TEXT,
    customer_agreement_uuid TEXT NOT NULL,
    modal_header_text TEXT NOT NULL,
    modal_messaging TEXT NOT NULL,
    button_label TEXT NOT NULL,
    button_url TEXT NOT NULL
) STRICT;
CREATE INDEX expiration_message_history_by_row ON expiration_message_history (customer_agreement_uuid, history_date);

CREATE TABLE subscription_plan_history (
    history_id INTEGER PRIMARY KEY AUTOINCREMENT,
    history_date INTEGER NOT NULL,
    history_user TEXT,
    history_type TEXT NOT NULL,
    history_change_reason TEXT,
    uuid TEXT NOT NULL,
    title TEXT NOT NULL,
    start_date INTEGER NOT NULL,
    expiration_date INTEGER NOT NULL,
    expiration_processed INTEGER NOT NULL,
    enterprise_catalog_uuid TEXT NOT NULL,
    customer_agreement_uuid TEXT NOT NULL,
    is_active INTEGER NOT NULL,
    is_revocation_cap_enabled INTEGER NOT NULL,
    revoke_max_percentage INTEGER NOT NULL,
    num_revocations_applied INTEGER NOT NULL,
    salesforce_opportunity_line_item TEXT,
    product_id INTEGER NOT NULL,
    for_internal_use_only INTEGER NOT NULL,
    can_freeze_unused_licenses INTEGER NOT NULL,
    last_freeze_timestamp INTEGER,
    should_auto_apply_licenses INTEGER,
    desired_num_licenses INTEGER,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT;
CREATE INDEX subscription_plan_history_by_row ON subscription_plan_history (uuid, history_date);

CREATE TABLE license_history (
    history_id INTEGER PRIMARY KEY AUTOINCREMENT,
    history_date INTEGER NOT NULL,
    history_user TEXT,
    history_type TEXT NOT NULL,
    history_change_reason TEXT,
    uuid TEXT NOT NULL,
    subscription_plan_uuid TEXT NOT NULL,
    status TEXT NOT NULL,
    user_email TEXT,
    lms_user_id INTEGER,
    activation_key TEXT,
    assigned_date INTEGER,
    activation_date INTEGER,
    last_remind_date INTEGER,
    revoked_date INTEGER,
    renewed_to_uuid TEXT,
    auto_applied INTEGER,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT;
CREATE INDEX license_history_by_row ON license_history (uuid, history_date);

CREATE TABLE license_source_history (
    history_id INTEGER PRIMARY KEY AUTOINCREMENT,
    history_date INTEGER NOT NULL,
    history_user TEXT,
    history_type TEXT NOT NULL,
    history_change_reason TEXT,
    license_uuid TEXT NOT NULL,
    source_id TEXT NOT NULL,
    source_type TEXT NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT;
CREATE INDEX license_source_history_by_row ON license_source_history (license_uuid, history_date);
