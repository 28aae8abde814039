-- One index per way of listing: each holds the rows in the order in which the API returns them,
-- newest first, then by id. Both columns descend, so that "after this row" is one comparison,
-- (created_at, -id) < (…, …). Otherwise a page deep in a run of rows with the same created_at would
-- have to read all rows of the run before it.
BEGIN;

CREATE INDEX tasks_newest_first ON tasks (created_at DESC, (-id) DESC);
CREATE INDEX tasks_status_newest_first ON tasks (status, created_at DESC, (-id) DESC);

-- Finds any part of a title, whatever its case and Unicode form. api/src/tasks/list.ts has the
-- same expression. New titles wait in a list that every search scans until it is merged into the
-- index; a limit of 256 kB keeps both writes and searches fast.
CREATE EXTENSION pg_trgm;
CREATE INDEX tasks_title_search ON tasks USING gin (
    lower(upper(CASE WHEN title IS NFC NORMALIZED THEN title ELSE normalize(title, NFC) END))
    gin_trgm_ops
) WITH (gin_pending_list_limit = 256);

-- For finding the keys that have expired.
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);

-- Without statistics on the expression, the planner would assume that every word is rare.
ANALYZE tasks;

COMMIT;
