DELETE FROM role_assignment WHERE role IN ('license_manager_viewer', 'license_manager_operator');
ALTER TABLE role_assignment DROP CONSTRAINT role_assignment_role_check;
ALTER TABLE role_assignment ADD CONSTRAINT role_assignment_role_check CHECK (role IN (
    'enterprise_subscriptions_admin', 'enterprise_subscriptions_learner'));
