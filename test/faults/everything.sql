-- All there is in a database, counted and summed up in one row.
SELECT
  (SELECT count(*) FROM tasks),
  (SELECT md5(string_agg(tasks::text, '' ORDER BY id)) FROM tasks),
  (SELECT last_value FROM tasks_id_seq),
  (
    SELECT md5(string_agg(relname || relowner || relacl::text, '' ORDER BY oid))
    FROM pg_class WHERE relkind IN ('r', 'i', 'S', 'v')
  ),
  (SELECT count(*) FROM pg_class),
  (SELECT count(*) FROM pg_attribute),
  (SELECT count(*) FROM pg_proc),
  (SELECT count(*) FROM pg_namespace),
  (SELECT count(*) FROM pg_type),
  (SELECT count(*) FROM pg_trigger),
  (SELECT count(*) FROM pg_rewrite),
  (SELECT count(*) FROM pg_extension),
  (SELECT count(*) FROM pg_database),
  (SELECT count(*) FROM pg_largeobject_metadata),
  (SELECT count(*) FROM pg_publication),
  (SELECT md5(string_agg(pg_authid::text, '' ORDER BY oid)) FROM pg_authid),
  (SELECT count(*) FROM pg_auth_members),
  (SELECT count(*) FROM pg_default_acl),
  (SELECT count(*) FROM pg_db_role_setting),
  current_setting('fsync')
