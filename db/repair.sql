-- Runs before the migrations, any number of times. Repairs what would stop them or the API.

-- An interrupted CREATE INDEX CONCURRENTLY leaves an index that is never used, and IF NOT EXISTS
-- would keep it. An index that is still being built looks the same.
DO $$
DECLARE
    unfinished regclass;
BEGIN
    FOR unfinished IN
        SELECT indexrelid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE NOT indisvalid AND relnamespace = 'public'::regnamespace
    LOOP
        IF EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = unfinished) THEN
            RAISE EXCEPTION 'the index % is still being built', unfinished;
        END IF;
        EXECUTE format('DROP INDEX %s', unfinished);
    END LOOP;
END
$$;

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
