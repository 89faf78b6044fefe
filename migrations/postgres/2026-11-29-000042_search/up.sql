-- The console finds a license by the Salesforce opportunity that it was assigned from.
CREATE INDEX license_source_by_opportunity ON license_source (source_id);
