-- migrate:up transaction:false
-- Release 1. Fills the column in older rows. Each batch of 1,000 ids is one transaction, so no row
-- stays locked for long. After an interruption, the next run continues with the remaining rows.
DO $$
BEGIN
    FOR low IN 0..(SELECT coalesce(max(id), 0) FROM tasks) BY 1000 LOOP
        SET LOCAL lock_timeout = '500ms';
        UPDATE tasks SET state = status
        WHERE id BETWEEN low AND low + 999::bigint AND state IS NULL;
        COMMIT;
    END LOOP;
END
$$;

-- migrate:down
