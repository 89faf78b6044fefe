-- Searches in addresses (docs/adr/0019-search.md). The index has every group of three characters of each address. Where the
-- extension is refused, searches read every address, and give the same answers.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX license_search ON license USING gin (user_email gin_trgm_ops) WHERE user_email IS NOT NULL;
EXCEPTION
    -- Nobody allows it; it is not installed, in the words of older and newer versions; or it is in a schema that is not searched.
    WHEN insufficient_privilege OR undefined_file OR feature_not_supported OR undefined_object THEN
        RAISE WARNING 'searches for licenses will be slow in large plans: %', SQLERRM
            USING HINT = 'As a user who may, run: CREATE EXTENSION IF NOT EXISTS pg_trgm; '
                'CREATE INDEX CONCURRENTLY IF NOT EXISTS license_search ON license '
                'USING gin (user_email gin_trgm_ops) WHERE user_email IS NOT NULL;';
END
$$;
