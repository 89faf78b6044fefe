DROP TABLE imported_versions;
