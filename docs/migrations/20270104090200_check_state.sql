-- migrate:up
-- Release 1. From now on each new row has a state. NOT VALID leaves the other rows unread, because
-- nobody can write under this lock.
SET LOCAL lock_timeout = '500ms';

ALTER TABLE tasks
    DROP CONSTRAINT IF EXISTS tasks_state_is_set,
    ADD CONSTRAINT tasks_state_is_set CHECK (state IS NOT NULL) NOT VALID;

-- migrate:down
