DROP INDEX subscription_plan_renewal_due;
DROP INDEX subscription_plan_by_expiration;
DROP TABLE plan_mark;
DROP TABLE operation_lease;
