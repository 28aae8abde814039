-- migrate:up transaction:false
-- Replaces tasks_title_parts, which only a later version may drop: the old API uses it until the
-- release ends.
CREATE INDEX CONCURRENTLY IF NOT EXISTS tasks_title_search ON tasks USING gin (
    lower(upper(CASE WHEN title IS NFC NORMALIZED THEN title ELSE normalize(title, NFC) END))
    gin_trgm_ops
) WITH (gin_pending_list_limit = 256);

-- migrate:down
