-- migrate:up
SET LOCAL lock_timeout = '500ms';

-- Without statistics on the expression of tasks_title_search, the planner would assume that every
-- word is rare.
ANALYZE tasks;

-- migrate:down
