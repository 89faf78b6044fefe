-- Searches in addresses (docs/adr/0019-search.md). The index has every group of three characters of each address that a
-- license has. The rows of license have no number that stays, so each address has one.
CREATE TABLE license_address (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO license_address (email) SELECT DISTINCT user_email FROM license WHERE user_email IS NOT NULL;

CREATE VIRTUAL TABLE license_search USING fts5(
    email, content = 'license_address', content_rowid = 'id', columnsize = 0, tokenize = 'trigram case_sensitive 1'
);
-- An address that no license has any more leaves nothing behind.
INSERT INTO license_search (license_search, rank) VALUES ('secure-delete', 1);
INSERT INTO license_search (license_search) VALUES ('rebuild');

CREATE TRIGGER license_address_is_searched AFTER INSERT ON license_address BEGIN
    INSERT INTO license_search (rowid, email) VALUES (NEW.id, NEW.email);
END;

CREATE TRIGGER license_address_is_forgotten AFTER DELETE ON license_address BEGIN
    INSERT INTO license_search (license_search, rowid, email) VALUES ('delete', OLD.id, OLD.email);
END;

CREATE TRIGGER license_comes_with_address AFTER INSERT ON license WHEN NEW.user_email IS NOT NULL BEGIN
    INSERT INTO license_address (email)
    SELECT NEW.user_email WHERE NOT EXISTS (SELECT 1 FROM license_address WHERE email = NEW.user_email);
END;

CREATE TRIGGER license_gets_address AFTER UPDATE OF user_email ON license
WHEN NEW.user_email IS NOT NULL AND NEW.user_email IS NOT OLD.user_email BEGIN
    INSERT INTO license_address (email)
    SELECT NEW.user_email WHERE NOT EXISTS (SELECT 1 FROM license_address WHERE email = NEW.user_email);
END;

CREATE TRIGGER license_loses_address AFTER UPDATE OF user_email ON license
WHEN OLD.user_email IS NOT NULL AND NEW.user_email IS NOT OLD.user_email BEGIN
    DELETE FROM license_address
    WHERE email = OLD.user_email AND NOT EXISTS (SELECT 1 FROM license WHERE user_email = OLD.user_email);
END;

CREATE TRIGGER license_goes_with_address AFTER DELETE ON license WHEN OLD.user_email IS NOT NULL BEGIN
    DELETE FROM license_address
    WHERE email = OLD.user_email AND NOT EXISTS (SELECT 1 FROM license WHERE user_email = OLD.user_email);
END;
