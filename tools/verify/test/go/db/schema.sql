CREATE TABLE tasks (
    id serial PRIMARY KEY,
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 500),
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'in_progress', 'completed')),
    due_on date,
    created_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO tasks (title, status) VALUES
    ('Write the API in Go', 'completed'),
    ('Keep the password in a file', 'in_progress'),
    ('Go home', 'pending');
