// The statements of the servers that are not this API.

export const selectPage = `
  SELECT id, title, status, created_at FROM tasks
  ORDER BY created_at DESC, -id DESC
  LIMIT 100`;
export const selectOne = 'SELECT id, title, status, created_at FROM tasks WHERE id = $1';
export const insert =
  'INSERT INTO tasks (title) VALUES ($1) RETURNING id, title, status, created_at';
