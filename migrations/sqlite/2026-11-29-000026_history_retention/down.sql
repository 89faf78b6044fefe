DROP TABLE history_retention;
