-- Whoever is retired is forgotten by the history too, also where the license has long been somebody else's.
CREATE INDEX license_history_by_email ON license_history (user_email) WHERE user_email IS NOT NULL;
CREATE INDEX license_history_by_lms_user ON license_history (lms_user_id) WHERE lms_user_id IS NOT NULL;
