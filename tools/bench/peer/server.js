// Bun, Hono and pg, as small as such a server can be. Plain JavaScript, because the packages are
// installed by the benchmark only, so that the type checker would not find them.
import { readFileSync } from 'node:fs';
import { Hono } from 'hono';
import pg from 'pg';
import { insert, selectOne, selectPage } from '../sql.ts';

const { DB_HOST: host, DB_NAME: database, DB_USER: user, DB_PASS_FILE } = process.env;
const password = readFileSync(DB_PASS_FILE ?? '', 'utf8');
const pool = new pg.Pool({ host, database, user, password, max: 10 });
const app = new Hono();

app.get('/healthz', async (c) => {
  await pool.query('SELECT id FROM tasks LIMIT 1');
  return c.json({ status: 'healthy' });
});

app.get('/api/tasks', async (c) => {
  const { rows } = await pool.query({ name: 'list', text: selectPage });
  return c.json({ tasks: rows });
});

app.get('/api/tasks/:id', async (c) => {
  const { rows } = await pool.query({ name: 'get', text: selectOne, values: [c.req.param('id')] });
  return rows[0] ? c.json({ task: rows[0] }) : c.json({ error: 'Not found' }, 404);
});

app.post('/api/tasks', async (c) => {
  const { title } = await c.req.json();
  const isValid = typeof title === 'string' && title !== '' && title.length <= 255;
  if (!isValid) return c.json({ error: 'title is wrong' }, 400);
  const { rows } = await pool.query({ name: 'create', text: insert, values: [title] });
  return c.json({ task: rows[0] }, 201);
});

export default { port: 8080, fetch: app.fetch };
