import { hash } from 'node:crypto';
import type { Db, Statement } from '../db.ts';
import { type CreatedOnce, createTaskOnce, type NotCreated } from './idempotency.ts';
import { columnList, type Row, type TaskJson, taskJson } from './row.ts';
import {
  type Cursor,
  encodeCursor,
  type ListQuery,
  type NewTask,
  type TaskChange,
} from './schema.ts';

/** One page of the list, newest first. */
export interface Page {
  /** `{"tasks": […], "next_cursor": …}`, ready to send. */
  json: Buffer;
  /** Names the content: equal pages have equal tags, on every replica. */
  etag: string;
  /** Where the next page starts; undefined on the last one. */
  nextCursor: string | undefined;
}

/** What the API asks of the database. */
export interface TaskStore {
  list: (query: ListQuery) => Promise<Page>;
  /** Undefined: there is no such task. */
  get: (id: number) => Promise<TaskJson | undefined>;
  /** Resolves when the task is committed. */
  create: (task: NewTask) => Promise<Row>;
  /** Creates the task, or returns the one that `key` created in the last 24 hours. */
  createOnce: (key: string, task: NewTask) => Promise<CreatedOnce | NotCreated>;
  /** Changes only what is given. Undefined: there is no such task. */
  update: (id: number, change: TaskChange) => Promise<TaskJson | undefined>;
  /** False: there was no such task. */
  remove: (id: number) => Promise<boolean>;
}

export function openTaskStore(db: Db): TaskStore {
  return {
    list: (query) => listTasks(db, query),
    get: (id) => getTask(db, id),
    create: (task) => createTask(db, task),
    createOnce: (key, task) => createTaskOnce(db, key, task),
    update: (id, change) => updateTask(db, id, change),
    remove: (id) => deleteTask(db, id),
  };
}

async function listTasks(db: Db, query: ListQuery): Promise<Page> {
  const rows = await db.read<Pick<Row, 'json'>>(listStatement(query));
  const tasks = rows.slice(0, query.limit).map((row) => row.json);
  const last = tasks.at(-1);
  const hasMore = rows.length > query.limit;
  const nextCursor = hasMore && last ? encodeCursor(JSON.parse(last) as Cursor) : undefined;
  const next = nextCursor === undefined ? '' : `,"next_cursor":"${nextCursor}"`;
  const json = Buffer.from(`{"tasks":[${tasks.join(',')}]${next}}`);
  return { json, etag: `"${hash('sha1', json, 'base64url')}"`, nextCursor };
}

// How a search compares titles: in canonical form, ignoring case. lower() alone tells ς from σ.
// normalize() is slow and rarely needed. 02_indexes.sql has the same expression.
const comparedTitle =
  'lower(upper(CASE WHEN title IS NFC NORMALIZED THEN title ELSE normalize(title, NFC) END))';

/** A LIKE pattern that finds `part` anywhere, in canonical form; its case is kept. */
const patternOf = (part: string) => `%${part.normalize('NFC').replace(/[\\%_]/g, '\\$&')}%`;

function listStatement({ limit, status, q, cursor }: ListQuery): Statement {
  const values: unknown[] = [limit + 1]; // the extra row tells whether there is a next page
  const parameter = (value: unknown) => {
    values.push(value);
    return `$${values.length}`;
  };
  const conditions = ['true'];
  if (status !== undefined) conditions.push(`status = ${parameter(status)}`);
  if (q) conditions.push(`${comparedTitle} LIKE lower(upper(${parameter(patternOf(q))}))`);
  if (cursor) {
    const [createdAt, id] = [parameter(cursor.created_at), parameter(cursor.id)];
    conditions.push(`(created_at, -id) < (${createdAt}, -${id}::int)`);
  }
  const filters = `${status === undefined ? '' : '-status'}${cursor ? '-cursor' : ''}`;
  return {
    // A search is not prepared: rare words need the index, frequent ones do not.
    name: q ? '' : `list${filters}`,
    kind: q ? 'search' : 'list',
    // Both columns descend, so that the cursor is one row comparison: see 02_indexes.sql.
    // The inner SELECT keeps PostgreSQL from writing JSON for rows that the limit drops.
    text: `
      SELECT ${taskJson} FROM (
        SELECT * FROM tasks WHERE ${conditions.join(' AND ')}
        ORDER BY created_at DESC, -id DESC LIMIT $1
      ) AS page`,
    values,
  };
}

async function getTask(db: Db, id: number): Promise<TaskJson | undefined> {
  const [row] = await db.read<Row>({
    name: 'get',
    kind: 'get',
    text: `SELECT id, ${taskJson} FROM tasks WHERE id = $1`,
    values: [id],
  });
  return row?.json;
}

async function createTask(db: Db, task: NewTask): Promise<Row> {
  const [row] = await db.write<Row>({
    name: 'create',
    kind: 'create',
    text: `
      INSERT INTO tasks (${columnList})
      SELECT ${columnList} FROM json_populate_record(NULL::tasks, $1)
      RETURNING id, ${taskJson}`,
    values: [JSON.stringify(task)],
  });
  if (!row) throw new Error('INSERT returned no row');
  return row;
}

/** Columns that are absent from the JSON keep the value of the row. */
async function updateTask(db: Db, id: number, change: TaskChange): Promise<TaskJson | undefined> {
  const [row] = await db.write<Row>({
    name: 'update',
    text: `
      UPDATE tasks
      SET (${columnList}) = (SELECT ${columnList} FROM json_populate_record(tasks, $2))
      WHERE id = $1
      RETURNING id, ${taskJson}`,
    values: [id, JSON.stringify(change)],
  });
  return row?.json;
}

async function deleteTask(db: Db, id: number): Promise<boolean> {
  const rows = await db.write<{ id: number }>({
    name: 'delete',
    text: 'DELETE FROM tasks WHERE id = $1 RETURNING id',
    values: [id],
  });
  return rows.length > 0;
}
