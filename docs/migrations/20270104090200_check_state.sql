-- migrate:up
-- Release 1. From now on, each new row must have a state. NOT VALID skips the rows that are there
-- already: nobody could write while they are read under this lock.
SET LOCAL lock_timeout = '500ms';

ALTER TABLE tasks
    DROP CONSTRAINT IF EXISTS tasks_state_is_set,
    ADD CONSTRAINT tasks_state_is_set CHECK (state IS NOT NULL) NOT VALID;

-- migrate:down
