INSERT INTO tasks (title, description, status) VALUES
    ('Draw the architecture', 'Three tiers, two networks', 'completed'),
    ('Write the API', NULL, 'in_progress'),
    ('Deploy', NULL, 'pending');
