//! The tables of `migrations/postgres`, column by column in the order they stand there.

diesel::table! {
    plan_type (id) {
        id -> Integer,
        label -> Text,
        description -> Text,
        is_paid_subscription -> Bool,
        ns_id_required -> Bool,
        sf_id_required -> Bool,
        internal_use_only -> Bool,
    }
}

diesel::table! {
    product (id) {
        id -> Integer,
        name -> Text,
        description -> Text,
        netsuite_id -> Nullable<Integer>,
        salesforce_product_id -> Nullable<Text>,
        plan_type_id -> Integer,
    }
}

diesel::table! {
    customer_agreement (uuid) {
        uuid -> Uuid,
        enterprise_customer_uuid -> Uuid,
        enterprise_customer_slug -> Nullable<Text>,
        enterprise_customer_name -> Nullable<Text>,
        default_enterprise_catalog_uuid -> Nullable<Uuid>,
        disable_expiration_notifications -> Bool,
        disable_onboarding_notifications -> Bool,
        license_duration_before_purge_seconds -> BigInt,
        enable_auto_applied_subscriptions_with_universal_link -> Bool,
        enable_auto_scaling_of_current_plan -> Bool,
        auto_scaling_max_licenses -> Nullable<Integer>,
        auto_scaling_threshold_percentage -> Nullable<Integer>,
        auto_scaling_increment_percentage -> Nullable<Integer>,
        created -> Timestamptz,
        modified -> Timestamptz,
    }
}

diesel::table! {
    expiration_message (customer_agreement_uuid) {
        customer_agreement_uuid -> Uuid,
        modal_header_text -> Text,
        modal_messaging -> Text,
        button_label -> Text,
        button_url -> Text,
    }
}

diesel::table! {
    subscription_plan (uuid) {
        uuid -> Uuid,
        title -> Text,
        start_date -> Timestamptz,
        expiration_date -> Timestamptz,
        expiration_processed -> Bool,
        enterprise_catalog_uuid -> Uuid,
        customer_agreement_uuid -> Uuid,
        is_active -> Bool,
        is_revocation_cap_enabled -> Bool,
        revoke_max_percentage -> SmallInt,
        num_revocations_applied -> Integer,
        salesforce_opportunity_line_item -> Nullable<Text>,
        product_id -> Integer,
        for_internal_use_only -> Bool,
        can_freeze_unused_licenses -> Bool,
        last_freeze_timestamp -> Nullable<Timestamptz>,
        should_auto_apply_licenses -> Nullable<Bool>,
        desired_num_licenses -> Nullable<Integer>,
        created -> Timestamptz,
        modified -> Timestamptz,
    }
}

diesel::table! {
    license (uuid) {
        uuid -> Uuid,
        subscription_plan_uuid -> Uuid,
        status -> Text,
        user_email -> Nullable<Text>,
        lms_user_id -> Nullable<BigInt>,
        activation_key -> Nullable<Uuid>,
        assigned_date -> Nullable<Timestamptz>,
        activation_date -> Nullable<Timestamptz>,
        last_remind_date -> Nullable<Timestamptz>,
        revoked_date -> Nullable<Timestamptz>,
        renewed_to_uuid -> Nullable<Uuid>,
        auto_applied -> Nullable<Bool>,
        created -> Timestamptz,
        modified -> Timestamptz,
    }
}

diesel::table! {
    subscription_plan_renewal (id) {
        id -> BigInt,
        prior_subscription_plan_uuid -> Uuid,
        renewed_subscription_plan_uuid -> Nullable<Uuid>,
        salesforce_opportunity_id -> Nullable<Text>,
        number_of_licenses -> Integer,
        effective_date -> Timestamptz,
        renewed_expiration_date -> Timestamptz,
        processed -> Bool,
        processed_datetime -> Nullable<Timestamptz>,
        renewed_plan_title -> Nullable<Text>,
        license_types_to_copy -> Text,
        disable_auto_apply_licenses -> Bool,
        exempt_from_batch_processing -> Bool,
        created -> Timestamptz,
        modified -> Timestamptz,
    }
}

diesel::table! {
    license_transfer_job (id) {
        id -> BigInt,
        customer_agreement_uuid -> Uuid,
        old_subscription_plan_uuid -> Uuid,
        new_subscription_plan_uuid -> Uuid,
        notes -> Nullable<Text>,
        is_dry_run -> Bool,
        license_uuids -> Nullable<Text>,
        processed_results -> Text,
        completed_at -> Nullable<Timestamptz>,
        created -> Timestamptz,
        modified -> Timestamptz,
    }
}

diesel::table! {
    users (username) {
        username -> Text,
        email -> Nullable<Text>,
        is_staff -> Bool,
        is_superuser -> Bool,
        created -> Timestamptz,
        modified -> Timestamptz,
    }
}

diesel::table! {
    role_assignment (id) {
        id -> BigInt,
        username -> Text,
        role -> Text,
        enterprise_customer_uuid -> Nullable<Uuid>,
        created -> Timestamptz,
    }
}

diesel::table! {
    notification (id) {
        id -> BigInt,
        enterprise_customer_uuid -> Uuid,
        enterprise_customer_user_id -> BigInt,
        subscription_plan_uuid -> Uuid,
        notification_type -> Text,
        last_sent -> Timestamptz,
    }
}

diesel::table! {
    license_event (id) {
        id -> BigInt,
        license_uuid -> Uuid,
        event_name -> Text,
        created -> Timestamptz,
    }
}

diesel::table! {
    outbox (uuid) {
        uuid -> Uuid,
    }
}

diesel::table! {
    webhook (uuid) {
        uuid -> Uuid,
        url -> Text,
        secret -> Text,
        event_types -> Array<Text>,
        enterprise_customer_uuid -> Nullable<Uuid>,
        is_active -> Bool,
        rest_until -> Nullable<Timestamptz>,
        created_by -> Nullable<Text>,
        created -> Timestamptz,
        modified -> Timestamptz,
    }
}

diesel::table! {
    webhook_delivery (webhook_uuid, uuid) {
        webhook_uuid -> Uuid,
        uuid -> Uuid,
        position -> BigInt,
        event_type -> Text,
        state -> Text,
        attempts -> SmallInt,
        not_before -> Timestamptz,
        last_status -> Nullable<SmallInt>,
        last_error -> Nullable<Text>,
        created -> Timestamptz,
        delivered_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    plan_job (subscription_plan_uuid, kind) {
        subscription_plan_uuid -> Uuid,
        kind -> Text,
        requested_by -> Nullable<Text>,
        requested_at -> Timestamptz,
        not_before -> Timestamptz,
    }
}

diesel::table! {
    idempotency_key (username, key, operation) {
        username -> Text,
        key -> Text,
        operation -> Text,
        fingerprint -> Binary,
        owner -> Uuid,
        lease_until -> Timestamptz,
        created -> Timestamptz,
        status -> Nullable<SmallInt>,
        content_type -> Nullable<Text>,
        body -> Nullable<Binary>,
    }
}

diesel::table! {
    bulk_enrollment_job (uuid) {
        uuid -> Uuid,
        enterprise_customer_uuid -> Uuid,
        lms_user_id -> Nullable<BigInt>,
        parameters -> Text,
        results -> Nullable<Text>,
        created -> Timestamptz,
        modified -> Timestamptz,
        stage -> Text,
        enrolled_until -> Nullable<Uuid>,
        successes -> BigInt,
        pending -> BigInt,
        failures -> BigInt,
    }
}

diesel::joinable!(product -> plan_type (plan_type_id));
diesel::joinable!(expiration_message -> customer_agreement (customer_agreement_uuid));
diesel::joinable!(subscription_plan -> customer_agreement (customer_agreement_uuid));
diesel::joinable!(subscription_plan -> product (product_id));
diesel::joinable!(license -> subscription_plan (subscription_plan_uuid));
diesel::joinable!(plan_job -> subscription_plan (subscription_plan_uuid));
diesel::joinable!(license_transfer_job -> customer_agreement (customer_agreement_uuid));
diesel::joinable!(role_assignment -> users (username));

diesel::allow_tables_to_appear_in_same_query!(
    customer_agreement,
    expiration_message,
    license,
    license_transfer_job,
    plan_type,
    product,
    subscription_plan,
    subscription_plan_renewal,
);
diesel::allow_tables_to_appear_in_same_query!(plan_job, subscription_plan);
diesel::allow_tables_to_appear_in_same_query!(role_assignment, users);

/// A table whose every change is told in a second one, named like it with `_history` behind.
#[derive(Debug)]
pub(super) struct Recorded {
    /// The table.
    pub table: &'static str,
    /// Its primary key.
    pub key: &'static str,
    /// All its columns, in their order.
    pub columns: &'static str,
}

pub(super) const PRODUCT: Recorded = Recorded {
    table: "product",
    key: "id",
    columns: "id, name, description, netsuite_id, salesforce_product_id, plan_type_id",
};

pub(super) const CUSTOMER_AGREEMENT: Recorded = Recorded {
    table: "customer_agreement",
    key: "uuid",
    columns: "uuid, enterprise_customer_uuid, enterprise_customer_slug, enterprise_customer_name, \
              default_enterprise_catalog_uuid, disable_expiration_notifications, disable_onboarding_notifications, \
              license_duration_before_purge_seconds, enable_auto_applied_subscriptions_with_universal_link, \
              enable_auto_scaling_of_current_plan, auto_scaling_max_licenses, auto_scaling_threshold_percentage, \
              auto_scaling_increment_percentage, created, modified",
};

pub(super) const EXPIRATION_MESSAGE: Recorded = Recorded {
    table: "expiration_message",
    key: "customer_agreement_uuid",
    columns: "customer_agreement_uuid, modal_header_text, modal_messaging, button_label, button_url",
};

pub(super) const SUBSCRIPTION_PLAN: Recorded = Recorded {
    table: "subscription_plan",
    key: "uuid",
    columns: "uuid, title, start_date, expiration_date, expiration_processed, enterprise_catalog_uuid, \
              customer_agreement_uuid, is_active, is_revocation_cap_enabled, revoke_max_percentage, \
              num_revocations_applied, salesforce_opportunity_line_item, product_id, for_internal_use_only, \
              can_freeze_unused_licenses, last_freeze_timestamp, should_auto_apply_licenses, desired_num_licenses, \
              created, modified",
};

pub(super) const LICENSE: Recorded = Recorded {
    table: "license",
    key: "uuid",
    columns: "uuid, subscription_plan_uuid, status, user_email, lms_user_id, activation_key, assigned_date, \
              activation_date, last_remind_date, revoked_date, renewed_to_uuid, auto_applied, created, modified",
};

pub(super) const LICENSE_SOURCE: Recorded = Recorded {
    table: "license_source",
    key: "license_uuid",
    columns: "license_uuid, source_id, source_type, created, modified",
};

pub(super) const NOTIFICATION: Recorded = Recorded {
    table: "notification",
    key: "id",
    columns: "id, enterprise_customer_uuid, enterprise_customer_user_id, subscription_plan_uuid, notification_type, \
              last_sent, created, modified",
};

pub(super) const SUBSCRIPTION_PLAN_RENEWAL: Recorded = Recorded {
    table: "subscription_plan_renewal",
    key: "id",
    columns: "id, prior_subscription_plan_uuid, renewed_subscription_plan_uuid, salesforce_opportunity_id, \
              number_of_licenses, effective_date, renewed_expiration_date, processed, processed_datetime, \
              renewed_plan_title, license_types_to_copy, disable_auto_apply_licenses, exempt_from_batch_processing, \
              created, modified",
};

pub(super) const LICENSE_TRANSFER_JOB: Recorded = Recorded {
    table: "license_transfer_job",
    key: "id",
    columns: "id, customer_agreement_uuid, old_subscription_plan_uuid, new_subscription_plan_uuid, notes, is_dry_run, \
              license_uuids, processed_results, completed_at, created, modified",
};
