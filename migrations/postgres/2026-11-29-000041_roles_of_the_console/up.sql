-- Viewers and operators (docs/RULES.md, "Permissions"). Versions that do not know these roles ignore them.
ALTER TABLE role_assignment DROP CONSTRAINT role_assignment_role_check;
ALTER TABLE role_assignment ADD CONSTRAINT role_assignment_role_check CHECK (role IN (
    'enterprise_subscriptions_admin', 'enterprise_subscriptions_learner', 'license_manager_viewer', 'license_manager_operator'));
