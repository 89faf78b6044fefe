-- A database of the Django license manager with :LICENSES licenses and three versions of each, for measuring. Ids are char(32).

SET SESSION sql_mode = '';
INSERT INTO django_migrations (app, name, applied) VALUES ('subscriptions', '0078_alter', '2026-01-01');
INSERT INTO subscriptions_plantype VALUES (1, 'Standard Paid', 'paid', 1, 1, 1, 0);
INSERT INTO subscriptions_product (id, name, description, plan_type_id) VALUES (1, 'B2B Paid', 'B2B', 1);
INSERT INTO core_user (id, username, email, is_active, date_joined) VALUES (1, 'amy', 'amy@example.com', 1, '2025-01-01');
INSERT INTO subscriptions_customeragreement
    (uuid, created, modified, enterprise_customer_uuid, license_duration_before_purge)
SELECT md5(concat('agreement', seq)), '2025-01-01', '2025-01-01', md5(concat('customer', seq)), 7776000000000 FROM seq_1_to_100;
INSERT INTO subscriptions_subscriptionplan
    (uuid, created, modified, title, start_date, expiration_date, enterprise_catalog_uuid, customer_agreement_id, is_active, product_id,
     revoke_max_percentage)
SELECT md5(concat('plan', seq)), '2025-01-01', '2025-01-01', 'Plan', '2025-01-01', '2027-01-01', md5('catalog'),
    md5(concat('agreement', seq)), 1, 1, 5 FROM seq_1_to_100;
INSERT INTO subscriptions_license
    (uuid, created, modified, status, user_email, lms_user_id, subscription_plan_id, activation_key, assigned_date, activation_date,
     last_remind_date)
SELECT md5(concat('license', seq)), '2025-01-02', '2025-01-02', 'activated', concat('learner', seq, '@example.com'), seq,
    md5(concat('plan', 1 + seq % 100)), md5(concat('key', seq)), '2025-01-03', '2025-01-05', '2025-01-03'
FROM seq_1_to_:LICENSES;
INSERT INTO subscriptions_historicallicense
    (history_date, history_type, history_user_id, uuid, created, modified, status, subscription_plan_id)
SELECT '2025-01-02', '+', 1, md5(concat('license', seq)), '2025-01-02', '2025-01-02', 'unassigned', md5(concat('plan', 1 + seq % 100))
FROM seq_1_to_:LICENSES;
INSERT INTO subscriptions_historicallicense
    (history_date, history_type, history_user_id, uuid, created, modified, status, subscription_plan_id, user_email, activation_key,
     assigned_date, last_remind_date)
SELECT '2025-01-03', '~', 1, md5(concat('license', seq)), '2025-01-02', '2025-01-02', 'assigned', md5(concat('plan', 1 + seq % 100)),
    concat('learner', seq, '@example.com'), md5(concat('key', seq)), '2025-01-03', '2025-01-03' FROM seq_1_to_:LICENSES;
INSERT INTO subscriptions_historicallicense
    (history_date, history_type, history_user_id, uuid, created, modified, status, subscription_plan_id, user_email, activation_key,
     assigned_date, last_remind_date, activation_date, lms_user_id)
SELECT '2025-01-05 00:00:00.5', '~', 1, md5(concat('license', seq)), '2025-01-02', '2025-01-02', 'activated',
    md5(concat('plan', 1 + seq % 100)), concat('learner', seq, '@example.com'), md5(concat('key', seq)), '2025-01-03', '2025-01-03',
    '2025-01-05', seq FROM seq_1_to_:LICENSES;
