-- The operator runs the init files as postgres. The migrations run as the owner of the database, so
-- the tables must be the owner's. A restored dump needs this, too.
DO $$
DECLARE
    owner  regrole := (SELECT datdba FROM pg_database WHERE datname = current_database());
    one    regclass;
BEGIN
    EXECUTE format('ALTER SCHEMA dbmate OWNER TO %s', owner);
    FOR one IN
        SELECT oid FROM pg_class
        WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 'dbmate'::regnamespace)
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO %s', one, owner);
    END LOOP;
END
$$;
