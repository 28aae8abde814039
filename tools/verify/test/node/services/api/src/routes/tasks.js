import { pool } from '../db.js';
import { HttpError } from '../http.js';

const pageSize = 20;
const largestId = 2_147_483_647;
const statuses = ['pending', 'in_progress', 'completed', 'cancelled'];
const columns = ['title', 'description', 'status'];

function existing(task, id) {
  if (!task) throw new HttpError(404, `There is no task ${id}`);
  return task;
}

function checkedId(id) {
  if (!/^\d+$/.test(id)) throw new HttpError(400, 'The id must be a number');
  return existing(Number(id) <= largestId && id, id);
}

function check({ title, status }) {
  const isTitle = typeof title === 'string' && title.trim() !== '' && title.length <= 200;
  if (title !== undefined && !isTitle) throw new HttpError(422, 'title: 1 to 200 characters');
  if (status !== undefined && !statuses.includes(status))
    throw new HttpError(422, `status: one of ${statuses.join(', ')}`);
}

async function list({ query }) {
  const page = Math.max(1, Number.parseInt(query.get('page') ?? '1', 10) || 1);
  const { rows } = await pool.query(
    'SELECT * FROM tasks ORDER BY created_at DESC, id DESC LIMIT $1 OFFSET $2',
    [pageSize, (page - 1) * pageSize],
  );
  return { body: rows };
}

async function show({ id }) {
  const { rows } = await pool.query('SELECT * FROM tasks WHERE id = $1', [checkedId(id)]);
  return { body: existing(rows[0], id) };
}

async function create({ body }) {
  if (body.title === undefined) throw new HttpError(422, 'title is required');
  check(body);
  const { title, description = null, status = 'pending' } = body;
  const { rows } = await pool.query(
    'INSERT INTO tasks (title, description, status) VALUES ($1, $2, $3) RETURNING *',
    [title, description, status],
  );
  const [task] = rows;
  return { status: 201, headers: { Location: `/api/tasks/${task.id}` }, body: task };
}

async function change({ id, body }) {
  const names = columns.filter((name) => body[name] !== undefined);
  if (names.length === 0) throw new HttpError(422, `nothing to change: ${columns.join(', ')}`);
  check(body);
  const set = names.map((name, n) => `${name} = $${n + 2}`).join(', ');
  const { rows } = await pool.query(`UPDATE tasks SET ${set} WHERE id = $1 RETURNING *`, [
    checkedId(id),
    ...names.map((name) => body[name]),
  ]);
  return { body: existing(rows[0], id) };
}

async function remove({ id }) {
  const { rowCount } = await pool.query('DELETE FROM tasks WHERE id = $1', [checkedId(id)]);
  existing(rowCount > 0, id);
  return { status: 204 };
}

const all = /^\/api\/tasks$/;
const one = /^\/api\/tasks\/([^/]+)$/;

export const tasks = [
  { method: 'GET', path: all, run: list },
  { method: 'POST', path: all, run: create },
  { method: 'GET', path: one, run: show },
  { method: 'PATCH', path: one, run: change },
  { method: 'DELETE', path: one, run: remove },
];
