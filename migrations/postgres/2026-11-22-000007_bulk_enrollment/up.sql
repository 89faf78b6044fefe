-- Bulk enrollments that were asked for. parameters is what was asked for, as JSON; results what came of it, as CSV.
CREATE TABLE bulk_enrollment_job (
    uuid uuid PRIMARY KEY,
    enterprise_customer_uuid uuid NOT NULL,
    lms_user_id bigint,
    parameters text NOT NULL,
    results text,
    created timestamptz NOT NULL,
    modified timestamptz NOT NULL
);

-- A bulk enrollment is about a customer, and not always about one plan.
ALTER TABLE outbox ALTER COLUMN subscription_plan_uuid DROP NOT NULL;
