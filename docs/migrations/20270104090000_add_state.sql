-- migrate:up
-- Release 1. The trigger keeps both columns equal, whichever of them a version of the API writes,
-- so each of two running versions sees the other's changes. state has no default yet: if it is NULL
-- in a new row, the old version wrote the row, and the trigger copies status.
SET LOCAL lock_timeout = '500ms';

ALTER TABLE tasks ADD COLUMN IF NOT EXISTS state VARCHAR(50);

CREATE OR REPLACE FUNCTION keep_state_and_status_equal() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.state := coalesce(NEW.state, NEW.status);
    ELSIF NEW.state IS NOT DISTINCT FROM OLD.state THEN
        NEW.state := NEW.status;
    END IF;
    NEW.status := NEW.state;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER keep_state_and_status_equal BEFORE INSERT OR UPDATE ON tasks
    FOR EACH ROW EXECUTE FUNCTION keep_state_and_status_equal();

-- migrate:down
