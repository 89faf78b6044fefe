//! The tables of `migrations/`, for both databases. Columns have the order of the migrations. Tables that only plain
//! SQL uses are left out.

use diesel::sql_types::{BigInt, Bool, Integer, Nullable, SmallInt, Text};

use crate::history::{Column, FromJson, TableWithHistory};
use crate::sql_types::{SqlTimestamp, SqlUuid};

/// Declares tables as `diesel::table!` does.
macro_rules! tables {
    ($($name:ident $key:tt $columns:tt)*) => {$(
        diesel::table! {
            use diesel::sql_types::*;
            use crate::sql_types::*;

            $name $key $columns
        }
    )*};
}

/// Declares tables, and a [`TableWithHistory`] for each.
macro_rules! tables_with_history {
    ($($constant:ident: $name:ident ($key:ident) { $($column:ident -> $type:ident $(<$inner:ident>)?,)* })*) => {$(
        tables! { $name ($key) { $($column -> $type $(<$inner>)?,)* } }

        pub(crate) const $constant: TableWithHistory = TableWithHistory {
            name: stringify!($name),
            key: stringify!($key),
            columns: &[$(Column { name: stringify!($column), read: <$type $(<$inner>)? as FromJson>::from_json }),*],
        };
    )*

        /// All tables with a history.
        pub(crate) const WITH_HISTORY: &[&TableWithHistory] = &[$(&$constant),*];
    };
}

tables_with_history! {
    PRODUCT: product (id) {
        id -> Integer,
        name -> Text,
        description -> Text,
        netsuite_id -> Nullable<Integer>,
        salesforce_product_id -> Nullable<Text>,
        plan_type_id -> Integer,
    }

    CUSTOMER_AGREEMENT: customer_agreement (uuid) {
        uuid -> SqlUuid,
        enterprise_customer_uuid -> SqlUuid,
        enterprise_customer_slug -> Nullable<Text>,
        enterprise_customer_name -> Nullable<Text>,
        default_enterprise_catalog_uuid -> Nullable<SqlUuid>,
        disable_expiration_notifications -> Bool,
        disable_onboarding_notifications -> Bool,
        license_duration_before_purge_seconds -> BigInt,
        enable_auto_applied_subscriptions_with_universal_link -> Bool,
        enable_auto_scaling_of_current_plan -> Bool,
        auto_scaling_max_licenses -> Nullable<Integer>,
        auto_scaling_threshold_percentage -> Nullable<Integer>,
        auto_scaling_increment_percentage -> Nullable<Integer>,
        created -> SqlTimestamp,
        modified -> SqlTimestamp,
    }

    EXPIRATION_MESSAGE: expiration_message (customer_agreement_uuid) {
        customer_agreement_uuid -> SqlUuid,
        modal_header_text -> Text,
        modal_messaging -> Text,
        button_label -> Text,
        button_url -> Text,
    }

    SUBSCRIPTION_PLAN: subscription_plan (uuid) {
        uuid -> SqlUuid,
        title -> Text,
        start_date -> SqlTimestamp,
        expiration_date -> SqlTimestamp,
        expiration_processed -> Bool,
        enterprise_catalog_uuid -> SqlUuid,
        customer_agreement_uuid -> SqlUuid,
        is_active -> Bool,
        is_revocation_cap_enabled -> Bool,
        revoke_max_percentage -> SmallInt,
        num_revocations_applied -> Integer,
        salesforce_opportunity_line_item -> Nullable<Text>,
        product_id -> Integer,
        for_internal_use_only -> Bool,
        can_freeze_unused_licenses -> Bool,
        last_freeze_timestamp -> Nullable<SqlTimestamp>,
        should_auto_apply_licenses -> Nullable<Bool>,
        desired_num_licenses -> Nullable<Integer>,
        created -> SqlTimestamp,
        modified -> SqlTimestamp,
    }

    LICENSE: license (uuid) {
        uuid -> SqlUuid,
        subscription_plan_uuid -> SqlUuid,
        status -> Text,
        user_email -> Nullable<Text>,
        lms_user_id -> Nullable<BigInt>,
        activation_key -> Nullable<SqlUuid>,
        assigned_date -> Nullable<SqlTimestamp>,
        activation_date -> Nullable<SqlTimestamp>,
        last_remind_date -> Nullable<SqlTimestamp>,
        revoked_date -> Nullable<SqlTimestamp>,
        renewed_to_uuid -> Nullable<SqlUuid>,
        auto_applied -> Nullable<Bool>,
        created -> SqlTimestamp,
        modified -> SqlTimestamp,
        renewed_from_uuid -> Nullable<SqlUuid>,
    }

    LICENSE_SOURCE: license_source (license_uuid) {
        license_uuid -> SqlUuid,
        source_id -> Text,
        source_type -> Text,
        created -> SqlTimestamp,
        modified -> SqlTimestamp,
    }

    SUBSCRIPTION_PLAN_RENEWAL: subscription_plan_renewal (id) {
        id -> BigInt,
        prior_subscription_plan_uuid -> SqlUuid,
        renewed_subscription_plan_uuid -> Nullable<SqlUuid>,
        salesforce_opportunity_id -> Nullable<Text>,
        number_of_licenses -> Integer,
        effective_date -> SqlTimestamp,
        renewed_expiration_date -> SqlTimestamp,
        processed -> Bool,
        processed_datetime -> Nullable<SqlTimestamp>,
        renewed_plan_title -> Nullable<Text>,
        license_types_to_copy -> Text,
        disable_auto_apply_licenses -> Bool,
        exempt_from_batch_processing -> Bool,
        created -> SqlTimestamp,
        modified -> SqlTimestamp,
    }

    LICENSE_TRANSFER_JOB: license_transfer_job (id) {
        id -> BigInt,
        customer_agreement_uuid -> SqlUuid,
        old_subscription_plan_uuid -> SqlUuid,
        new_subscription_plan_uuid -> SqlUuid,
        notes -> Nullable<Text>,
        is_dry_run -> Bool,
        license_uuids -> Nullable<Text>,
        processed_results -> Text,
        completed_at -> Nullable<SqlTimestamp>,
        created -> SqlTimestamp,
        modified -> SqlTimestamp,
    }

    NOTIFICATION: notification (id) {
        id -> BigInt,
        enterprise_customer_uuid -> SqlUuid,
        enterprise_customer_user_id -> BigInt,
        subscription_plan_uuid -> SqlUuid,
        notification_type -> Text,
        last_sent -> SqlTimestamp,
        created -> SqlTimestamp,
        modified -> SqlTimestamp,
    }

    LICENSE_EVENT: license_event (id) {
        id -> BigInt,
        license_uuid -> SqlUuid,
        event_name -> Text,
        created -> SqlTimestamp,
    }
}

tables! {
    plan_type (id) {
        id -> Integer,
        label -> Text,
        description -> Text,
        is_paid_subscription -> Bool,
        ns_id_required -> Bool,
        sf_id_required -> Bool,
        internal_use_only -> Bool,
    }

    users (username) {
        username -> Text,
        email -> Nullable<Text>,
        is_staff -> Bool,
        is_superuser -> Bool,
        created -> SqlTimestamp,
        modified -> SqlTimestamp,
    }

    role_assignment (id) {
        id -> BigInt,
        username -> Text,
        role -> Text,
        enterprise_customer_uuid -> Nullable<SqlUuid>,
        created -> SqlTimestamp,
    }

    outbox (uuid) {
        uuid -> SqlUuid,
    }

    // A view: the total of a plan, and the rows that are not in it.
    seat_count (subscription_plan_uuid) {
        subscription_plan_uuid -> SqlUuid,
        unassigned -> Integer,
        assigned -> Integer,
        activated -> Integer,
        revoked -> Integer,
    }

    outbox_words (uuid) {
        uuid -> SqlUuid,
        greeting -> Text,
        closing -> Text,
    }

    webhook (uuid) {
        uuid -> SqlUuid,
        url -> Text,
        secret -> Text,
        event_types -> SqlTextList,
        enterprise_customer_uuid -> Nullable<SqlUuid>,
        is_active -> Bool,
        rest_until -> Nullable<SqlTimestamp>,
        created_by -> Nullable<Text>,
        created -> SqlTimestamp,
        modified -> SqlTimestamp,
        previous_secret -> Nullable<Text>,
        previous_secret_until -> Nullable<SqlTimestamp>,
        switched_at -> Nullable<SqlTimestamp>,
        off_reason -> Nullable<Text>,
        dropped -> BigInt,
    }

    webhook_delivery (webhook_uuid, uuid) {
        webhook_uuid -> SqlUuid,
        uuid -> SqlUuid,
        position -> BigInt,
        event_type -> Text,
        state -> Text,
        attempts -> SmallInt,
        not_before -> SqlTimestamp,
        last_status -> Nullable<SmallInt>,
        last_error -> Nullable<Text>,
        created -> SqlTimestamp,
        delivered_at -> Nullable<SqlTimestamp>,
    }

    plan_job (subscription_plan_uuid, kind) {
        subscription_plan_uuid -> SqlUuid,
        kind -> Text,
        requested_by -> Nullable<Text>,
        requested_at -> SqlTimestamp,
        not_before -> SqlTimestamp,
        claimed_by -> Nullable<SqlUuid>,
        attempts -> SmallInt,
        reason -> Nullable<Text>,
        reminders -> Nullable<Text>,
        read_until -> Nullable<SqlUuid>,
    }

    idempotency_key (username, key, operation) {
        username -> Text,
        key -> Text,
        operation -> Text,
        fingerprint -> Binary,
        owner -> SqlUuid,
        lease_until -> SqlTimestamp,
        created -> SqlTimestamp,
        status -> Nullable<SmallInt>,
        content_type -> Nullable<Text>,
        body -> Nullable<Binary>,
        reserved -> Integer,
        compressed -> Nullable<Binary>,
    }

    console_session (id_hash) {
        id_hash -> Binary,
        uuid -> SqlUuid,
        username -> Text,
        roles -> Text,
        is_staff -> Bool,
        roles_until -> SqlTimestamp,
        renewing_until -> Nullable<SqlTimestamp>,
        refresh_token -> Nullable<Binary>,
        user_agent -> Text,
        created -> SqlTimestamp,
        last_used -> SqlTimestamp,
        provider_session -> Nullable<Text>,
        provider_subject -> Nullable<Text>,
    }

    console_logout (token_hash) {
        token_hash -> Binary,
        until -> SqlTimestamp,
    }

    staff_action (uuid) {
        uuid -> SqlUuid,
        created -> SqlTimestamp,
        username -> Nullable<Text>,
        reason -> Nullable<Text>,
        kind -> Text,
        subject -> Nullable<Text>,
        about_user -> Nullable<Text>,
        number -> BigInt,
    }

    bulk_enrollment_job (uuid) {
        uuid -> SqlUuid,
        enterprise_customer_uuid -> SqlUuid,
        lms_user_id -> Nullable<BigInt>,
        parameters -> Text,
        results -> Nullable<Text>,
        created -> SqlTimestamp,
        modified -> SqlTimestamp,
        stage -> Text,
        enrolled_until -> Nullable<SqlUuid>,
        successes -> BigInt,
        pending -> BigInt,
        failures -> BigInt,
        results_file -> Nullable<Text>,
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
