-- Five example tasks, only for an empty table. One INSERT makes them, so they share one created_at.
BEGIN;

INSERT INTO tasks (title, status)
SELECT title, status
FROM (VALUES
    ('Set up the development environment', 'completed'),
    ('Learn Docker Compose',               'in_progress'),
    ('Deploy to production',               'pending'),
    ('Configure automated backups',        'pending'),
    ('Write architecture documentation',   'pending')
) AS seed (title, status)
WHERE NOT EXISTS (SELECT FROM tasks);

COMMIT;
