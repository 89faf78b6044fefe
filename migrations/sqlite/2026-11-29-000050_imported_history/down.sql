DROP TABLE imported_history;
