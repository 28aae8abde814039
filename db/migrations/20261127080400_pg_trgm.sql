-- migrate:up
SET LOCAL lock_timeout = '500ms';

CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- migrate:down
