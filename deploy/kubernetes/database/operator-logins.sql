-- db/init takes every database from PUBLIC. The operator's own logins need this one: without it,
-- pg_rewind cannot bring a former primary back after a failover, and there are no metrics.
GRANT CONNECT ON DATABASE postgres TO PUBLIC;
