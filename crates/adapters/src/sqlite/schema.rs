//! The tables of migrations/sqlite as diesel's query builder sees them. Where no query builder is used they are not listed.

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
        uuid -> Text,
        enterprise_customer_uuid -> Text,
        enterprise_customer_slug -> Nullable<Text>,
        enterprise_customer_name -> Nullable<Text>,
        default_enterprise_catalog_uuid -> Nullable<Text>,
        disable_expiration_notifications -> Bool,
        disable_onboarding_notifications -> Bool,
        license_duration_before_purge_seconds -> BigInt,
        enable_auto_applied_subscriptions_with_universal_link -> Bool,
        enable_auto_scaling_of_current_plan -> Bool,
        auto_scaling_max_licenses -> Nullable<Integer>,
        auto_scaling_threshold_percentage -> Nullable<Integer>,
        auto_scaling_increment_percentage -> Nullable<Integer>,
        created -> BigInt,
        modified -> BigInt,
    }
}

diesel::table! {
    expiration_message (customer_agreement_uuid) {
        customer_agreement_uuid -> Text,
        modal_header_text -> Text,
        modal_messaging -> Text,
        button_label -> Text,
        button_url -> Text,
    }
}

diesel::table! {
    subscription_plan (uuid) {
        uuid -> Text,
        title -> Text,
        start_date -> BigInt,
        expiration_date -> BigInt,
        expiration_processed -> Bool,
        enterprise_catalog_uuid -> Text,
        customer_agreement_uuid -> Text,
        is_active -> Bool,
        is_revocation_cap_enabled -> Bool,
        revoke_max_percentage -> SmallInt,
        num_revocations_applied -> Integer,
        salesforce_opportunity_line_item -> Nullable<Text>,
        product_id -> Integer,
        for_internal_use_only -> Bool,
        can_freeze_unused_licenses -> Bool,
        last_freeze_timestamp -> Nullable<BigInt>,
        should_auto_apply_licenses -> Nullable<Bool>,
        desired_num_licenses -> Nullable<Integer>,
        created -> BigInt,
        modified -> BigInt,
    }
}

diesel::table! {
    license (uuid) {
        uuid -> Text,
        subscription_plan_uuid -> Text,
        status -> Text,
        user_email -> Nullable<Text>,
        lms_user_id -> Nullable<BigInt>,
        activation_key -> Nullable<Text>,
        assigned_date -> Nullable<BigInt>,
        activation_date -> Nullable<BigInt>,
        last_remind_date -> Nullable<BigInt>,
        revoked_date -> Nullable<BigInt>,
        renewed_to_uuid -> Nullable<Text>,
        auto_applied -> Nullable<Bool>,
        created -> BigInt,
        modified -> BigInt,
    }
}

diesel::table! {
    subscription_plan_renewal (id) {
        id -> BigInt,
        prior_subscription_plan_uuid -> Text,
        renewed_subscription_plan_uuid -> Nullable<Text>,
        salesforce_opportunity_id -> Nullable<Text>,
        number_of_licenses -> Integer,
        effective_date -> BigInt,
        renewed_expiration_date -> BigInt,
        processed -> Bool,
        processed_datetime -> Nullable<BigInt>,
        renewed_plan_title -> Nullable<Text>,
        license_types_to_copy -> Text,
        disable_auto_apply_licenses -> Bool,
        exempt_from_batch_processing -> Bool,
        created -> BigInt,
        modified -> BigInt,
    }
}

diesel::table! {
    license_transfer_job (id) {
        id -> BigInt,
        customer_agreement_uuid -> Text,
        old_subscription_plan_uuid -> Text,
        new_subscription_plan_uuid -> Text,
        notes -> Nullable<Text>,
        is_dry_run -> Bool,
        license_uuids -> Nullable<Text>,
        processed_results -> Text,
        completed_at -> Nullable<BigInt>,
        created -> BigInt,
        modified -> BigInt,
    }
}

diesel::table! {
    users (username) {
        username -> Text,
        email -> Nullable<Text>,
        is_staff -> Bool,
        is_superuser -> Bool,
        created -> BigInt,
        modified -> BigInt,
    }
}

diesel::table! {
    role_assignment (id) {
        id -> BigInt,
        username -> Text,
        role -> Text,
        enterprise_customer_uuid -> Nullable<Text>,
        created -> BigInt,
    }
}

diesel::table! {
    notification (id) {
        id -> BigInt,
        enterprise_customer_uuid -> Text,
        enterprise_customer_user_id -> BigInt,
        subscription_plan_uuid -> Text,
        notification_type -> Text,
        last_sent -> BigInt,
    }
}

diesel::table! {
    license_event (id) {
        id -> BigInt,
        license_uuid -> Text,
        event_name -> Text,
        created -> BigInt,
    }
}

diesel::table! {
    outbox (position) {
        uuid -> Text,
        position -> BigInt,
    }
}

diesel::table! {
    webhook (uuid) {
        uuid -> Text,
        url -> Text,
        secret -> Text,
        event_types -> Text,
        enterprise_customer_uuid -> Nullable<Text>,
        is_active -> Bool,
        rest_until -> Nullable<BigInt>,
        created_by -> Nullable<Text>,
        created -> BigInt,
        modified -> BigInt,
    }
}

diesel::table! {
    webhook_delivery (webhook_uuid, uuid) {
        webhook_uuid -> Text,
        uuid -> Text,
        position -> BigInt,
        event_type -> Text,
        state -> Text,
        attempts -> SmallInt,
        not_before -> BigInt,
        last_status -> Nullable<SmallInt>,
        last_error -> Nullable<Text>,
        created -> BigInt,
        delivered_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    plan_job (subscription_plan_uuid, kind) {
        subscription_plan_uuid -> Text,
        kind -> Text,
        requested_by -> Nullable<Text>,
        requested_at -> BigInt,
        not_before -> BigInt,
    }
}

diesel::table! {
    idempotency_key (username, key, operation) {
        username -> Text,
        key -> Text,
        operation -> Text,
        fingerprint -> Binary,
        owner -> Text,
        lease_until -> BigInt,
        created -> BigInt,
        status -> Nullable<Integer>,
        content_type -> Nullable<Text>,
        body -> Nullable<Binary>,
    }
}

diesel::table! {
    bulk_enrollment_job (uuid) {
        uuid -> Text,
        enterprise_customer_uuid -> Text,
        lms_user_id -> Nullable<BigInt>,
        parameters -> Text,
        results -> Nullable<Text>,
        created -> BigInt,
        modified -> BigInt,
        stage -> Text,
        enrolled_until -> Nullable<Text>,
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
diesel::joinable!(license_transfer_job -> customer_agreement (customer_agreement_uuid));
diesel::joinable!(role_assignment -> users (username));
diesel::allow_tables_to_appear_in_same_query!(
    plan_type,
    product,
    customer_agreement,
    expiration_message,
    subscription_plan,
    license,
    license_transfer_job,
    subscription_plan_renewal,
);
diesel::allow_tables_to_appear_in_same_query!(users, role_assignment);
