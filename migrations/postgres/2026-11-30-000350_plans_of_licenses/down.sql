ALTER TABLE license ALTER COLUMN subscription_plan_uuid RESET (n_distinct);
