-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS tasks_status_newest_first
    ON tasks (status, created_at DESC, (-id) DESC);

-- migrate:down
