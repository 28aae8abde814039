import { hash } from 'node:crypto';
import type { Db } from '../db.ts';
import { share } from '../share.ts';
import { createTaskOnce } from './idempotency.ts';
import { type Row, type TaskJson, taskJson } from './row.ts';
import { type Cursor, encodeCursor, type ListQuery, type NewTask, type TaskChange } from './schema.ts';

/** One page of the list, newest first: `{"tasks": […], "next_cursor": …}`. */
export interface Page {
  /** Made once, and sent as it is to all who share it. */
  json: Buffer;
  /** Names the content: equal pages have equal tags, from whichever replica. Hashed once for all who share the page. */
  etag: string;
  /** Where the next page starts; undefined on the last one. */
  nextCursor: string | undefined;
}

/** What the API asks of the database, one statement each. */
export interface TaskStore {
  list: (query: ListQuery) => Promise<Page>;
  /** Undefined: there is no such task. */
  get: (id: number) => Promise<TaskJson | undefined>;
  /** Resolved means committed. */
  create: (task: NewTask) => Promise<Row>;
  /**
   * Creates the task unless `key` has made one in the last 24 hours: then returns that one, as it was made.
   * 'other task': the key was used for another. 'running': the key is in use by a request that has not ended.
   */
  createOnce: (key: string, task: NewTask) => Promise<Row | 'other task' | 'running'>;
  /** Changes what is given. Undefined: there is no such task. */
  update: (id: number, change: TaskChange) => Promise<TaskJson | undefined>;
  /** False: there was no such task. */
  remove: (id: number) => Promise<boolean>;
}

export interface StoreOptions {
  /** Unless false, requests that arrive together share a statement (false is for comparison in benchmarks). */
  sharing?: boolean;
  /** Called when a shared statement starts, with the number of requests it serves. */
  onBatch?: (statement: string, size: number) => void;
}

export function openTaskStore(db: Db, { sharing = true, onBatch }: StoreOptions = {}): TaskStore {
  const shared: typeof share = sharing ? share : (execute) => async (input) => only(await execute([input]));
  return {
    list: shared(async (queries) => Array(queries.length).fill(await listTasks(db, only(queries))) as Page[], {
      key: (query) => JSON.stringify(query),
      maxBatch: Infinity, // they all want the same page
      onStart: (size) => onBatch?.('list', size),
    }),
    get: shared((ids) => getTasks(db, ids), { onStart: (size) => onBatch?.('get', size) }),
    create: shared((tasks) => createTasks(db, tasks), { onStart: (size) => onBatch?.('create', size) }),
    createOnce: (key, task) => createTaskOnce(db, key, task),
    update: (id, change) => updateTask(db, id, change),
    remove: (id) => deleteTask(db, id),
  };
}

function only<Item>(items: Item[]): Item {
  const [item] = items;
  if (item === undefined) throw new Error('nothing given');
  return item;
}

async function listTasks(db: Db, { limit, status, q, cursor }: ListQuery): Promise<Page> {
  const values: unknown[] = [limit + 1]; // one more than asked for tells whether more rows follow
  const value = (given: unknown) => `$${values.push(given)}`;

  const conditions: string[] = [];
  if (status !== undefined) conditions.push(`status = ${value(status)}`);
  if (q) conditions.push(`title ILIKE ${value(`%${q.replace(/[\\%_]/g, '\\$&')}%`)}`);
  if (cursor) conditions.push(`(created_at, -id) < (${value(cursor.created_at)}, -${value(cursor.id)}::int)`);
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';

  const rows = await db.read<Pick<Row, 'json'>>({
    name: `list${status === undefined ? '' : '-status'}${q ? '-q' : ''}${cursor ? '-cursor' : ''}`,
    // Newest first, then by id. Both descending, as one row comparison against the cursor needs it: see 02_indexes.sql.
    text: `SELECT ${taskJson} FROM tasks ${where} ORDER BY created_at DESC, -id DESC LIMIT $1`,
    values,
  });
  const page = rows.slice(0, limit).map((row) => row.json);
  const last = page.at(-1);
  const nextCursor = rows.length > limit && last !== undefined ? encodeCursor(JSON.parse(last) as Cursor) : undefined;
  const next = nextCursor === undefined ? '' : `,"next_cursor":"${nextCursor}"`;
  const json = Buffer.from(`{"tasks":[${page.join(',')}]${next}}`);
  return { json, etag: `"${hash('sha1', json, 'base64url')}"`, nextCursor };
}

async function getTasks(db: Db, ids: number[]): Promise<(TaskJson | undefined)[]> {
  const rows = await db.read<Row>({
    name: 'get',
    text: `SELECT id, ${taskJson} FROM tasks WHERE id = ANY($1::int[])`,
    values: [ids],
  });
  const found = new Map(rows.map(({ id, json }) => [id, json]));
  return ids.map((id) => found.get(id));
}

/** One INSERT, one commit. The rows get ascending ids in the order of `tasks`. */
async function createTasks(db: Db, tasks: NewTask[]): Promise<Row[]> {
  const rows = await db.write<Row>({
    name: 'create',
    text: `
      INSERT INTO tasks (title, status)
      SELECT title, status FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS new (title, status, n) ORDER BY n
      RETURNING id, ${taskJson}`,
    values: [tasks.map(({ title }) => title), tasks.map(({ status }) => status)],
  });
  return rows.toSorted((a, b) => a.id - b.id);
}

async function updateTask(db: Db, id: number, { title, status }: TaskChange): Promise<TaskJson | undefined> {
  const rows = await db.write<Row>({
    name: 'update',
    text: `UPDATE tasks SET title = coalesce($2, title), status = coalesce($3, status) WHERE id = $1 RETURNING id, ${taskJson}`,
    values: [id, title, status],
  });
  return rows[0]?.json;
}

async function deleteTask(db: Db, id: number): Promise<boolean> {
  const rows = await db.write<{ id: number }>({
    name: 'delete',
    text: 'DELETE FROM tasks WHERE id = $1 RETURNING id',
    values: [id],
  });
  return rows.length > 0;
}
