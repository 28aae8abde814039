-- What db/init made in the version before that, whose keys have title and status.
CREATE TABLE tasks (
    id         SERIAL PRIMARY KEY,
    title      VARCHAR(255) NOT NULL,
    status     VARCHAR(50) NOT NULL DEFAULT 'pending',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TABLE idempotency_keys (
    key        VARCHAR(255) PRIMARY KEY,
    task_id    INTEGER NOT NULL,
    title      VARCHAR(255) NOT NULL,
    status     VARCHAR(50) NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX tasks_newest_first ON tasks (created_at DESC, (-id) DESC);
CREATE INDEX tasks_status_newest_first ON tasks (status, created_at DESC, (-id) DESC);
CREATE EXTENSION pg_trgm;
CREATE INDEX tasks_title_parts ON tasks USING gin (title gin_trgm_ops)
    WITH (gin_pending_list_limit = 256);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
