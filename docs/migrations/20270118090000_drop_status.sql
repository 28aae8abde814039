-- migrate:up
-- Release 3. The versions that use status have ended. The index on it goes with the column.
SET LOCAL lock_timeout = '500ms';

DROP TRIGGER IF EXISTS keep_state_and_status_equal ON tasks;
DROP FUNCTION IF EXISTS keep_state_and_status_equal();
ALTER TABLE tasks ALTER COLUMN state SET DEFAULT 'pending', DROP COLUMN IF EXISTS status;

-- migrate:down
