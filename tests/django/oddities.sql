-- A small database of the Django license manager with what its tables do not say: one row or more for each rule of the import.
-- Ids are written without hyphens, which both types of ids take. The names of rules stand before their rows.

SET SESSION sql_mode = '';
SET @t = '2025-03-01 10:00:00.123456';

INSERT INTO django_migrations (app, name, applied) VALUES ('subscriptions', '0078_alter', @t), ('api', '0001_initial', @t);

-- Users: 1 is a superuser, 2 an admin with roles, 3 is inactive and has flags and a role, 4 is staff in a group.
INSERT INTO core_user (id, username, email, is_superuser, is_staff, is_active, date_joined, last_login) VALUES
    (1, 'root', 'Root@Example.com', 1, 1, 1, @t, '2025-04-01 00:00:00'),
    (2, 'amy', 'amy@example.com', 0, 0, 1, @t, NULL),
    (3, 'gone', '', 1, 1, 0, @t, NULL),
    (4, 'desk', 'desk@example.com', 0, 1, 1, @t, NULL);
INSERT INTO auth_group VALUES (1, 'support');
INSERT INTO core_user_groups VALUES (1, 4, 1);
INSERT INTO auth_permission VALUES (1, 'Can view license', 1, 'view_license');
INSERT INTO core_user_user_permissions VALUES (1, 4, 1);
INSERT INTO subscriptions_subscriptionsfeaturerole (id, created, modified, name) VALUES
    (1, @t, @t, 'enterprise_subscriptions_admin'), (2, @t, @t, 'enterprise_subscriptions_learner'), (3, @t, @t, 'enterprise_other');
-- role_twice, role_of_inactive_user, unknown_role
INSERT INTO subscriptions_subscriptionsroleassignment (id, created, modified, user_id, role_id, enterprise_customer_uuid) VALUES
    (1, @t, @t, 2, 1, REPEAT('c1', 16)), (2, @t, @t, 2, 1, REPEAT('c1', 16)), (3, @t, @t, 2, 1, NULL), (4, @t, @t, 2, 1, NULL),
    (5, @t, @t, 3, 1, NULL), (6, @t, @t, 2, 3, NULL), (9, @t, @t, 2, 2, REPEAT('c2', 16));

INSERT INTO subscriptions_plantype VALUES
    (1, 'Standard Paid', 'paid', 1, 1, 1, 0), (2, 'OCE', 'oce', 0, 0, 1, 0), (3, 'Trial', 'trial', 0, 0, 1, 0), (4, 'Test', 'test', 0, 0, 0, 1),
    (7, 'Own', 'a type of its own', 0, 0, 0, 0);
INSERT INTO subscriptions_product (id, name, description, netsuite_id, plan_type_id, salesforce_product_id) VALUES
    (1, 'B2B Paid', 'B2B', 106, 1, ''), (2, 'OC Paid', 'OC', 110, 1, NULL), (4, 'Test', 'Test', NULL, 4, NULL),
    (8, 'Own', 'a product of its own', NULL, 7, '01tAAAAAAAAAAAAAAA');
INSERT INTO subscriptions_historicalproduct
    (history_id, history_date, history_type, id, name, description, netsuite_id, plan_type_id, salesforce_product_id) VALUES
    (1, @t, '+', 1, 'B2B Paid', 'B2B', 106, 1, NULL), (2, @t, '+', 8, 'Own', 'an older description', NULL, 7, '01tAAAAAAAAAAAAAAA');

-- Agreements: 1 has blanks, percentages out of range and a duration that is no whole second; 2 an ordinary message; 3 a message that is off
-- with its texts, and no history; 4 a message that is dangerous,
-- and a purge_duration.
INSERT INTO subscriptions_customeragreement
    (uuid, created, modified, enterprise_customer_uuid, enterprise_customer_slug, enterprise_customer_name, default_enterprise_catalog_uuid,
     license_duration_before_purge, enable_auto_scaling_of_current_plan, auto_scaling_max_licenses, auto_scaling_threshold_percentage,
     auto_scaling_increment_percentage, has_custom_license_expiration_messaging, modal_header_text) VALUES
    (REPEAT('a1', 16), @t, @t, REPEAT('c1', 16), '', '', NULL, 104400000001, 1, -5, 180, 0, 1, 'The old place'),
    (REPEAT('a2', 16), @t, @t, REPEAT('c2', 16), 'second', 'Söhne 名前', REPEAT('d1', 16), 7776000000000, 0, NULL, NULL, NULL, 0, NULL),
    (REPEAT('a3', 16), @t, @t, REPEAT('c3', 16), 'third', NULL, NULL, 7776000000000, 0, NULL, NULL, NULL, 0, NULL),
    (REPEAT('a4', 16), @t, @t, REPEAT('c4', 16), 'fourth', NULL, NULL, -5000000, 0, NULL, NULL, NULL, 0, NULL);
INSERT INTO subscriptions_historicalcustomeragreement
    (history_id, history_date, history_type, history_user_id, history_change_reason, uuid, created, modified, enterprise_customer_uuid,
     enterprise_customer_slug, enterprise_customer_name, default_enterprise_catalog_uuid, license_duration_before_purge) VALUES
    (1, @t, '+', 1, NULL, REPEAT('a2', 16), @t, @t, REPEAT('c2', 16), 'second', 'Söhne 名前', REPEAT('d1', 16), 7776000000000),
    -- history_order: created twice; the user of the second is gone
    (2, @t, '+', 99, '', REPEAT('a2', 16), @t, @t, REPEAT('c2', 16), 'second', 'Söhne 名前', REPEAT('d1', 16), 7776000000000),
    -- history_without_end: it went without a record
    (3, @t, '+', NULL, NULL, REPEAT('a9', 16), @t, @t, REPEAT('c9', 16), 'ninth', NULL, NULL, 7776000000000);
-- harmless_message, message_that_is_off
INSERT INTO subscriptions_customsubscriptionexpirationmessaging
    (id, has_custom_license_expiration_messaging, modal_header_text, expired_subscription_modal_messaging, button_label_in_modal,
     url_for_button_in_modal, customer_agreement_id) VALUES
    (1, 1, 'Over', '<p>Over</p>', 'Go', 'https://example.com/go', REPEAT('a2', 16)),
    (2, 0, 'Kept', '<p>Kept</p>', 'Go', 'https://example.com', REPEAT('a3', 16)),
    (3, 1, 'Over', '<p onclick="x()">Over</p>', 'Go', 'javascript:alert(1)', REPEAT('a4', 16)),
    (4, 0, NULL, NULL, NULL, NULL, REPEAT('a1', 16));
INSERT INTO subscriptions_historicalcustomsubscriptionexpirationmessaging
    (history_id, history_date, history_type, id, has_custom_license_expiration_messaging, modal_header_text,
     expired_subscription_modal_messaging, button_label_in_modal, url_for_button_in_modal, customer_agreement_id) VALUES
    (1, @t, '+', 1, 0, NULL, NULL, NULL, NULL, REPEAT('a2', 16)),
    (2, @t, '~', 1, 1, 'Over', '<p>Over</p>', 'Go', 'https://example.com/go', REPEAT('a2', 16)),
    (3, @t, '+', 2, 1, 'Kept', '<p>Kept</p>', 'Go', 'https://example.com', REPEAT('a3', 16)),
    (4, @t, '~', 2, 0, 'Kept', '<p>Kept</p>', 'Go', 'https://example.com', REPEAT('a3', 16)),
    (5, @t, '~', 2, 0, NULL, NULL, NULL, NULL, REPEAT('a3', 16));

-- Plans: 1 and 2 are ordinary, 2 renews 1. 3: plan_without_product, revoke_percentage, plan_opportunity, ''. 4: the same for internal use,
-- plan_period. 5: desired_licenses over the limit and over what it has, number_of_revocations. 6: frozen.
INSERT INTO subscriptions_subscriptionplan
    (uuid, created, modified, title, start_date, expiration_date, enterprise_catalog_uuid, customer_agreement_id, is_active, product_id,
     revoke_max_percentage, num_revocations_applied, salesforce_opportunity_line_item, salesforce_opportunity_id, for_internal_use_only,
     should_auto_apply_licenses, desired_num_licenses, last_freeze_timestamp) VALUES
    (REPEAT('b1', 16), @t, @t, 'Plan', '2025-01-01', '2026-01-01', REPEAT('d1', 16), REPEAT('a2', 16), 1, 1, 5, 0, '00kAAAAAAAAAAAAAAA', NULL, 0, 1, 9, NULL),
    (REPEAT('b2', 16), @t, @t, 'Plan - Renewal', '2026-01-01', '2027-01-01', REPEAT('d1', 16), REPEAT('a2', 16), 1, 8, 100, 3, NULL, NULL, 0, NULL, NULL, NULL),
    (REPEAT('b3', 16), @t, @t, 'Old', '2020-01-01', '2021-01-01', REPEAT('d1', 16), REPEAT('a1', 16), 0, NULL, 200, 0, '', '006AAAAAAAAAAAAAAA', 0, 0, NULL, NULL),
    (REPEAT('b4', 16), @t, @t, 'Inside', '2021-01-01', '2021-01-01', REPEAT('d1', 16), REPEAT('a1', 16), 0, NULL, 5, 0, '', '', 1, 0, 4000000000, NULL),
    (REPEAT('b5', 16), @t, @t, 'Big', '2021-01-01', '2022-01-01', REPEAT('d1', 16), REPEAT('a1', 16), 1, 1, 5, 4000000000, NULL, NULL, 0, 0, 3000000, NULL),
    (REPEAT('b6', 16), @t, @t, 'Frozen', '2021-01-01', '2030-01-01', REPEAT('d1', 16), REPEAT('a1', 16), 1, 1, 5, 0, NULL, NULL, 0, 0, 10, '2025-05-01 00:00:00');
INSERT INTO subscriptions_historicalsubscriptionplan
    (history_id, history_date, history_type, history_user_id, history_change_reason, uuid, created, modified, title, start_date,
     expiration_date, enterprise_catalog_uuid, customer_agreement_id, is_active, product_id, revoke_max_percentage,
     salesforce_opportunity_line_item, should_auto_apply_licenses, desired_num_licenses) VALUES
    (11, @t, '+', 2, 'new', REPEAT('b1', 16), @t, @t, 'Plan', '2025-01-01', '2026-01-01', REPEAT('d1', 16), REPEAT('a2', 16), 0, 1, 5, '00kAAAAAAAAAAAAAAA', 1, 9),
    (12, @t, '~', 2, 'other', REPEAT('b1', 16), @t, @t, 'Plan', '2025-01-01', '2026-01-01', REPEAT('d1', 16), REPEAT('a2', 16), 1, 1, 5, '00kAAAAAAAAAAAAAAA', 1, 9),
    (13, @t, '+', NULL, NULL, REPEAT('b3', 16), @t, @t, 'Old', '2020-01-01', '2021-01-01', REPEAT('d1', 16), NULL, 0, NULL, 200, '', 0, NULL);

-- Licenses of plan 1. 01 was activated and renewed to 11. 02 was assigned and has no history.
INSERT INTO subscriptions_license
    (uuid, created, modified, status, user_email, lms_user_id, subscription_plan_id, activation_key, assigned_date, activation_date,
     last_remind_date, revoked_date, renewed_to_id, auto_applied) VALUES
    (REPEAT('01', 16), @t, @t, 'activated', 'Amy@Example.com', 7, REPEAT('b1', 16), REPEAT('e1', 16), '2025-03-02', '2025-03-05 12:00:00', '2025-03-02', NULL, REPEAT('11', 16), NULL),
    (REPEAT('02', 16), @t, @t, 'assigned', 'ben@example.com', NULL, REPEAT('b1', 16), REPEAT('e2', 16), '2025-03-02', NULL, NULL, NULL, NULL, 0),
    -- held_twice: 03 is activated and keeps Cat; 04 and 05 differ in case
    (REPEAT('03', 16), @t, @t, 'activated', 'cat@example.com', 9, REPEAT('b1', 16), REPEAT('e3', 16), '2025-03-02', '2025-03-03', NULL, NULL, NULL, 1),
    (REPEAT('04', 16), @t, @t, 'assigned', 'CAT@example.com', NULL, REPEAT('b1', 16), REPEAT('e4', 16), '2025-03-09', NULL, NULL, NULL, NULL, NULL),
    (REPEAT('05', 16), @t, @t, 'assigned', 'Cat@example.com', NULL, REPEAT('b1', 16), REPEAT('e5', 16), '2025-03-08', NULL, NULL, NULL, NULL, NULL),
    -- held_twice: both activated, 07 was assigned last and keeps Dan
    (REPEAT('06', 16), @t, @t, 'activated', 'dan@example.com', 10, REPEAT('b1', 16), REPEAT('e6', 16), '2025-03-02', '2025-03-03', NULL, NULL, NULL, NULL),
    (REPEAT('07', 16), @t, @t, 'activated', 'dan@example.com', 10, REPEAT('b1', 16), REPEAT('e7', 16), '2025-03-04', '2025-03-05', NULL, NULL, NULL, NULL),
    -- missing_activation_date from the history, live_with_revoked_date
    (REPEAT('08', 16), @t, @t, 'activated', 'eve@example.com', 0, REPEAT('b1', 16), REPEAT('e8', 16), '2025-03-02', NULL, NULL, '2025-03-09', NULL, NULL),
    -- missing_assigned_date and missing_activation_key, without a history; assigned_with_activation_date
    (REPEAT('09', 16), @t, @t, 'assigned', 'fay@example.com', NULL, REPEAT('b1', 16), NULL, NULL, '2025-03-09', NULL, NULL, NULL, NULL),
    -- live_without_address
    (REPEAT('0a', 16), @t, @t, 'assigned', '', NULL, REPEAT('b1', 16), REPEAT('ea', 16), '2025-03-02', NULL, NULL, NULL, NULL, NULL),
    (REPEAT('0b', 16), @t, @t, 'activated', NULL, 12, REPEAT('b1', 16), REPEAT('eb', 16), '2025-03-02', '2025-03-02', NULL, NULL, NULL, NULL),
    -- unassigned_with_leftovers
    (REPEAT('0c', 16), @t, @t, 'unassigned', '', NULL, REPEAT('b1', 16), REPEAT('ec', 16), '2025-03-02', NULL, NULL, NULL, NULL, NULL),
    -- missing_revoked_date, from deactivated in the history
    (REPEAT('0d', 16), @t, @t, 'revoked', 'guy@example.com', 13, REPEAT('b1', 16), REPEAT('ed', 16), '2025-03-02', '2025-03-02', NULL, NULL, NULL, NULL),
    -- refused_address
    (REPEAT('0e', 16), @t, @t, 'assigned', 'Not an address', NULL, REPEAT('b1', 16), REPEAT('ee', 16), '2025-03-02', NULL, NULL, NULL, NULL, NULL),
    (REPEAT('0f', 16), @t, @t, 'unassigned', NULL, NULL, REPEAT('b1', 16), NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    -- The copy of 01 in plan 2
    (REPEAT('11', 16), @t, @t, 'activated', 'amy@example.com', 7, REPEAT('b2', 16), REPEAT('e1', 16), '2025-12-30', '2026-01-01', NULL, NULL, NULL, NULL);
INSERT INTO subscriptions_historicallicense
    (history_id, history_date, history_type, history_user_id, history_change_reason, uuid, created, modified, status, user_email, lms_user_id,
     subscription_plan_id, activation_key, assigned_date, activation_date, last_remind_date, revoked_date, renewed_to_id, auto_applied) VALUES
    (101, '2025-03-01 10:00:00', '+', 2, NULL, REPEAT('01', 16), @t, @t, 'unassigned', NULL, NULL, REPEAT('b1', 16), NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (102, '2025-03-02 00:00:01', '~', 2, NULL, REPEAT('01', 16), @t, @t, 'assigned', 'Amy@Example.com', NULL, REPEAT('b1', 16), REPEAT('e1', 16), '2025-03-02', NULL, '2025-03-02', NULL, NULL, NULL),
    (103, '2025-03-05 12:00:00.5', '~', 2, NULL, REPEAT('01', 16), @t, @t, 'activated', 'Amy@Example.com', 7, REPEAT('b1', 16), REPEAT('e1', 16), '2025-03-02', '2025-03-05 12:00:00', '2025-03-02', NULL, NULL, NULL),
    (104, '2025-03-01 10:00:00', '+', NULL, NULL, REPEAT('08', 16), @t, @t, 'assigned', 'eve@example.com', NULL, REPEAT('b1', 16), REPEAT('e8', 16), '2025-03-02', NULL, NULL, NULL, NULL, NULL),
    (105, '2025-03-07 10:00:00', '~', NULL, NULL, REPEAT('08', 16), @t, @t, 'activated', 'EVE@example.com', NULL, REPEAT('b1', 16), REPEAT('e8', 16), '2025-03-02', NULL, NULL, NULL, NULL, NULL),
    (106, '2025-03-03 10:00:00', '+', NULL, NULL, REPEAT('0d', 16), @t, @t, 'activated', 'guy@example.com', 13, REPEAT('b1', 16), REPEAT('ed', 16), '2025-03-02', '2025-03-02', NULL, NULL, NULL, NULL),
    (107, '2025-04-03 10:00:00', '~', NULL, NULL, REPEAT('0d', 16), @t, @t, 'deactivated', 'guy@example.com', 13, REPEAT('b1', 16), REPEAT('ed', 16), '2025-03-02', '2025-03-02', NULL, NULL, NULL, NULL),
    (108, '2025-12-29 10:00:00', '+', NULL, NULL, REPEAT('11', 16), @t, @t, 'unassigned', NULL, NULL, REPEAT('b2', 16), NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (109, '2025-12-30 10:00:00', '~', NULL, NULL, REPEAT('11', 16), @t, @t, 'activated', 'amy@example.com', 7, REPEAT('b2', 16), REPEAT('e1', 16), '2025-12-30', '2026-01-01', NULL, NULL, NULL, NULL),
    -- Went by a freeze, without a record; and one that was deleted twice and came back
    (110, '2025-03-01 10:00:00', '+', NULL, NULL, REPEAT('77', 16), @t, @t, 'unassigned', NULL, NULL, REPEAT('b6', 16), NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (111, '2025-03-01 10:00:00', '-', NULL, NULL, REPEAT('0f', 16), @t, @t, 'unassigned', NULL, NULL, REPEAT('b1', 16), NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (112, '2025-03-02 10:00:00', '-', NULL, NULL, REPEAT('0f', 16), @t, @t, 'unassigned', NULL, NULL, REPEAT('b1', 16), NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (113, '2025-03-03 10:00:00', '~', NULL, NULL, REPEAT('0f', 16), @t, @t, 'unassigned', NULL, NULL, REPEAT('b1', 16), NULL, NULL, NULL, NULL, NULL, NULL, NULL);

-- source_id: 15 characters, and another length
INSERT INTO subscriptions_subscriptionlicensesourcetype (id, created, modified, name, slug) VALUES (1, @t, @t, 'AMT', 'AMT');
INSERT INTO subscriptions_subscriptionlicensesource (id, created, modified, source_id, license_id, source_type_id) VALUES
    (1, @t, @t, '006AAAAAAAAAAAAAAA', REPEAT('01', 16), 1), (2, @t, @t, '0067F000002Ywsn', REPEAT('02', 16), 1), (3, @t, @t, '006', REPEAT('03', 16), 1);
-- event_twice
INSERT INTO subscriptions_licenseevent (id, created, modified, event_name, license_id) VALUES
    (5, @t, @t, 'done', REPEAT('01', 16)), (6, @t, @t, 'done', REPEAT('01', 16)), (7, @t, @t, 'other', REPEAT('01', 16));
-- 20 is processed; 21: renewal_of_no_licenses, renewal_period; 22: renewal_without_plan; 23: renewal_without_time
INSERT INTO subscriptions_subscriptionplanrenewal
    (id, created, modified, salesforce_opportunity_id, number_of_licenses, effective_date, renewed_expiration_date, processed,
     prior_subscription_plan_id, renewed_subscription_plan_id, license_types_to_copy, processed_datetime, renewed_plan_title) VALUES
    (20, @t, @t, '00kBBBBBBBBBBBBBBB', 5, '2026-01-01', '2027-01-01', 1, REPEAT('b1', 16), REPEAT('b2', 16), 'assigned_and_activated', '2025-12-30', ''),
    (21, @t, @t, '', 0, '2027-01-01', '2027-01-01', 0, REPEAT('b2', 16), NULL, 'nothing', NULL, 'Next'),
    (22, @t, @t, NULL, 5, '2022-01-01', '2023-01-01', 1, REPEAT('b5', 16), NULL, 'activated', NULL, NULL),
    (23, @t, @t, NULL, 5, '2022-01-01', '2023-01-01', 1, REPEAT('b3', 16), REPEAT('b6', 16), 'activated', NULL, NULL);
-- transfer_of_no_license, transfer_results, transfer_to_the_same_plan; the history knows a number that is higher
INSERT INTO subscriptions_licensetransferjob
    (id, created, modified, completed_at, notes, is_dry_run, delimiter, license_uuids_raw, processed_results, customer_agreement_id,
     old_subscription_plan_id, new_subscription_plan_id, transfer_all) VALUES
    (31, @t, @t, '2025-04-01', '', 0, 'newline', CONCAT(REPEAT('01', 16), '\n', REPEAT('02', 16), '\n'),
     '[{"is_dry_run": false, "modified_licenses": ["01010101-0101-0101-0101-010101010101"], "completed_at": "2025-04-01 00:00:00+00:00"}]',
     REPEAT('a2', 16), REPEAT('b1', 16), REPEAT('b2', 16), 0),
    (32, @t, @t, NULL, 'all', 1, 'pipe', NULL, NULL, REPEAT('a2', 16), REPEAT('b1', 16), REPEAT('b2', 16), 1),
    (33, @t, @t, NULL, NULL, 1, 'comma', 'x, ', '{"a": 1}', REPEAT('a2', 16), REPEAT('b2', 16), REPEAT('b1', 16), 0),
    (34, @t, @t, NULL, NULL, 1, 'comma', NULL, NULL, REPEAT('a2', 16), REPEAT('b2', 16), REPEAT('b2', 16), 1);
INSERT INTO subscriptions_historicallicensetransferjob
    (history_id, history_date, history_type, id, created, modified, delimiter, customer_agreement_id, old_subscription_plan_id,
     new_subscription_plan_id, transfer_all) VALUES
    (1, @t, '+', 39, @t, @t, 'comma', REPEAT('a2', 16), REPEAT('b1', 16), REPEAT('b2', 16), 1),
    (2, @t, '-', 39, @t, @t, 'comma', REPEAT('a2', 16), REPEAT('b1', 16), REPEAT('b2', 16), 1);
-- notification_without_plan (42), notification_twice (41), notification_of_no_plan (43), notified_user (44)
INSERT INTO subscriptions_notification
    (id, created, modified, enterprise_customer_uuid, enterprise_customer_user_uuid, notification_type, last_sent, subscripton_plan_id) VALUES
    (40, @t, @t, REPEAT('c2', 16), '000000000000000000000000000001f5', 'no_allocations_remaining', '2025-05-02', REPEAT('b1', 16)),
    (41, @t, @t, REPEAT('c2', 16), '000000000000000000000000000001f5', 'no_allocations_remaining', '2025-05-01', REPEAT('b1', 16)),
    (42, @t, @t, REPEAT('c2', 16), '000000000000000000000000000001f6', 'periodic_informational', '2025-05-01', NULL),
    (43, @t, @t, REPEAT('c8', 16), '000000000000000000000000000001f7', 'periodic_informational', '2025-05-01', NULL),
    (44, @t, @t, REPEAT('c2', 16), REPEAT('ff', 16), 'periodic_informational', '2025-05-01', REPEAT('b1', 16));
-- enrollment_results
INSERT INTO api_bulkenrollmentjob (uuid, created, modified, enterprise_customer_uuid, lms_user_id, results_s3_object_name) VALUES
    (REPEAT('f1', 16), @t, @t, REPEAT('c2', 16), 7, 'c2/results.csv'), (REPEAT('f2', 16), @t, @t, REPEAT('c2', 16), NULL, NULL);
