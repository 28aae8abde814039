-- migrate:up
-- For databases that are older than this table, or that have an earlier version of it, with title
-- and status instead of request. During a release the old API still writes these two, so only a
-- later version may drop them. The API deletes such rows after 24 hours.
SET LOCAL lock_timeout = '500ms';

CREATE TABLE IF NOT EXISTS idempotency_keys (
    key        VARCHAR(255) PRIMARY KEY,
    request    BYTEA NOT NULL,
    task_id    INTEGER NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

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

-- migrate:down
