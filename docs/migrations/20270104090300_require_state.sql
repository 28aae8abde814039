-- migrate:up
-- Release 1. VALIDATE reads all rows while others can write. SET NOT NULL then reads none, because
-- the constraint proves that there is no NULL.
SET LOCAL lock_timeout = '500ms';

ALTER TABLE tasks VALIDATE CONSTRAINT tasks_state_is_set;
ALTER TABLE tasks ALTER COLUMN state SET NOT NULL;
ALTER TABLE tasks DROP CONSTRAINT tasks_state_is_set;

-- migrate:down
