-- migrate:up
-- Release 1. The trigger keeps both columns the same, whichever of them a version of the API
-- writes. While two versions run, both see all changes. state has no default yet: NULL means that
-- the old version makes the row.
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
