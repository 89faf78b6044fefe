DROP TRIGGER license_goes_with_address;
DROP TRIGGER license_loses_address;
DROP TRIGGER license_gets_address;
DROP TRIGGER license_comes_with_address;
DROP TABLE license_search;
DROP TABLE license_address;
