-- db/init revokes all access to every database from PUBLIC. The operator's own logins need this
-- database: without it, pg_rewind cannot bring a former primary back after a failover.
GRANT CONNECT ON DATABASE postgres TO PUBLIC;

-- The operator collects metrics in the application's database, with a login that is a member of
-- pg_monitor.
DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO pg_monitor', current_database());
END
$$;
