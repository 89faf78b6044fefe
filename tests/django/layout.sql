-- The tables of the Django license manager that an import reads, as its migration 0078 leaves them. @ID is the type of ids:
-- uuid on newer MariaDB, char(32) on MySQL and on databases made before; @LICENSE that of the tables of licenses, because both
-- occur in one database. Groups and permissions have the columns that are read.

SET SESSION sql_mode = '';

CREATE TABLE api_bulkenrollmentjob (
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    uuid @ID NOT NULL PRIMARY KEY,
    enterprise_customer_uuid @ID NOT NULL,
    lms_user_id int(11),
    results_s3_object_name varchar(255)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE core_user (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    password varchar(128) NOT NULL,
    last_login datetime(6),
    is_superuser tinyint(1) NOT NULL,
    username varchar(150) NOT NULL UNIQUE,
    first_name varchar(150) NOT NULL,
    last_name varchar(150) NOT NULL,
    email varchar(254) NOT NULL,
    is_staff tinyint(1) NOT NULL,
    is_active tinyint(1) NOT NULL,
    date_joined datetime(6) NOT NULL,
    full_name varchar(255)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE django_migrations (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    app varchar(255) NOT NULL,
    name varchar(255) NOT NULL,
    applied datetime(6) NOT NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE social_auth_usersocialauth (
    id bigint(20) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    provider varchar(32) NOT NULL,
    uid varchar(255) NOT NULL,
    user_id int(11) NOT NULL,
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    extra_data longtext NOT NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_customeragreement (
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    uuid @ID NOT NULL PRIMARY KEY,
    enterprise_customer_uuid @ID NOT NULL UNIQUE,
    enterprise_customer_slug varchar(128) UNIQUE,
    default_enterprise_catalog_uuid @ID,
    disable_expiration_notifications tinyint(1) NOT NULL,
    license_duration_before_purge bigint(20) NOT NULL,
    enterprise_customer_name varchar(255),
    disable_onboarding_notifications tinyint(1) NOT NULL,
    expired_subscription_modal_messaging longtext,
    has_custom_license_expiration_messaging tinyint(1) NOT NULL,
    enable_auto_applied_subscriptions_with_universal_link tinyint(1) NOT NULL,
    button_label_in_modal varchar(255),
    modal_header_text varchar(512),
    url_for_button_in_modal varchar(512),
    auto_scaling_increment_percentage int(11),
    auto_scaling_max_licenses int(11),
    auto_scaling_threshold_percentage int(11),
    enable_auto_scaling_of_current_plan tinyint(1) NOT NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_customsubscriptionexpirationmessaging (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    has_custom_license_expiration_messaging tinyint(1) NOT NULL,
    modal_header_text varchar(512),
    expired_subscription_modal_messaging longtext,
    button_label_in_modal varchar(255),
    url_for_button_in_modal varchar(512),
    customer_agreement_id @ID NOT NULL UNIQUE
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_historicalcustomeragreement (
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    uuid @ID NOT NULL,
    enterprise_customer_uuid @ID NOT NULL,
    enterprise_customer_slug varchar(128),
    default_enterprise_catalog_uuid @ID,
    history_id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    history_date datetime(6) NOT NULL,
    history_change_reason varchar(100),
    history_type varchar(1) NOT NULL,
    history_user_id int(11),
    disable_expiration_notifications tinyint(1) NOT NULL,
    license_duration_before_purge bigint(20) NOT NULL,
    enterprise_customer_name varchar(255),
    disable_onboarding_notifications tinyint(1) NOT NULL,
    expired_subscription_modal_messaging longtext,
    has_custom_license_expiration_messaging tinyint(1) NOT NULL,
    enable_auto_applied_subscriptions_with_universal_link tinyint(1) NOT NULL,
    button_label_in_modal varchar(255),
    modal_header_text varchar(512),
    url_for_button_in_modal varchar(512),
    auto_scaling_increment_percentage int(11),
    auto_scaling_max_licenses int(11),
    auto_scaling_threshold_percentage int(11),
    enable_auto_scaling_of_current_plan tinyint(1) NOT NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_historicalcustomsubscriptionexpirationmessaging (
    id int(11) NOT NULL,
    has_custom_license_expiration_messaging tinyint(1) NOT NULL,
    modal_header_text varchar(512),
    expired_subscription_modal_messaging longtext,
    button_label_in_modal varchar(255),
    url_for_button_in_modal varchar(512),
    history_id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    history_date datetime(6) NOT NULL,
    history_change_reason varchar(100),
    history_type varchar(1) NOT NULL,
    customer_agreement_id @ID,
    history_user_id int(11)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_historicallicense (
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    uuid @LICENSE NOT NULL,
    status varchar(25) NOT NULL,
    activation_date datetime(6),
    last_remind_date datetime(6),
    user_email varchar(254),
    lms_user_id int(11),
    history_id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    history_date datetime(6) NOT NULL,
    history_change_reason varchar(100),
    history_type varchar(1) NOT NULL,
    history_user_id int(11),
    subscription_plan_id @LICENSE,
    activation_key @LICENSE,
    assigned_date datetime(6),
    revoked_date datetime(6),
    renewed_to_id @LICENSE,
    auto_applied tinyint(1)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_historicallicensetransferjob (
    id int(11) NOT NULL,
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    completed_at datetime(6),
    notes longtext,
    is_dry_run tinyint(1) NOT NULL,
    delimiter varchar(8) NOT NULL,
    license_uuids_raw longtext,
    processed_results longtext,
    history_id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    history_date datetime(6) NOT NULL,
    history_change_reason varchar(100),
    history_type varchar(1) NOT NULL,
    customer_agreement_id @ID,
    history_user_id int(11),
    new_subscription_plan_id @ID,
    old_subscription_plan_id @ID,
    transfer_all tinyint(1) NOT NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_historicalnotification (
    id int(11) NOT NULL,
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    enterprise_customer_uuid @ID NOT NULL,
    enterprise_customer_user_uuid @ID NOT NULL,
    notification_type varchar(32) NOT NULL,
    last_sent datetime(6) NOT NULL,
    history_id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    history_date datetime(6) NOT NULL,
    history_change_reason varchar(100),
    history_type varchar(1) NOT NULL,
    history_user_id int(11),
    subscripton_plan_id @ID
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_historicalproduct (
    id int(11) NOT NULL,
    name varchar(128) NOT NULL,
    description varchar(255) NOT NULL,
    netsuite_id int(11),
    history_id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    history_date datetime(6) NOT NULL,
    history_change_reason varchar(100),
    history_type varchar(1) NOT NULL,
    history_user_id int(11),
    plan_type_id int(11),
    salesforce_product_id varchar(255)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_historicalsubscriptionlicensesource (
    id int(11) NOT NULL,
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    source_id varchar(18) NOT NULL,
    history_id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    history_date datetime(6) NOT NULL,
    history_change_reason varchar(100),
    history_type varchar(1) NOT NULL,
    history_user_id int(11),
    license_id @ID,
    source_type_id int(11)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_historicalsubscriptionplan (
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    uuid @ID NOT NULL,
    start_date datetime(6) NOT NULL,
    expiration_date datetime(6) NOT NULL,
    enterprise_catalog_uuid @ID NOT NULL,
    history_id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    history_date datetime(6) NOT NULL,
    history_change_reason varchar(100),
    history_type varchar(1) NOT NULL,
    history_user_id int(11),
    is_active tinyint(1) NOT NULL,
    title varchar(128) NOT NULL,
    salesforce_opportunity_id varchar(18),
    for_internal_use_only tinyint(1) NOT NULL,
    num_revocations_applied int(10) unsigned NOT NULL,
    revoke_max_percentage smallint(5) unsigned NOT NULL,
    customer_agreement_id @ID,
    expiration_processed tinyint(1) NOT NULL,
    is_revocation_cap_enabled tinyint(1) NOT NULL,
    can_freeze_unused_licenses tinyint(1) NOT NULL,
    last_freeze_timestamp datetime(6),
    should_auto_apply_licenses tinyint(1),
    product_id int(11),
    salesforce_opportunity_line_item varchar(18),
    desired_num_licenses int(10) unsigned
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_historicalsubscriptionplanrenewal (
    id int(11) NOT NULL,
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    salesforce_opportunity_id varchar(18),
    number_of_licenses int(10) unsigned NOT NULL,
    effective_date datetime(6) NOT NULL,
    renewed_expiration_date datetime(6) NOT NULL,
    processed tinyint(1) NOT NULL,
    history_id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    history_date datetime(6) NOT NULL,
    history_change_reason varchar(100),
    history_type varchar(1) NOT NULL,
    history_user_id int(11),
    prior_subscription_plan_id @ID,
    renewed_subscription_plan_id @ID,
    license_types_to_copy varchar(32) NOT NULL,
    processed_datetime datetime(6),
    renewed_plan_title varchar(128),
    disable_auto_apply_licenses tinyint(1) NOT NULL,
    exempt_from_batch_processing tinyint(1) NOT NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_license (
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    uuid @LICENSE NOT NULL PRIMARY KEY,
    status varchar(25) NOT NULL,
    activation_date datetime(6),
    last_remind_date datetime(6),
    user_email varchar(254),
    lms_user_id int(11),
    subscription_plan_id @LICENSE NOT NULL,
    activation_key @LICENSE,
    assigned_date datetime(6),
    revoked_date datetime(6),
    renewed_to_id @LICENSE UNIQUE,
    auto_applied tinyint(1)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_licenseevent (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    event_name varchar(255) NOT NULL,
    license_id @ID NOT NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_licensetransferjob (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    completed_at datetime(6),
    notes longtext,
    is_dry_run tinyint(1) NOT NULL,
    delimiter varchar(8) NOT NULL,
    license_uuids_raw longtext,
    processed_results longtext,
    customer_agreement_id @ID NOT NULL,
    new_subscription_plan_id @ID NOT NULL,
    old_subscription_plan_id @ID NOT NULL,
    transfer_all tinyint(1) NOT NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_notification (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    enterprise_customer_uuid @ID NOT NULL,
    enterprise_customer_user_uuid @ID NOT NULL,
    notification_type varchar(32) NOT NULL,
    last_sent datetime(6) NOT NULL,
    subscripton_plan_id @ID
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_plantype (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    label varchar(128) NOT NULL,
    description varchar(255) NOT NULL,
    is_paid_subscription tinyint(1) NOT NULL,
    ns_id_required tinyint(1) NOT NULL,
    sf_id_required tinyint(1) NOT NULL,
    internal_use_only tinyint(1) NOT NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_product (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name varchar(128) NOT NULL,
    description varchar(255) NOT NULL,
    netsuite_id int(11) UNIQUE,
    plan_type_id int(11) NOT NULL,
    salesforce_product_id varchar(255)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_subscriptionlicensesource (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    source_id varchar(18) NOT NULL,
    license_id @ID NOT NULL UNIQUE,
    source_type_id int(11) NOT NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_subscriptionlicensesourcetype (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    name varchar(64) NOT NULL,
    slug varchar(30) NOT NULL UNIQUE
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_subscriptionplan (
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    uuid @ID NOT NULL PRIMARY KEY,
    start_date datetime(6) NOT NULL,
    expiration_date datetime(6) NOT NULL,
    enterprise_catalog_uuid @ID NOT NULL,
    is_active tinyint(1) NOT NULL,
    title varchar(128) NOT NULL,
    salesforce_opportunity_id varchar(18),
    for_internal_use_only tinyint(1) NOT NULL,
    num_revocations_applied int(10) unsigned NOT NULL,
    revoke_max_percentage smallint(5) unsigned NOT NULL,
    customer_agreement_id @ID NOT NULL,
    expiration_processed tinyint(1) NOT NULL,
    is_revocation_cap_enabled tinyint(1) NOT NULL,
    can_freeze_unused_licenses tinyint(1) NOT NULL,
    last_freeze_timestamp datetime(6),
    should_auto_apply_licenses tinyint(1),
    product_id int(11),
    salesforce_opportunity_line_item varchar(18),
    desired_num_licenses int(10) unsigned
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_subscriptionplanrenewal (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    salesforce_opportunity_id varchar(18),
    number_of_licenses int(10) unsigned NOT NULL,
    effective_date datetime(6) NOT NULL,
    renewed_expiration_date datetime(6) NOT NULL,
    processed tinyint(1) NOT NULL,
    prior_subscription_plan_id @ID NOT NULL UNIQUE,
    renewed_subscription_plan_id @ID UNIQUE,
    license_types_to_copy varchar(32) NOT NULL,
    processed_datetime datetime(6),
    renewed_plan_title varchar(128),
    disable_auto_apply_licenses tinyint(1) NOT NULL,
    exempt_from_batch_processing tinyint(1) NOT NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_subscriptionsfeaturerole (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    name varchar(255) NOT NULL UNIQUE,
    description longtext
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE subscriptions_subscriptionsroleassignment (
    id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY,
    created datetime(6) NOT NULL,
    modified datetime(6) NOT NULL,
    enterprise_customer_uuid @ID,
    role_id int(11) NOT NULL,
    user_id int(11) NOT NULL,
    applies_to_all_contexts tinyint(1) NOT NULL
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE auth_group (id int PRIMARY KEY, name varchar(150) NOT NULL);
CREATE TABLE core_user_groups (id int PRIMARY KEY, user_id int NOT NULL, group_id int NOT NULL);
CREATE TABLE auth_permission (id int PRIMARY KEY, name varchar(255) NOT NULL, content_type_id int NOT NULL, codename varchar(100) NOT NULL);
CREATE TABLE core_user_user_permissions (id int PRIMARY KEY, user_id int NOT NULL, permission_id int NOT NULL);
