-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS tasks_newest_first
    ON tasks (created_at DESC, (-id) DESC);

-- migrate:down
