// Stands for the API of somebody who takes the course, in whatever language: HTTP and SQL, nothing else.
import { createServer } from 'node:http';
import pg from 'pg';

const { DB_HOST, DB_NAME, DB_USER, DB_PASS } = process.env;
const pool = new pg.Pool({ host: DB_HOST, database: DB_NAME, user: DB_USER, password: DB_PASS, connectionTimeoutMillis: 2000, max: 5 });
pool.on('error', () => undefined);
const query = async (text, values = []) => (await pool.query(text, values)).rows;

const missing = (id) => [404, { error: `Task ${id} not found` }];

async function answer(method, path, text, type) {
  const [, api, tasks, id] = path.split('/');
  if (path === '/') return [200, { application: 'Task API' }];
  if (path === '/healthz') {
    try {
      await query('SELECT 1 FROM tasks LIMIT 1');
      return [200, { status: 'healthy' }];
    } catch {
      return [503, { status: 'unhealthy' }];
    }
  }
  if (api !== 'api' || tasks !== 'tasks') return [404, { error: 'Not found' }];
  if (method === 'GET' && !id) return [200, { tasks: await query('SELECT * FROM tasks ORDER BY id') }];

  if (id && !/^\d+$/.test(id)) return [400, { error: 'Not an id' }];
  if (method === 'GET') {
    const [task] = await query('SELECT * FROM tasks WHERE id = $1', [id]);
    return task ? [200, { task }] : missing(id);
  }

  let data = {};
  if (method === 'POST' || method === 'PUT') {
    if (!type.includes('json')) return [400, { error: 'Request body must be JSON' }];
    try {
      data = JSON.parse(text);
    } catch {
      return [400, { error: 'Request body must be JSON' }];
    }
  }
  if (method === 'POST') {
    if (!data.title) return [400, { error: "Missing 'title' in request body" }];
    const [task] = await query('INSERT INTO tasks (title, status) VALUES ($1, $2) RETURNING *', [data.title, data.status ?? 'pending']);
    return [201, { task }];
  }
  if (method === 'PUT') {
    const sql = 'UPDATE tasks SET title = COALESCE($2, title), status = COALESCE($3, status) WHERE id = $1 RETURNING *';
    const [task] = await query(sql, [id, data.title, data.status]);
    return task ? [200, { task }] : missing(id);
  }
  if (method === 'DELETE') {
    const [task] = await query('DELETE FROM tasks WHERE id = $1 RETURNING id', [id]);
    return task ? [200, { message: `Task ${id} deleted` }] : missing(id);
  }
  return [405, { error: 'Method not allowed' }];
}

async function handle(request, response) {
  let text = '';
  for await (const chunk of request) text += chunk;
  const type = request.headers['content-type'] ?? '';
  const [status, body] = await answer(request.method, request.url, text, type).catch(() => [503, { error: 'Database connection failed' }]);
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
}

createServer((request, response) => void handle(request, response)).listen(8080);
