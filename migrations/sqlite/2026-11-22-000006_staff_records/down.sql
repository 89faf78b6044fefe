DROP INDEX role_assignment_by_customer;
DROP TABLE license_event;
DROP TABLE notification_history;
DROP TABLE notification;
