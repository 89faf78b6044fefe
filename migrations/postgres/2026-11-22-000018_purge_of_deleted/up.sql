-- Licenses that were deleted and may have been somebody's: whose history is to forget them some day. One that was free and never changed was
-- nobody's; plans are frozen with many of those.
CREATE INDEX license_history_of_deleted ON license_history (uuid)
    WHERE history_type = '-' AND (modified > created OR num_nonnulls(user_email, lms_user_id, activation_key) > 0);
