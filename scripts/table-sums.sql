-- Input for psql: prints name|rows|checksum of every table, except for dbmate's list of migrations.
-- The same rows give the same output on every server. A row is hashed as text, so these settings
-- fix how values are written. The sum of the hashes does not depend on their order.
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'postgres';
SET bytea_output = 'hex';
SET extra_float_digits = 1;
SELECT format(
    'SELECT %L, count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) FROM %I.%I AS t',
    schemaname || '.' || tablename, schemaname, tablename)
FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'dbmate')
ORDER BY schemaname, tablename
\gexec
