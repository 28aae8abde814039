-- One index per way of listing: each holds the rows in the order the API returns them.
BEGIN;

CREATE INDEX IF NOT EXISTS tasks_newest_first ON tasks (created_at DESC, id);
CREATE INDEX IF NOT EXISTS tasks_status_newest_first ON tasks (status, created_at DESC, id);

COMMIT;
