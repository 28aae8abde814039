-- migrate:up
-- Release 3. No running version uses status any more. Dropping the column also drops its index.
SET LOCAL lock_timeout = '500ms';

DROP TRIGGER IF EXISTS keep_state_and_status_equal ON tasks;
DROP FUNCTION IF EXISTS keep_state_and_status_equal();
ALTER TABLE tasks ALTER COLUMN state SET DEFAULT 'pending', DROP COLUMN IF EXISTS status;

-- migrate:down
