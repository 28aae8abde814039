-- The tables of a new database. db/migrations brings an existing one to the same schema.
BEGIN;

CREATE TABLE tasks (
    id         SERIAL PRIMARY KEY,
    title      VARCHAR(255) NOT NULL,
    status     VARCHAR(50) NOT NULL DEFAULT 'pending',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Remembers for 24 hours which task a POST with an Idempotency-Key created: a repeated request gets
-- that task instead of a second one. Only a hash of the request is kept, so no title outlives its
-- task.
CREATE TABLE idempotency_keys (
    key        VARCHAR(255) PRIMARY KEY,
    request    BYTEA NOT NULL, -- SHA-256 of key and task: see hashOf in api/src/tasks/store.ts
    task_id    INTEGER NOT NULL, -- no foreign key: the task may be deleted meanwhile
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- A new database does not need these files of db/migrations, because db/init has their result.
CREATE SCHEMA dbmate;
CREATE TABLE dbmate.schema_migrations (version VARCHAR PRIMARY KEY);
INSERT INTO dbmate.schema_migrations (version) VALUES
    ('20261127080000'),
    ('20261127080100'),
    ('20261127080200'),
    ('20261127080300'),
    ('20261127080400'),
    ('20261127080500'),
    ('20261127080600'),
    ('20261127080700');

COMMIT;
