-- Each init file is one transaction: it applies whole or not at all.
BEGIN;

CREATE TABLE IF NOT EXISTS tasks (
    id         SERIAL PRIMARY KEY,
    title      VARCHAR(255) NOT NULL,
    status     VARCHAR(50) NOT NULL DEFAULT 'pending',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- What a POST with an Idempotency-Key has made, for 24 hours: the same request again gets this task instead of another one.
CREATE TABLE IF NOT EXISTS idempotency_keys (
    key        VARCHAR(255) PRIMARY KEY,
    task_id    INTEGER NOT NULL, -- no foreign key: the task may be deleted meanwhile
    title      VARCHAR(255) NOT NULL,
    status     VARCHAR(50) NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

COMMIT;
