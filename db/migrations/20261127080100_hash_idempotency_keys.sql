-- migrate:up
-- Gives the rows of the earlier version their hash, through the trigger. This locks only these
-- rows.
SET LOCAL lock_timeout = '500ms';

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

-- migrate:down
