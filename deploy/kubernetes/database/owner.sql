-- The operator runs the init files as postgres, but the migrations run as the database's owner, who
-- must own what the init files have made. A restored dump needs this, too.
DO $$
DECLARE
    owner     regrole := (SELECT datdba FROM pg_database WHERE datname = current_database());
    statement text;
BEGIN
    FOR statement IN
        SELECT format('ALTER SCHEMA %s OWNER TO %s', oid::regnamespace, owner)
        FROM pg_namespace WHERE nspname = 'dbmate'
        UNION ALL
        SELECT format('ALTER TABLE %s OWNER TO %s', oid::regclass, owner)
        FROM pg_class
        WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('public', 'dbmate')
        UNION ALL
        SELECT format('ALTER ROUTINE %s OWNER TO %s', oid::regprocedure, owner)
        FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
            AND oid NOT IN (
                SELECT objid FROM pg_depend WHERE classid = 'pg_proc'::regclass AND deptype = 'e'
            )
    LOOP
        EXECUTE statement;
    END LOOP;
END
$$;
