import type { Db } from '../db.ts';
import { type Cursor, encodeCursor, type ListQuery, type NewTask, type TaskChange } from './schema.ts';

// The API's JSON of one row, made by PostgreSQL: it has the time to the microsecond, which a JavaScript Date would cut to
// milliseconds, and no object per row is built here.
const taskJson = `
  '{"id":' || id || ',"title":' || to_json(title) || ',"status":' || to_json(status)
  || ',"created_at":"' || to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00"}' AS json`;

/** A task as JSON text, ready to send. */
export type TaskJson = string;

interface Row {
  id: number;
  json: TaskJson;
}

/** One page, newest first, and the cursor of the next page if there is one. */
export async function listTasks(db: Db, query: ListQuery): Promise<{ tasks: TaskJson[]; nextCursor?: string }> {
  const { limit, status, q, cursor } = query;
  const values: unknown[] = [limit + 1]; // one more than asked for tells whether more rows follow
  const value = (given: unknown) => `$${values.push(given)}`;

  const conditions: string[] = [];
  if (status !== undefined) conditions.push(`status = ${value(status)}`);
  if (q !== undefined) conditions.push(`title ILIKE ${value(`%${q.replace(/[\\%_]/g, '\\$&')}%`)}`);
  if (cursor) {
    const after = value(cursor.created_at);
    conditions.push(`created_at <= ${after} AND (created_at < ${after} OR id > ${value(cursor.id)})`);
  }
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';

  const rows = await db.read<Row>({
    name: `list${status === undefined ? '' : '-status'}${q === undefined ? '' : '-q'}${cursor ? '-cursor' : ''}`,
    text: `SELECT id, ${taskJson} FROM tasks ${where} ORDER BY created_at DESC, id LIMIT $1`,
    values,
  });
  const tasks = rows.slice(0, limit).map((row) => row.json);
  const last = tasks.at(-1);
  if (rows.length <= limit || last === undefined) return { tasks };
  return { tasks, nextCursor: encodeCursor(JSON.parse(last) as Cursor) };
}

/** Undefined: there is no such task. */
export async function getTask(db: Db, id: number): Promise<TaskJson | undefined> {
  const rows = await db.read<Row>({
    name: 'get',
    text: `SELECT id, ${taskJson} FROM tasks WHERE id = $1`,
    values: [id],
  });
  return rows[0]?.json;
}

export async function createTask(db: Db, { title, status }: NewTask): Promise<Row> {
  const [row] = await db.write<Row>({
    name: 'create',
    text: `INSERT INTO tasks (title, status) VALUES ($1, $2) RETURNING id, ${taskJson}`,
    values: [title, status],
  });
  if (!row) throw new Error('INSERT returned no row');
  return row;
}

/** Changes what is given. Undefined: there is no such task. */
export async function updateTask(db: Db, id: number, { title, status }: TaskChange): Promise<TaskJson | undefined> {
  const rows = await db.write<Row>({
    name: 'update',
    text: `UPDATE tasks SET title = coalesce($2, title), status = coalesce($3, status) WHERE id = $1 RETURNING id, ${taskJson}`,
    values: [id, title, status],
  });
  return rows[0]?.json;
}

/** False: there was no such task. */
export async function deleteTask(db: Db, id: number): Promise<boolean> {
  const rows = await db.write<{ id: number }>({
    name: 'delete',
    text: 'DELETE FROM tasks WHERE id = $1 RETURNING id',
    values: [id],
  });
  return rows.length > 0;
}
