DROP INDEX role_assignment_by_customer;
DROP TABLE license_event, notification_history, notification;
