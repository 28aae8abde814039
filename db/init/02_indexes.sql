-- One index per way of listing: each holds the rows in the order the API returns them, newest first and then by id. Both
-- columns run in one direction, because only then is "after this row" one comparison: (created_at, -id) < (…, …). Without
-- that, a page deep among rows of one created_at would have to skip all those before it.
-- scripts/apply-schema.sh makes CREATE INDEX IF NOT EXISTS at the start of a line CONCURRENTLY, so
-- write it there.
BEGIN;

CREATE INDEX IF NOT EXISTS tasks_newest_first ON tasks (created_at DESC, (-id) DESC);
CREATE INDEX IF NOT EXISTS tasks_status_newest_first ON tasks (status, created_at DESC, (-id) DESC);

-- Parts of a title, in any case and in any Unicode form of the same text. The expression is that of
-- api/src/tasks/store.ts. New titles wait in a list that every search reads through until it is merged
-- into the index; 256 kB of it keep both writing and searching fast.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX IF NOT EXISTS tasks_title_search ON tasks USING gin (
    lower(upper(CASE WHEN title IS NFC NORMALIZED THEN title ELSE normalize(title, NFC) END))
    gin_trgm_ops
) WITH (gin_pending_list_limit = 256);
-- It replaces tasks_title_parts, which a later version drops: the API of the last release uses it.

-- Which keys are to be forgotten.
CREATE INDEX IF NOT EXISTS idempotency_keys_created_at ON idempotency_keys (created_at);

-- Without statistics of the expression, the planner would take any word for a rare one.
ANALYZE tasks;

COMMIT;
