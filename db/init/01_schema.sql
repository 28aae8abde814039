-- Short transactions: the API waits for what they lock.
BEGIN;

CREATE TABLE IF NOT EXISTS tasks (
    id         SERIAL PRIMARY KEY,
    title      VARCHAR(255) NOT NULL,
    status     VARCHAR(50) NOT NULL DEFAULT 'pending',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Remembers for 24 hours which task a POST with an Idempotency-Key created: a repeated request gets
-- that task instead of a second one. Only a hash of the request is kept, so no title outlives its
-- task.
CREATE TABLE IF NOT EXISTS idempotency_keys (
    key        VARCHAR(255) PRIMARY KEY,
    request    BYTEA NOT NULL, -- SHA-256 of key and task: see hashOf in api/src/tasks/store.ts
    task_id    INTEGER NOT NULL, -- no foreign key: the task may be deleted meanwhile
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

COMMIT;

-- Moves the sequence past imported rows: otherwise, new tasks would fail until it caught up. The
-- lock, taken only if the sequence is behind, keeps an id from being handed out twice.
DO $$
BEGIN
    IF (SELECT max(id) FROM tasks) >= (SELECT last_value + is_called::int FROM tasks_id_seq) THEN
        LOCK TABLE tasks IN SHARE ROW EXCLUSIVE MODE;
        PERFORM setval('tasks_id_seq', greatest(max(id), (SELECT last_value FROM tasks_id_seq)))
        FROM tasks;
    END IF;
END
$$;

-- An earlier version of idempotency_keys has title and status instead of request. During a release
-- the old API still writes them, so only a later version may drop them. The API deletes such rows
-- after 24 hours.
BEGIN;
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = 'idempotency_keys'::regclass AND attname = 'request' AND NOT attisdropped
    ) THEN
        ALTER TABLE idempotency_keys
            ADD COLUMN request BYTEA,
            ALTER COLUMN title DROP NOT NULL,
            ALTER COLUMN status DROP NOT NULL;

        CREATE OR REPLACE FUNCTION hash_idempotency_request() RETURNS trigger
        LANGUAGE plpgsql AS $body$
        BEGIN
            NEW.request := sha256(
                convert_to(NEW.key, 'UTF8') || '\x00'
                || convert_to(NEW.title, 'UTF8') || '\x00'
                || convert_to(NEW.status, 'UTF8'));
            RETURN NEW;
        END
        $body$;
        CREATE OR REPLACE TRIGGER hash_idempotency_request
            BEFORE INSERT OR UPDATE OF title ON idempotency_keys
            FOR EACH ROW WHEN (NEW.title IS NOT NULL) EXECUTE FUNCTION hash_idempotency_request();
    END IF;
END
$$;
COMMIT;

-- Gives the rows of that version their hash. This locks only those rows, not the table.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = 'idempotency_keys'::regclass AND attname = 'title' AND NOT attisdropped
    ) THEN
        UPDATE idempotency_keys SET title = title WHERE request IS NULL;
    END IF;
END
$$;
