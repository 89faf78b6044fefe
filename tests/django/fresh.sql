-- What the migrations of the Django license manager make besides the tables: constraints that an export meets, and first rows.

SET SESSION sql_mode = '';
SET @t = '2026-01-01 00:00:00.123456';

INSERT INTO django_migrations (app, name, applied) VALUES ('subscriptions', '0078_alter', @t);

ALTER TABLE subscriptions_subscriptionplan ADD UNIQUE (title, customer_agreement_id);
ALTER TABLE subscriptions_subscriptionplan ADD FOREIGN KEY (customer_agreement_id) REFERENCES subscriptions_customeragreement (uuid);
ALTER TABLE subscriptions_subscriptionplan ADD FOREIGN KEY (product_id) REFERENCES subscriptions_product (id);
ALTER TABLE subscriptions_license ADD FOREIGN KEY (renewed_to_id) REFERENCES subscriptions_license (uuid);
ALTER TABLE subscriptions_product ADD FOREIGN KEY (plan_type_id) REFERENCES subscriptions_plantype (id);
ALTER TABLE subscriptions_subscriptionsroleassignment ADD FOREIGN KEY (user_id) REFERENCES core_user (id);
ALTER TABLE subscriptions_historicallicense ADD FOREIGN KEY (history_user_id) REFERENCES core_user (id);

INSERT INTO subscriptions_plantype VALUES
    (1, 'Standard Paid', 'paid', 1, 1, 1, 0), (2, 'OCE', 'oce', 0, 0, 1, 0), (3, 'Trial', 'trial', 0, 0, 1, 0), (4, 'Test', 'test', 0, 0, 0, 1);
INSERT INTO subscriptions_product (id, name, description, netsuite_id, plan_type_id) VALUES
    (1, 'B2B Paid', 'B2B', 106, 1), (2, 'OC Paid', 'OC', 110, 1), (3, 'Trial', 'Trial', NULL, 3), (4, 'Test', 'Test', NULL, 4),
    (5, 'OCE', 'OCE', NULL, 2);
INSERT INTO subscriptions_historicalproduct (history_id, history_date, history_type, id, name, description, netsuite_id, plan_type_id)
    VALUES (1, @t, '+', 1, 'B2B Paid', 'B2B', 106, 1);
INSERT INTO subscriptions_subscriptionsfeaturerole (id, created, modified, name) VALUES
    (4, @t, @t, 'enterprise_subscriptions_learner'), (7, @t, @t, 'enterprise_subscriptions_admin');
INSERT INTO subscriptions_subscriptionlicensesourcetype (id, created, modified, name, slug) VALUES (3, @t, @t, 'AMT', 'AMT');
