-- What happens in the database of oddities.sql after it was imported: changes that are recorded and others that are not.

SET SESSION sql_mode = '';
SET @u = '2025-06-01 10:00:00.654321';

-- 02 is activated, as the service does it.
UPDATE subscriptions_license SET status = 'activated', activation_date = @u, lms_user_id = 20, modified = @u WHERE uuid = REPEAT('02', 16);
INSERT INTO subscriptions_historicallicense
    (history_id, history_date, history_type, history_user_id, uuid, created, modified, status, user_email, lms_user_id,
     subscription_plan_id, activation_key, assigned_date, activation_date) VALUES
    (114, @u, '~', 2, REPEAT('02', 16), @u, @u, 'activated', 'ben@example.com', 20, REPEAT('b1', 16), REPEAT('e2', 16), '2025-03-02', @u);
-- 03 is revoked without a record, so 04, which was assigned after 05, keeps Cat.
UPDATE subscriptions_license SET status = 'revoked', revoked_date = @u WHERE uuid = REPEAT('03', 16);
-- 0e gets the address that 08 had, in bulk.
UPDATE subscriptions_license SET user_email = 'gil@example.com' WHERE uuid = REPEAT('0e', 16);
UPDATE subscriptions_license SET user_email = IF(uuid = REPEAT('08', 16), 'gil@example.com', 'eve@example.com')
WHERE uuid IN (REPEAT('08', 16), REPEAT('0e', 16));
-- 0d's person is retired: the license and old versions lose the person.
UPDATE subscriptions_license SET user_email = NULL, lms_user_id = NULL WHERE uuid = REPEAT('0d', 16);
UPDATE subscriptions_historicallicense SET user_email = NULL, lms_user_id = NULL WHERE uuid = REPEAT('0d', 16);
-- 0f and 05 are deleted in bulk, without a record.
DELETE FROM subscriptions_license WHERE uuid IN (REPEAT('0f', 16), REPEAT('05', 16));
-- A reminder in bulk, and two new licenses: one renews 02, one has no record.
UPDATE subscriptions_license SET last_remind_date = @u WHERE uuid IN (REPEAT('07', 16), REPEAT('01', 16));
INSERT INTO subscriptions_license (uuid, created, modified, status, user_email, lms_user_id, subscription_plan_id, activation_key, assigned_date, activation_date) VALUES
    (REPEAT('22', 16), @u, @u, 'activated', 'ben@example.com', 20, REPEAT('b2', 16), REPEAT('e2', 16), @u, '2026-01-01'),
    (REPEAT('23', 16), @u, @u, 'unassigned', NULL, NULL, REPEAT('b2', 16), NULL, NULL, NULL);
UPDATE subscriptions_license SET renewed_to_id = REPEAT('22', 16) WHERE uuid = REPEAT('02', 16);
INSERT INTO subscriptions_historicallicense
    (history_id, history_date, history_type, uuid, created, modified, status, user_email, lms_user_id, subscription_plan_id, activation_key,
     assigned_date, activation_date) VALUES
    (115, @u, '+', REPEAT('22', 16), @u, @u, 'activated', 'ben@example.com', 20, REPEAT('b2', 16), REPEAT('e2', 16), @u, '2026-01-01');
UPDATE subscriptions_license SET status = 'assigned', user_email = 'hal@example.com', assigned_date = @u, activation_key = REPEAT('ed', 16)
WHERE uuid = REPEAT('0c', 16);

-- Plans exchange their titles; one is deleted with its renewal, one is new.
UPDATE subscriptions_subscriptionplan SET title = IF(title = 'Big', 'Frozen', 'Big') WHERE title IN ('Big', 'Frozen');
DELETE FROM subscriptions_subscriptionplanrenewal WHERE id = 22;
UPDATE subscriptions_subscriptionplanrenewal SET renewed_subscription_plan_id = NULL, processed = 0 WHERE id = 23;
UPDATE subscriptions_subscriptionplan SET salesforce_opportunity_id = '006CCCCCCCCCCCCCCC' WHERE uuid = REPEAT('b6', 16);
DELETE FROM subscriptions_subscriptionplan WHERE uuid = REPEAT('b4', 16);
INSERT INTO subscriptions_subscriptionplan
    (uuid, created, modified, title, start_date, expiration_date, enterprise_catalog_uuid, customer_agreement_id, is_active, product_id, revoke_max_percentage)
VALUES (REPEAT('b7', 16), @u, @u, 'Inside', '2025-01-01', '2031-01-01', REPEAT('d1', 16), REPEAT('a3', 16), 1, 1, 5);
INSERT INTO subscriptions_historicalsubscriptionplan
    (history_id, history_date, history_type, history_user_id, history_change_reason, uuid, created, modified, title, start_date,
     expiration_date, enterprise_catalog_uuid, customer_agreement_id, is_active, product_id, revoke_max_percentage) VALUES
    (14, @u, '+', 2, 'new', REPEAT('b7', 16), @u, @u, 'Inside', '2025-01-01', '2031-01-01', REPEAT('d1', 16), REPEAT('a3', 16), 1, 1, 5),
    (15, @u, '~', 2, 'other', REPEAT('b2', 16), @u, @u, 'Plan - Renewal', '2026-01-01', '2027-01-01', REPEAT('d1', 16), REPEAT('a2', 16), 1, 8, 100);
INSERT INTO subscriptions_subscriptionplanrenewal
    (id, created, modified, number_of_licenses, effective_date, renewed_expiration_date, processed, prior_subscription_plan_id, license_types_to_copy)
VALUES (24, @u, @u, 3, '2031-01-01', '2032-01-01', 0, REPEAT('b7', 16), 'activated');

-- Agreements: slugs are exchanged, a message is switched on, another off.
UPDATE subscriptions_customeragreement SET enterprise_customer_slug = NULL WHERE uuid = REPEAT('a4', 16);
UPDATE subscriptions_customeragreement SET enterprise_customer_slug = 'fourth' WHERE uuid = REPEAT('a3', 16);
UPDATE subscriptions_customeragreement SET enterprise_customer_slug = 'third' WHERE uuid = REPEAT('a4', 16);
UPDATE subscriptions_customsubscriptionexpirationmessaging SET has_custom_license_expiration_messaging = 1 - has_custom_license_expiration_messaging
WHERE id IN (1, 2);

UPDATE subscriptions_product SET netsuite_id = 107 WHERE id = 1;
DELETE FROM subscriptions_subscriptionlicensesource WHERE id = 2;
INSERT INTO subscriptions_subscriptionlicensesource (id, created, modified, source_id, license_id, source_type_id)
VALUES (4, @u, @u, '006DDDDDDDDDDDDDDD', REPEAT('22', 16), 1);
DELETE FROM subscriptions_licenseevent WHERE id IN (5, 7);
INSERT INTO subscriptions_licenseevent (id, created, modified, event_name, license_id) VALUES (8, @u, @u, 'done', REPEAT('22', 16));
UPDATE subscriptions_licensetransferjob SET notes = 'more' WHERE id = 32;
DELETE FROM subscriptions_licensetransferjob WHERE id = 33;
UPDATE subscriptions_notification SET last_sent = @u WHERE id = 41;
UPDATE core_user SET email = 'amy@other.example' WHERE id = 2;
UPDATE core_user SET is_active = 1 WHERE id = 3;
UPDATE core_user SET last_login = @u WHERE id = 4;
DELETE FROM core_user_groups;
INSERT INTO core_user (id, username, email, is_superuser, is_staff, is_active, date_joined) VALUES (5, 'new', 'new@example.com', 0, 0, 1, @u);
INSERT INTO subscriptions_subscriptionsroleassignment (id, created, modified, user_id, role_id) VALUES (10, @u, @u, 5, 1);
DELETE FROM subscriptions_subscriptionsroleassignment WHERE id IN (1, 2);
INSERT INTO api_bulkenrollmentjob (uuid, created, modified, enterprise_customer_uuid, lms_user_id) VALUES (REPEAT('f3', 16), @u, @u, REPEAT('c2', 16), 8);
