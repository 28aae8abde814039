-- db/init takes every database from PUBLIC. The operator's own logins need this one: without it,
-- pg_rewind cannot bring a former primary back after a failover.
GRANT CONNECT ON DATABASE postgres TO PUBLIC;

-- The operator measures in the database of the application, with a login that is a member of
-- pg_monitor.
DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO pg_monitor', current_database());
END
$$;
