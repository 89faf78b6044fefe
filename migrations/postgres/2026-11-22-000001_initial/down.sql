DROP TABLE license_source_history, license_history, subscription_plan_history, expiration_message_history,
    customer_agreement_history, product_history, plan_job, outbox, role_assignment, users, subscription_plan_renewal,
    license_source, license, subscription_plan, expiration_message, customer_agreement, product, plan_type;
