DROP TABLE recent_write;
