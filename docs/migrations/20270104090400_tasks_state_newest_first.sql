-- migrate:up transaction:false
-- Release 1. For the lists of release 2.
CREATE INDEX CONCURRENTLY IF NOT EXISTS tasks_state_newest_first
    ON tasks (state, created_at DESC, (-id) DESC);

-- migrate:down
