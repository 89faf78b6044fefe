-- Entities as docs/RULES.md lists them. Uniqueness rules carry names: crates/adapters maps a name to the domain's conflict.
-- Text that lists sort by has the collation "C", so that every database sorts alike.

CREATE TABLE plan_type (
    id integer PRIMARY KEY,
    label text NOT NULL,
    description text NOT NULL,
    is_paid_subscription boolean NOT NULL,
    ns_id_required boolean NOT NULL,
    sf_id_required boolean NOT NULL,
    internal_use_only boolean NOT NULL
);

CREATE TABLE product (
    id integer PRIMARY KEY,
    name text NOT NULL,
    description text NOT NULL,
    netsuite_id integer CONSTRAINT product_netsuite_id UNIQUE,
    salesforce_product_id text,
    plan_type_id integer NOT NULL REFERENCES plan_type
);

CREATE TABLE customer_agreement (
    uuid uuid PRIMARY KEY,
    enterprise_customer_uuid uuid NOT NULL CONSTRAINT customer_agreement_customer UNIQUE,
    enterprise_customer_slug text CONSTRAINT customer_agreement_slug UNIQUE,
    enterprise_customer_name text,
    default_enterprise_catalog_uuid uuid,
    disable_expiration_notifications boolean NOT NULL,
    disable_onboarding_notifications boolean NOT NULL,
    license_duration_before_purge_seconds bigint NOT NULL,
    enable_auto_applied_subscriptions_with_universal_link boolean NOT NULL,
    enable_auto_scaling_of_current_plan boolean NOT NULL,
    auto_scaling_max_licenses integer,
    auto_scaling_threshold_percentage integer CHECK (auto_scaling_threshold_percentage BETWEEN 1 AND 100),
    auto_scaling_increment_percentage integer CHECK (auto_scaling_increment_percentage BETWEEN 1 AND 100),
    created timestamptz NOT NULL,
    modified timestamptz NOT NULL
);

CREATE TABLE expiration_message (
    customer_agreement_uuid uuid PRIMARY KEY REFERENCES customer_agreement ON DELETE CASCADE,
    modal_header_text text NOT NULL,
    modal_messaging text NOT NULL,
    button_label text NOT NULL,
    button_url text NOT NULL
);

CREATE TABLE subscription_plan (
    uuid uuid PRIMARY KEY,
    title text NOT NULL,
    start_date timestamptz NOT NULL,
    expiration_date timestamptz NOT NULL,
    expiration_processed boolean NOT NULL,
    enterprise_catalog_uuid uuid NOT NULL,
    customer_agreement_uuid uuid NOT NULL REFERENCES customer_agreement,
    is_active boolean NOT NULL,
    is_revocation_cap_enabled boolean NOT NULL,
    revoke_max_percentage smallint NOT NULL CHECK (revoke_max_percentage BETWEEN 0 AND 100),
    num_revocations_applied integer NOT NULL CHECK (num_revocations_applied >= 0),
    salesforce_opportunity_line_item text,
    product_id integer NOT NULL REFERENCES product,
    for_internal_use_only boolean NOT NULL,
    can_freeze_unused_licenses boolean NOT NULL,
    last_freeze_timestamp timestamptz,
    should_auto_apply_licenses boolean,
    desired_num_licenses integer,
    created timestamptz NOT NULL,
    modified timestamptz NOT NULL,
    CONSTRAINT subscription_plan_title UNIQUE (customer_agreement_uuid, title)
);
-- Lists of plans, the latest start first.
CREATE INDEX subscription_plan_by_start ON subscription_plan (start_date DESC, uuid);

CREATE TABLE license (
    uuid uuid PRIMARY KEY,
    subscription_plan_uuid uuid NOT NULL REFERENCES subscription_plan,
    status text COLLATE "C" NOT NULL,
    user_email text COLLATE "C",
    lms_user_id bigint,
    activation_key uuid,
    assigned_date timestamptz,
    activation_date timestamptz,
    last_remind_date timestamptz,
    revoked_date timestamptz,
    renewed_to_uuid uuid REFERENCES license,
    auto_applied boolean,
    created timestamptz NOT NULL,
    modified timestamptz NOT NULL,
    -- A state carries its data: what the domain's LicenseState spells as a type.
    CONSTRAINT license_state CHECK (CASE status
        WHEN 'unassigned' THEN num_nonnulls(user_email, lms_user_id, activation_key, assigned_date, activation_date,
                                            last_remind_date, revoked_date) = 0
        WHEN 'assigned' THEN num_nulls(user_email, activation_key, assigned_date) = 0
                             AND num_nonnulls(activation_date, revoked_date) = 0
        WHEN 'activated' THEN num_nulls(user_email, activation_key, assigned_date, activation_date) = 0
                              AND revoked_date IS NULL
        WHEN 'revoked' THEN revoked_date IS NOT NULL
        ELSE false
    END)
);
-- A person has at most one live license of a plan.
CREATE UNIQUE INDEX license_one_live_per_email ON license (subscription_plan_uuid, user_email)
    WHERE status IN ('assigned', 'activated');
-- Claiming takes the free licenses of a plan in the order of their ids.
CREATE INDEX license_unassigned ON license (subscription_plan_uuid, uuid) WHERE status = 'unassigned';
-- Streaming what a plan ever handed out, in the order of the ids.
CREATE INDEX license_handed_out ON license (subscription_plan_uuid, uuid) WHERE status <> 'unassigned';
-- Pages of a plan's licenses in the usual order, and counts by status from the index alone.
CREATE INDEX license_by_plan ON license (subscription_plan_uuid, status, user_email NULLS FIRST, uuid);
CREATE INDEX license_by_email ON license (user_email) WHERE user_email IS NOT NULL;
CREATE INDEX license_by_lms_user ON license (lms_user_id) WHERE lms_user_id IS NOT NULL;
CREATE UNIQUE INDEX license_renewed_to ON license (renewed_to_uuid) WHERE renewed_to_uuid IS NOT NULL;
CREATE INDEX license_by_activation_key ON license (activation_key) WHERE activation_key IS NOT NULL;

CREATE TABLE license_source (
    license_uuid uuid PRIMARY KEY REFERENCES license ON DELETE CASCADE,
    source_id text NOT NULL CHECK (length(source_id) = 18),
    source_type text NOT NULL,
    created timestamptz NOT NULL,
    modified timestamptz NOT NULL
);

CREATE TABLE subscription_plan_renewal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    prior_subscription_plan_uuid uuid NOT NULL CONSTRAINT renewal_prior_plan UNIQUE REFERENCES subscription_plan,
    renewed_subscription_plan_uuid uuid CONSTRAINT renewal_renewed_plan UNIQUE REFERENCES subscription_plan,
    salesforce_opportunity_id text,
    number_of_licenses integer NOT NULL CHECK (number_of_licenses > 0),
    effective_date timestamptz NOT NULL,
    renewed_expiration_date timestamptz NOT NULL,
    processed boolean NOT NULL,
    processed_datetime timestamptz,
    renewed_plan_title text,
    license_types_to_copy text NOT NULL,
    disable_auto_apply_licenses boolean NOT NULL,
    exempt_from_batch_processing boolean NOT NULL,
    created timestamptz NOT NULL,
    modified timestamptz NOT NULL
);

-- Whoever has called, by the user name in their token.
CREATE TABLE users (
    username text PRIMARY KEY,
    email text,
    is_staff boolean NOT NULL,
    is_superuser boolean NOT NULL DEFAULT false,
    created timestamptz NOT NULL,
    modified timestamptz NOT NULL
);

CREATE TABLE role_assignment (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username text NOT NULL REFERENCES users ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('enterprise_subscriptions_admin', 'enterprise_subscriptions_learner')),
    enterprise_customer_uuid uuid,
    created timestamptz NOT NULL,
    CONSTRAINT role_assignment_once UNIQUE NULLS NOT DISTINCT (username, role, enterprise_customer_uuid)
);

-- What is owed to the outside. position is the order of promising, which deliveries of one license keep.
CREATE TABLE outbox (
    uuid uuid PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT outbox_position UNIQUE,
    topic text NOT NULL,
    license_uuid uuid,
    subscription_plan_uuid uuid NOT NULL,
    enterprise_customer_uuid uuid NOT NULL,
    payload text NOT NULL,
    created timestamptz NOT NULL
);

-- Work on a plan that is too large for a request.
CREATE TABLE plan_job (
    subscription_plan_uuid uuid NOT NULL REFERENCES subscription_plan,
    kind text NOT NULL,
    requested_by text,
    requested_at timestamptz NOT NULL,
    -- A job that failed rests until then, so that it does not hold up the others.
    not_before timestamptz NOT NULL,
    PRIMARY KEY (subscription_plan_uuid, kind)
);

-- History: after every change a copy of the whole row, with when, who, kind (+ new, ~ changed, - deleted) and why.
-- No foreign keys: history outlives what it tells of.

CREATE TABLE product_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    history_date timestamptz NOT NULL,
    history_user text,
    history_type char(1) NOT NULL,
    history_change_reason text,
    LIKE product
);
CREATE INDEX product_history_by_row ON product_history (id, history_date);

CREATE TABLE customer_agreement_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    history_date timestamptz NOT NULL,
    history_user text,
    history_type char(1) NOT NULL,
    history_change_reason text,
    LIKE customer_agreement
);
CREATE INDEX customer_agreement_history_by_row ON customer_agreement_history (uuid, history_date);

CREATE TABLE expiration_message_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    history_date timestamptz NOT NULL,
    history_user text,
    history_type char(1) NOT NULL,
    history_change_reason text,
    LIKE expiration_message
);
CREATE INDEX expiration_message_history_by_row ON expiration_message_history (customer_agreement_uuid, history_date);

CREATE TABLE subscription_plan_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    history_date timestamptz NOT NULL,
    history_user text,
    history_type char(1) NOT NULL,
    history_change_reason text,
    LIKE subscription_plan
);
CREATE INDEX subscription_plan_history_by_row ON subscription_plan_history (uuid, history_date);

CREATE TABLE license_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    history_date timestamptz NOT NULL,
    history_user text,
    history_type char(1) NOT NULL,
    history_change_reason text,
    LIKE license
);
CREATE INDEX license_history_by_row ON license_history (uuid, history_date);

CREATE TABLE license_source_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    history_date timestamptz NOT NULL,
    history_user text,
    history_type char(1) NOT NULL,
    history_change_reason text,
    LIKE license_source
);
CREATE INDEX license_source_history_by_row ON license_source_history (license_uuid, history_date);
